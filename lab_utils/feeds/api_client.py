"""Ask a market API over HTTP, and tell by body and status whether its answer is good, may be had later, or never.

What may pass (a rate limit, a time-out, a maintenance page, a cut answer) is asked for again, later and later.
What cannot pass (no key, a wrong one, a plan without access) ends the feed in one sentence. An answer that is cut
in the middle held data, so its bytes are handed on as a dead letter before it is asked for again.
"""

import email.utils
import json
import logging
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import tenacity
from pydantic import SecretStr

from lab_utils.errors import LabError
from lab_utils.feeds.file_feed import Rejected
from lab_utils.feeds.limits import Limit, TokenBucket, await_turn

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
TRIES_BEFORE_WARNING = 3
"""One failed call is everyday life at an API; so many in a row are worth a line on the terminal."""
LARGEST_ANSWER = 8_000_000
"""Bytes. Quotes take thousands; more than this is not from the API."""


@dataclass(frozen=True)
class Api:
    """One API as this run uses it."""

    name: str
    """As a sentence calls it."""
    source: str
    """Begins the `source` of its ticks."""
    http: str
    websocket: str
    key: SecretStr | None
    key_repair: str
    """What to do when the key is missing or refused."""
    auth_header: str
    auth_scheme: str = ""
    limits: tuple[Limit, ...] = ()
    use_proxy: bool = True
    seconds: float = 10
    """How long a call may take."""

    def headers(self) -> dict[str, str]:
        """The header that carries the key."""
        if self.key is None:
            return {}
        return {self.auth_header: f"{self.auth_scheme}{self.key.get_secret_value()}"}

    def without_key(self, text: object) -> str:
        """`text` that may be shown: one line, short, and without the key should a server repeat it."""
        shown = " ".join(str(text).split())[:200].rstrip(".")
        return shown.replace(self.key.get_secret_value(), "***") if self.key is not None else shown

    def key_refused(self) -> LabError:
        """The error for an answer that asks for a key, or for another one."""
        if self.key is None:
            return LabError(f"{self.name} asks for an API key, and none is set.", self.key_repair)
        return LabError(f"{self.name} does not accept the API key.", self.key_repair)

    def plan_refused(self, what: str) -> LabError:
        """The error for a key whose plan does not cover `what`."""
        return LabError(
            f"The plan of this {self.name} key gives no access to {what}.",
            "Use another plan's key, or another source: LAB_CRYPTO_SOURCE and LAB_STOCK_SOURCE in .env.",
        )


@dataclass(frozen=True)
class Answer:
    """What came back for one call."""

    status: int
    body: bytes
    content_type: str = ""
    retry_after: float | None = None
    """Seconds, as the header Retry-After asks."""


@dataclass(frozen=True)
class Found:
    """A good answer: its JSON, every number as the text that was sent, and its bytes."""

    fields: dict[str, Any]
    raw: bytes


class MayPassError(Exception):
    """No good answer this time; another try may bring one."""

    def __init__(self, reason: str, after: float | None = None, raw: bytes | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after
        """Seconds that the API asks to wait."""
        self.raw = raw
        """The bytes of an answer that held data and cannot be read."""


Judge = Callable[[Api, Answer, dict[str, Any]], None]
"""Looks at an answer that is one JSON object. Raises MayPassError or LabError when it is a complaint."""

_DECODER = json.JSONDecoder(parse_float=str, parse_int=str)


def json_object(raw: bytes) -> dict[str, Any] | None:
    """The object in `raw` with its numbers as text, so that no digit is lost; None when there is none."""
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """The header Retry-After in seconds: it is a number of them, or a date. None when it is neither."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        moment = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds())


def judged(api: Api, answer: Answer, judge: Judge) -> Found:
    """The good answer, or why it is none. The body is asked first: a status alone says little.

    Raises:
        MayPassError: ask again later.
        LabError: it is no use to ask again.
    """
    body = answer.body.strip()
    found = json_object(body)
    if found is not None:
        judge(api, answer, found)
    if answer.status == httpx.codes.TOO_MANY_REQUESTS:
        raise MayPassError("rate limit", answer.retry_after)
    if answer.status == httpx.codes.UNAUTHORIZED:
        raise api.key_refused()
    if answer.status == httpx.codes.UNAVAILABLE_FOR_LEGAL_REASONS:
        raise LabError(f"{api.name} is not offered where you are.", "Use the local exchange: --feed exchange")
    if answer.status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise MayPassError(f"HTTP {answer.status}", answer.retry_after)
    if "html" in answer.content_type or body[:1] == b"<":
        raise MayPassError("an HTML page instead of data", answer.retry_after)
    if answer.status == httpx.codes.FORBIDDEN:
        raise api.plan_refused("these data")
    if answer.status != httpx.codes.OK:
        raise MayPassError(f"HTTP {answer.status}", answer.retry_after)
    if not body:
        raise MayPassError("empty answer", answer.retry_after)
    if found is None:
        raise MayPassError("not a JSON object", answer.retry_after, answer.body)
    return Found(found, answer.body)


def pause_seconds(tries: int, asked_for: float | None = None) -> float:
    """How long to wait after so many failures in a row: doubling, with jitter, and as long as the API asks."""
    backoff = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(tries - 1, 10))
    return max(asked_for or 0.0, float(backoff) * random.uniform(0.5, 1))


@dataclass
class Trouble:
    """Says once that an API is away, and once that it is back."""

    api: Api
    tries: int = 0

    def failed(self, reason: str, pause: float) -> None:
        """One more call was in vain."""
        self.tries += 1
        level = logging.WARNING if self.tries == TRIES_BEFORE_WARNING else logging.INFO
        shown = self.api.without_key(reason)
        log.log(
            level, "event=api_failed api=%r reason=%r tries=%d pause_s=%.1f", self.api.name, shown, self.tries, pause
        )

    def passed(self) -> None:
        """A call was answered."""
        if self.tries >= TRIES_BEFORE_WARNING:
            log.warning("event=api_back api=%r tries=%d", self.api.name, self.tries)
        self.tries = 0


def unusable_proxy() -> LabError:
    """For a proxy of the environment that the libraries do not speak to. Its address is not shown: it may hold a password."""
    return LabError(
        "The environment names a proxy that is none for HTTP (ALL_PROXY, HTTPS_PROXY or HTTP_PROXY).",
        "Set HTTPS_PROXY to an address such as http://proxy.example:3128, and unset ALL_PROXY.",
    )


@dataclass
class ApiClient:
    """Calls one API, within its limits, until there is an answer or `stopped` is set."""

    api: Api
    judge: Judge
    stopped: threading.Event
    trouble: Trouble = field(init=False)

    def __post_init__(self) -> None:
        self.trouble = Trouble(self.api)
        self._buckets = [TokenBucket(limit) for limit in self.api.limits]
        try:
            self._http = httpx.Client(
                base_url=self.api.http,
                headers={"Accept": "application/json", **self.api.headers()},
                timeout=self.api.seconds,
                trust_env=self.api.use_proxy,
            )
        except (ValueError, ImportError):
            raise unusable_proxy() from None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, path: str, params: Mapping[str, str]) -> Iterator[Found | Rejected]:
        """The good answer, after the answers before it that were cut short; nothing when stopped.

        Raises:
            LabError: asking again is of no use.
        """
        try:
            for attempt in self._attempts():
                if self.stopped.is_set():
                    return
                found, cut = None, None
                with attempt:
                    try:
                        found = self._call(path, params)
                    except MayPassError as error:
                        cut = error.raw
                        raise
                if cut is not None:
                    yield Rejected(cut, "not a JSON object", None)
                if found is not None:
                    yield found
        except tenacity.RetryError:
            return  # stopped while waiting

    def _attempts(self) -> tenacity.Retrying:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(MayPassError),
            stop=tenacity.stop_when_event_set(self.stopped),
            sleep=tenacity.sleep_using_event(self.stopped),
            wait=_pause,
            before_sleep=self._note,
        )

    def _note(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self.trouble.failed(str(error), state.next_action.sleep if state.next_action else 0)

    def _call(self, path: str, params: Mapping[str, str]) -> Found | None:
        if not await_turn(self._buckets, self.stopped):
            return None
        found = judged(self.api, self._get(path, params), self.judge)
        self.trouble.passed()
        return found

    def _get(self, path: str, params: Mapping[str, str]) -> Answer:
        # The texts of httpx's errors can hold the address that was asked, so only their kind is passed on.
        try:
            with self._http.stream("GET", path, params=dict(params)) as response:
                body = b""
                for part in response.iter_bytes():
                    body += part
                    if len(body) > LARGEST_ANSWER:
                        raise MayPassError("an answer that does not end")
                return Answer(
                    response.status_code,
                    body,
                    response.headers.get("content-type", "").lower(),
                    retry_after_seconds(response.headers.get("retry-after"), datetime.now(UTC)),
                )
        except httpx.TimeoutException:
            raise MayPassError(f"no answer within {self.api.seconds:g} s") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise MayPassError(f"connection failed ({type(error).__name__})") from None


def _pause(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return pause_seconds(state.attempt_number, error.after if isinstance(error, MayPassError) else None)
