"""What the local exchange does wrong on demand, how often and where."""

import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from lab_utils.errors import LabError

KINDS = {
    "429": "rate limit, in the words of each API",
    "429-text": "rate limit as plain text",
    "401": "the key is refused",
    "403": "the plan gives no access",
    "500": "server error",
    "503": "server error that asks to wait (Retry-After: 1)",
    "unknown": "as for unknown symbols",
    "html": "a maintenance page with HTTP 200",
    "empty": "an empty body",
    "cut": "JSON that ends in the middle",
    "zero": "a quote whose price is zero",
    "stale": "the last answer again, as when the market is closed",
    "timeout": "no answer",
    "reset": "the connection is reset",
    "ping": "WebSocket: a ping message",
    "error": "WebSocket: an error message",
    "close": "WebSocket: the server closes",
}
ENDPOINTS = (
    "cryptocompare.price",
    "cryptocompare.pricemulti",
    "cryptocompare.pricemultifull",
    "coindesk.tick",
    "finnhub.quote",
    "finnhub.trades",
)
ONLY_WEBSOCKET = {"ping", "error", "close"}
ONLY_BEFORE = {"429", "429-text", "401", "403", "500", "503", "html", "timeout"}
"""On a WebSocket these happen to the handshake, all others to messages."""
ALWAYS = 1.0


@dataclass(frozen=True)
class Fault:
    """One kind of fault at one endpoint, or at all of an API, or everywhere."""

    kind: str
    rate: float = ALWAYS
    endpoint: str = ""
    """Empty for all, `finnhub` for an API, `finnhub.quote` for one endpoint."""

    def __str__(self) -> str:
        place = f"{self.endpoint}=" if self.endpoint else ""
        return f"{place}{self.kind}:{self.rate:g}"

    def is_at(self, endpoint: str) -> bool:
        """Whether it concerns this endpoint."""
        return self.endpoint in {"", endpoint, endpoint.partition(".")[0]}


def parse_fault(text: str) -> Fault:
    """The fault in `[ENDPOINT=]KIND[:RATE]`, as in `429:0.05` or `finnhub.quote=timeout:0.02`.

    Raises:
        LabError: kind, rate or endpoint are not known.
    """
    endpoint, equals, rest = text.strip().partition("=")
    endpoint, rest = (endpoint, rest) if equals else ("", endpoint)
    kind, colon, rate = rest.partition(":")
    apis = {name.partition(".")[0] for name in ENDPOINTS}
    if equals and endpoint not in apis | set(ENDPOINTS):
        raise LabError(f"The exchange has no endpoint {endpoint!r}.", f"There are {', '.join(sorted(ENDPOINTS))}.")
    if kind not in KINDS:
        raise LabError(f"The fault {kind!r} is unknown.", f"There are {', '.join(KINDS)}.")
    try:
        share = float(rate) if colon else ALWAYS
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise LabError(f"The rate {rate!r} of the fault {kind} is not usable.", "Give a share from 0 to 1, as in 0.05.")
    return Fault(kind, share, endpoint)


@dataclass
class Faults:
    """Chooses the fault of each answer. Each endpoint has chances of its own, which only the seed decides."""

    seed: int = 0
    faults: Sequence[Fault] = ()
    made: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many faults were made, by endpoint and kind."""
    _chances: dict[str, random.Random] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def choose(self, endpoint: str, kinds: set[str]) -> str | None:
        """The fault of the next answer, one of `kinds`; None for a good answer. Their rates add up."""
        with self._lock:
            point = self._chances.setdefault(endpoint, random.Random(f"{self.seed}:{endpoint}")).random()
            for fault in self.faults:
                if fault.kind in kinds and fault.is_at(endpoint):
                    point -= fault.rate
                    if point < 0:
                        self.made[endpoint, fault.kind] += 1
                        return fault.kind
        return None
