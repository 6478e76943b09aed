"""Small decisions of the API clients: when to ask again, and what may be shown."""

import threading
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from pydantic import SecretStr

from lab_utils.errors import LabError
from lab_utils.feeds import sources
from lab_utils.feeds.api_client import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    Api,
    ApiClient,
    json_object,
    pause_seconds,
)
from lab_utils.feeds.api_client import retry_after_seconds as retry_after
from lab_utils.feeds.finnhub import Trades, judge
from lab_utils.feeds.polling import Fresh, event_time
from lab_utils.settings import Settings
from lab_utils.ticks import ASSETS, CRYPTO, STOCKS, Asset, InvalidTickError

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Tue, 24 Nov 2026 12:00:30 GMT", 30.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-5", None),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOON) == seconds


def test_pauses_double_and_have_an_end() -> None:
    for tries in range(1, 40):
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (tries - 1))
        assert longest / 2 <= pause_seconds(tries) <= longest


def test_pauses_differ_so_that_clients_do_not_come_back_all_at_once() -> None:
    assert len({pause_seconds(5) for _ in range(20)}) > 10


def test_a_pause_is_as_long_as_the_api_asks() -> None:
    assert pause_seconds(1, 300) == 300


def test_numbers_of_an_answer_keep_their_digits() -> None:
    assert json_object(b'{"p":0.000000012345,"v":1.50,"t":1672348887195}') == {
        "p": "0.000000012345",
        "v": "1.50",
        "t": "1672348887195",
    }


@pytest.mark.parametrize("raw", [b"", b"[1]", b"3", b'{"a":1', b"\xff", b"<html>", b"null", b"[" * 100_000])
def test_what_is_no_json_object_is_none(raw: bytes) -> None:
    assert json_object(raw) is None


@pytest.mark.parametrize(
    ("text", "units", "shown"),
    [
        ("1636322400", 1, "2021-11-07T22:00:00+00:00"),
        ("1672348887195", 1000, "2022-12-29T21:21:27.195000+00:00"),
    ],
)
def test_a_time_is_read_in_its_unit(text: str, units: int, shown: str) -> None:
    assert event_time(text, "t", units).isoformat() == shown


@pytest.mark.parametrize("text", [None, "", "0", "-1", "1.5", "x", "1636322400000", "9" * 30, {}, "\u0661"])
def test_a_time_that_is_none_is_named(text: object) -> None:
    with pytest.raises(InvalidTickError, match="event_time: t is not"):
        event_time(text, "t")


def test_a_quote_that_is_older_than_the_last_one_is_not_new() -> None:
    fresh = Fresh()
    times = [event_time(text, "t") for text in ("100", "100", "101", "99", "102")]
    new = []
    for time in times:
        new.append(fresh.is_new("A", time))
        if new[-1]:
            fresh.accepted("A", time)
    assert new == [True, False, True, False, True]
    assert fresh.is_new("B", times[0])


def test_a_quote_that_was_no_tick_does_not_hide_a_good_one_of_the_same_second() -> None:
    fresh = Fresh()
    time = event_time("100", "t")
    assert fresh.is_new("A", time)
    assert [fresh.is_newly_rejected("A", quote) for quote in ({"c": "0"}, {"c": "0"}, {"c": "x"})] == [
        True,
        False,
        True,
    ]
    assert fresh.is_new("A", time)


def test_a_server_that_repeats_the_key_cannot_make_the_lab_print_it() -> None:
    api = Api("X", "", "", "", SecretStr("hush"), "Repair.", "Authorization")
    assert api.without_key("bad key hush\nfor you") == "bad key *** for you"
    assert "hush" not in repr(api)


@pytest.mark.parametrize(
    ("given", "assets", "missing"),
    [
        ({}, ASSETS, "LAB_CRYPTOCOMPARE_API_KEY and LAB_FINNHUB_API_KEY, which are not set"),
        ({"finnhub_api_key": SecretStr(" ")}, [STOCKS], "LAB_FINNHUB_API_KEY, which is not set"),
        ({"finnhub_api_key": SecretStr("k")}, ASSETS, "LAB_CRYPTOCOMPARE_API_KEY, which is not set"),
        ({"crypto_source": "finnhub"}, ASSETS, "needs LAB_FINNHUB_API_KEY, which is not set"),
        (
            {"crypto_source": "finnhub", "stock_source": "trades", "finnhub_api_key": SecretStr("k")},
            ASSETS,
            "one WebSocket connection a key",
        ),
    ],
)
def test_live_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], assets: list[Asset], missing: str
) -> None:
    monkeypatch.setattr(sources, "settings", lambda: Settings(_env_file=None, **given))
    with pytest.raises(LabError) as error:
        sources.check_live(*assets)
    assert missing in error.value.what


@pytest.mark.parametrize("source", ["cryptocompare", "coindesk", "finnhub"])
def test_live_asks_the_real_hosts_encrypted_and_within_limits(
    monkeypatch: pytest.MonkeyPatch, source: Literal["cryptocompare", "coindesk", "finnhub"]
) -> None:
    key = SecretStr("k")
    given = Settings(_env_file=None, finnhub_api_key=key, cryptocompare_api_key=key, crypto_source=source)
    monkeypatch.setattr(sources, "settings", lambda: given)
    sources.check_live(*ASSETS)
    api = sources.find_api("live", CRYPTO)
    assert api.http.startswith("https://")
    assert api.websocket.startswith("wss://") or source != "finnhub"
    assert api.limits
    assert set(api.headers().values()) <= {"k", "Apikey k"}


@pytest.mark.parametrize("proxy", ["socks5://me:hush@127.0.0.1:1080", "socks://me:hush@127.0.0.1:1080"])
@pytest.mark.parametrize("way", ["http", "websocket"])
def test_a_proxy_that_is_none_for_http_is_a_sentence_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str, way: str
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "no_proxy", "NO_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setenv("WSS_PROXY", proxy)
    api = Api("X", "x", "https://api.example", "wss://api.example", None, "Repair.", "Authorization")
    with pytest.raises(LabError, match="names a proxy that is none for HTTP") as raised:
        if way == "http":
            ApiClient(api, judge, threading.Event())
        else:
            Trades(api, ["AAPL"], STOCKS, threading.Event())._connect()
    assert "hush" not in f"{raised.value}{raised.value.__cause__}" and raised.value.__suppress_context__
