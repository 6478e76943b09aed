"""The clients of the market APIs against the local exchange, over real sockets: every good and bad answer."""

import json
import logging
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from lab_utils.feeds import api_client, finnhub
from lab_utils.feeds.exchange.market import read_entries
from lab_utils.feeds.file_feed import Rejected
from lab_utils.feeds.sources import exchange_api
from lab_utils.ticks import STOCKS, tick_json, utc_text
from lab_utils.waiting import wait_until
from tests.servers.exchanges import FEEDS, KEY, OpenExchange, Reader, open_exchange, open_feed, speaking
from tests.servers.records import SAMPLES

POLLED = ["full", "latest", "quotes"]
REFUSED = "does not accept the API key"
NO_PLAN = "gives no access"
UNKNOWN = "knows none of the symbols"


@pytest.fixture(scope="module")
def one_exchange() -> Iterator[OpenExchange]:
    with open_exchange(read_entries(SAMPLES)) as opened:
        yield opened


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_client, "FIRST_PAUSE_SECONDS", 0.02)


@pytest.fixture
def exchange(one_exchange: OpenExchange) -> OpenExchange:
    one_exchange.forget()
    return one_exchange


def reader(exchange: OpenExchange, feed: str, key: str | None = KEY, symbols: list[str] | None = None) -> Reader:
    api = exchange.api(feed, key, seconds=0.4 if exchange.exchange.faults.faults else 5)
    return Reader(lambda stopped: open_feed(feed, api, stopped, symbols))


RETRIED = ["429", "429-text", "500", "503", "html", "timeout", "reset"]


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("fault", RETRIED)
def test_what_may_pass_is_asked_for_again(exchange: OpenExchange, feed: str, fault: str) -> None:
    exchange.set_faults(fault)
    with reader(exchange, feed) as found:
        wait_until(lambda: exchange.made(feed, fault) >= 2 or found.error, 30, "a second try", seen=lambda: found)
        assert found.ticks == []
        exchange.set_faults()
        found.await_ticks()
    assert (found.error, found.rejected) == (None, [])


@pytest.mark.parametrize("feed", POLLED)
def test_an_empty_answer_is_asked_for_again(exchange: OpenExchange, feed: str) -> None:
    exchange.set_faults("empty")
    with reader(exchange, feed) as found:
        wait_until(lambda: exchange.made(feed, "empty") >= 2, 30, "a second try")
        exchange.set_faults()
        found.await_ticks()
    assert found.rejected == []


@pytest.mark.parametrize("feed", POLLED)
def test_an_answer_cut_in_the_middle_is_a_dead_letter_and_is_asked_for_again(exchange: OpenExchange, feed: str) -> None:
    exchange.set_faults("cut")
    with reader(exchange, feed) as found:
        wait_until(lambda: exchange.made(feed, "cut") >= 2, 30, "a second try")
        exchange.set_faults()
        found.await_ticks()
    assert {one.reason for one in found.rejected} == {"not a JSON object"}
    assert len(found.rejected) == exchange.made(feed, "cut")
    assert all(one.raw.startswith(b"{") for one in found.rejected)


@pytest.mark.parametrize(
    ("feed", "fault", "says"),
    [
        *((feed, "401", REFUSED) for feed in FEEDS),
        *((feed, "403", NO_PLAN) for feed in FEEDS),
        ("full", "unknown", UNKNOWN),
        ("latest", "unknown", UNKNOWN),
    ],
)
def test_what_cannot_pass_ends_the_feed_in_one_sentence(
    exchange: OpenExchange, feed: str, fault: str, says: str
) -> None:
    exchange.set_faults(fault)
    with reader(exchange, feed) as found:
        error = found.await_end()
    assert says in error.what
    assert error.repair
    assert (exchange.made(feed, fault), found.ticks, found.rejected) == (1, [], [])


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize(("key", "says"), [(None, "asks for an API key, and none is set"), ("wrong", REFUSED)])
def test_without_the_right_key_the_feed_ends(exchange: OpenExchange, feed: str, key: str | None, says: str) -> None:
    with reader(exchange, feed, key) as found:
        error = found.await_end()
    assert says in error.what
    assert "wrong" not in str(error)


@pytest.mark.parametrize("feed", POLLED)
def test_a_quote_that_is_repeated_is_no_new_tick(exchange: OpenExchange, feed: str) -> None:
    with reader(exchange, feed) as found:
        found.await_ticks(2)
        exchange.set_faults("stale")
        wait_until(lambda: exchange.made(feed, "stale") >= 1, 30, "a stale answer")
        before, polls = len(found.ticks), exchange.made(feed, "stale")
        stood_at = max(tick.seconds for tick in exchange.exchange.market.latest.values())
        wait_until(
            lambda: (
                exchange.made(feed, "stale") >= polls + 10
                and min(tick.seconds for tick in exchange.exchange.market.latest.values()) > stood_at + 1
            ),
            30,
            "the market to move on",
        )
        # The answer that was on its way when the fault was switched on may still have come.
        assert len(found.ticks) <= before + 2
        exchange.set_faults()
        found.await_ticks()
    assert len({(tick.symbol, tick.event_time) for tick in found.ticks}) == len(found.ticks)


@pytest.mark.parametrize("feed", POLLED)
def test_a_price_of_zero_is_a_dead_letter_with_the_answers_bytes(exchange: OpenExchange, feed: str) -> None:
    exchange.set_faults("zero")
    with reader(exchange, feed) as found:
        wait_until(lambda: found.rejected, 30, "a dead letter")
        exchange.set_faults()
        found.await_ticks()
    assert "price: not a positive number" in found.rejected[0].reason
    assert found.rejected[0].key in {"BTC", "ETH", "AAPL", "MSFT"}
    assert json.loads(found.rejected[0].raw)


def test_an_unknown_share_is_one_dead_letter_and_the_others_go_on(exchange: OpenExchange) -> None:
    with reader(exchange, "quotes", symbols=["NOPE", "AAPL"]) as found:
        found.await_ticks(3)
    assert {tick.symbol for tick in found.ticks} == {"AAPL"}
    (dead,) = found.rejected
    assert (dead.key, dead.reason) == ("NOPE", "price: zero, as for an unknown symbol")
    assert json.loads(dead.raw)["d"] is None


def test_a_share_whose_quote_is_zero_in_an_incident_comes_back(
    exchange: OpenExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finnhub, "LONGEST_ZERO_PAUSE", 0.1)
    exchange.set_faults("unknown")
    with reader(exchange, "quotes", symbols=["AAPL"]) as found:
        wait_until(lambda: exchange.made("quotes", "unknown") >= 3, 30, "three quotes of zeros")
        exchange.set_faults()
        found.await_ticks()
    assert len(found.rejected) == 1


def test_an_unknown_coin_is_reported_once_and_the_others_go_on(
    exchange: OpenExchange, caplog: pytest.LogCaptureFixture
) -> None:
    with reader(exchange, "full", symbols=["NOPE", "BTC"]) as found:
        found.await_ticks(3)
    assert {tick.symbol for tick in found.ticks} == {"BTC"}
    assert [record.getMessage() for record in caplog.records if "NOPE" in record.getMessage()] == [
        "event=unknown_symbol api='The local exchange' symbols=NOPE repair='Correct LAB_CRYPTO_SYMBOLS in .env.'"
    ]


@pytest.mark.parametrize(
    ("fault", "rejected"),
    [
        ("ping", None),
        ("error", None),
        ("unknown", None),
        ("empty", None),
        ("close", None),
        ("cut", "not a JSON object"),
        ("zero", "price: not a positive number"),
    ],
)
def test_trades_go_on_after_whatever_a_websocket_brings(
    exchange: OpenExchange, fault: str, rejected: str | None
) -> None:
    with reader(exchange, "trades") as found:
        found.await_ticks()
        exchange.set_faults(fault)
        wait_until(lambda: exchange.made("trades", fault) >= 2, 30, fault)
        exchange.set_faults()
        found.await_ticks(2)
    assert found.error is None
    assert bool(found.rejected) == bool(rejected)
    assert all((rejected or "") in one.reason for one in found.rejected)


def test_a_reset_in_the_middle_of_the_trades_is_survived_and_subscribed_again(exchange: OpenExchange) -> None:
    with reader(exchange, "trades") as found:
        found.await_ticks()
        exchange.set_faults("finnhub=reset:0.5")
        wait_until(lambda: exchange.made("trades", "reset") >= 4, 60, "resets")
        exchange.set_faults()
        found.await_ticks(4)
    assert {tick.symbol for tick in found.ticks[-4:]} <= {"AAPL", "MSFT"}
    assert len({(tick.symbol, tick.event_time) for tick in found.ticks}) == len(found.ticks)


def test_an_unknown_symbol_on_the_websocket_is_reported_once(
    exchange: OpenExchange, caplog: pytest.LogCaptureFixture
) -> None:
    with reader(exchange, "trades", symbols=["FX:EURUSD", "AAPL"]) as found:
        found.await_ticks(2)
    assert sum("Invalid symbol FX:EURUSD" in record.getMessage() for record in caplog.records) == 1


def test_coins_come_as_trades_in_the_currency_of_their_market(exchange: OpenExchange) -> None:
    api = exchange.api("trades")
    with Reader(lambda stopped: open_feed("coins", api, stopped)) as found:
        found.await_ticks(3)
    assert {(tick.symbol, tick.currency, tick.source) for tick in found.ticks} == {
        ("BTC", "USDT", "exchange:finnhub.trade")
    }


@pytest.mark.parametrize("feed", FEEDS)
def test_each_tick_that_was_served_arrives_once_with_its_digits(exchange: OpenExchange, feed: str) -> None:
    exchange.set_faults("429:0.1", "reset:0.1", "empty:0.1", "ping:0.1") if feed != "trades" else None
    with reader(exchange, feed) as found:
        found.await_ticks(8)
    unit = 1000 if feed == "trades" else 1
    arrived = [
        (tick.symbol, round(tick.event_time.timestamp() * unit), json.loads(tick_json(tick), parse_float=str)["price"])
        for tick in found.ticks
    ]
    served = [tick[1:] for tick in exchange.exchange.served.ticks if tick[0] == FEEDS[feed]]
    if feed == "trades":  # those on their way when the reader stopped were served and not accepted
        assert arrived == served[: len(arrived)]
    else:
        assert arrived == served


def test_the_size_of_a_coin_is_that_of_a_new_trade_only(exchange: OpenExchange) -> None:
    with reader(exchange, "full", symbols=["BTC"]) as found:
        wait_until(lambda: sum(tick.size is not None for tick in found.ticks) >= 3, 30, "three trades")
    recorded = {entry.raw for entry in exchange.exchange.market.entries if entry.symbol == "BTC"}
    sizes = {json.loads(raw, parse_float=str, parse_int=str)["size"] for raw in recorded}
    assert {format(tick.size, "f") for tick in found.ticks if tick.size is not None} <= sizes


def test_faults_are_switched_while_the_exchange_runs(exchange: OpenExchange) -> None:
    control = f"http://{exchange.address}/control"
    done = httpx.post(f"{control}/faults", json={"faults": ["finnhub.quote=429:0.5", "html"]}, trust_env=False)
    assert done.json()["faults"] == ["finnhub.quote=429:0.5", "html:1"]
    with reader(exchange, "full"):
        wait_until(lambda: exchange.made("full", "html"), 30, "the fault")
    seen = httpx.get(f"{control}/stats", trust_env=False).json()
    assert seen["faults"]["cryptocompare.pricemultifull"]["html"] >= 1
    assert httpx.post(f"{control}/faults", json={"faults": []}, trust_env=False).json()["faults"] == []


@pytest.mark.parametrize(
    "body", ['{"faults": ["sulk"]}', '{"faults": ["429:2"]}', '{"faults": ["nowhere=429"]}', "{}", "rubbish", "[]"]
)
def test_a_fault_that_is_none_is_refused_and_changes_nothing(exchange: OpenExchange, body: str) -> None:
    exchange.set_faults("429:0.5")
    done = httpx.post(
        f"http://{exchange.address}/control/faults",
        content=body,
        headers={"Content-Type": "application/json"},
        trust_env=False,
    )
    assert (done.status_code, "error" in done.json()) == (422, True)
    assert [str(fault) for fault in exchange.exchange.faults.faults] == ["429:0.5"]


@pytest.mark.parametrize(
    ("path", "answer"),
    [("/data/price?fsym=BTC&tsyms=USD", {"USD"}), ("/data/pricemulti?fsyms=BTC,NOPE&tsyms=USD", {"BTC"})],
)
def test_the_short_prices_are_served_too(exchange: OpenExchange, path: str, answer: set[str]) -> None:
    address = f"http://{exchange.address}{path}"
    with_key = httpx.get(address, headers={"Authorization": f"Apikey {KEY}"}, trust_env=False)
    assert set(with_key.json()) == answer
    assert httpx.get(f"{address}&api_key={KEY}", trust_env=False).json().keys() == answer
    assert httpx.get(address, trust_env=False).json()["Response"] == "Error"


@pytest.mark.parametrize("feed", FEEDS)
def test_a_feed_stops_at_once_while_the_api_is_away(exchange: OpenExchange, feed: str) -> None:
    exchange.set_faults("500")
    with reader(exchange, feed) as found:
        wait_until(lambda: exchange.made(feed, "500") >= 2, 30, "two tries")
    assert found.error is None


@pytest.mark.parametrize("feed", FEEDS)
def test_the_key_is_in_no_log_even_at_the_finest_level(
    exchange: OpenExchange, feed: str, caplog: pytest.LogCaptureFixture
) -> None:
    for logger in (None, "httpx", "httpcore", "websockets"):  # commands called in this process may have muted these
        caplog.set_level(logging.DEBUG, logger)
    exchange.set_faults("500")
    with reader(exchange, feed) as found:
        wait_until(lambda: exchange.made(feed, "500") >= 2, 30, "trouble that is reported")
        exchange.set_faults("429:0.2", "reset:0.1", "cut:0.1", "close:0.1")
        found.await_ticks(2)
    with reader(exchange, feed, f"{KEY}-but-wrong") as refused:
        assert KEY not in str(refused.await_end())
    assert found.ticks
    ours = [record for record in caplog.records if not record.name.startswith("websockets.server")]
    assert ours
    assert not [record for record in ours if record.levelno > logging.WARNING]
    assert not [record for record in ours if KEY in record.getMessage()]


def test_an_api_that_is_away_is_reported_once_and_once_when_it_is_back(
    exchange: OpenExchange, caplog: pytest.LogCaptureFixture
) -> None:
    exchange.set_faults("500")
    with reader(exchange, "full") as found:
        wait_until(lambda: exchange.made("full", "500") >= 6, 30, "six tries")
        exchange.set_faults()
        found.await_ticks()
    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [text.split()[0] for text in warned] == ["event=api_failed", "event=api_back"]


# The literal payloads that were recorded from the APIs.

FULL = (
    b'{"RAW":{"ETH":{"USD":{"TYPE":"5","MARKET":"CCCAGG","FROMSYMBOL":"ETH","TOSYMBOL":"USD","FLAGS":"2052",'
    b'"PRICE":1276.75,"LASTUPDATE":1666357726,"MEDIAN":1276.59,"LASTVOLUME":0.6333,"LASTTRADEID":"34667055",'
    b'"VOLUMEDAY":287782.6125126447,"VOLUME24HOUR":573086.14879595,"OPENDAY":1282.68,"HIGHDAY":1292.33,'
    b'"LOWDAY":1254.6,"CHANGE24HOUR":-21.279999999999973,"CHANGEPCT24HOUR":-1.6394074096900666,'
    b'"SUPPLY":122373863.499,"MKTCAP":156240830222.34824}}},"DISPLAY":{"ETH":{"USD":{"PRICE":"$ 1,276.75",'
    b'"LASTUPDATE":"Just now","MKTCAP":"$ 156.24 B"}}}}'
)
LATEST = (
    b'{"Data":{"BTC-USD":{"TYPE":"266","MARKET":"cadli","INSTRUMENT":"BTC-USD","CCSEQ":1320983773,"VALUE":73838.87,'
    b'"VALUE_FLAG":"DOWN","VALUE_LAST_UPDATE_TS":1780159779,"CURRENT_DAY_OPEN":73370.02}}}'
)
QUOTE = b'{"c":175.43,"d":2.44,"dp":1.4105,"h":175.77,"l":173.11,"o":173.32,"pc":172.99,"t":1636322400}'
LIVE_QUOTE = b'{"c":176.495,"d":-0.655,"dp":-0.3697,"h":177.57,"l":175.4242,"o":175.58,"pc":177.15,"t":1697650902}'
RATE_LIMIT = (
    b'{"Response":"Error","Message":"You are over your rate limit please upgrade your account!","HasWarning":false,'
    b'"Type":99,"RateLimit":{"calls_made":{"second":1,"minute":3,"hour":4,"day":7773,"month":11627,"total_calls":52622}'
    b',"max_calls":{"second":20,"minute":300,"hour":3000,"day":7500,"month":50000}},"Data":{}}'
)
NO_SYMBOL = (
    b'{"Response":"Error","Message":"There is no data for the symbol BTCCC .","HasWarning":false,"Type":2,'
    b'"RateLimit":{},"Data":{},"ParamWithError":"fsym"}'
)
NO_PAIR = (
    b'{"Response":"Error","Message":"cccagg_or_exchange market does not exist for this coin pair (ASDHALF-USD)",'
    b'"HasWarning":false,"Type":1,"RateLimit":{},"Data":{},"Cooldown":0}'
)
NO_KEY = (
    b'{"Response":"Error","Message":"You need a valid auth key or api key to access this endpoint","HasWarning":false,'
    b'"Type":1,"RateLimit":{},"Data":{}}'
)
NEW_NO_KEY = (
    b'{"Data":{},"Err":{"type":2,"message":"API key required, please refer to the documentation at '
    b'https://developers.coindesk.com/","http_status_code":401,"frontend":{}}}'
)


@pytest.mark.parametrize(
    ("feed", "symbols", "payload", "expected"),
    [
        (
            "full",
            ["ETH"],
            FULL,
            {
                "symbol": "ETH",
                "currency": "USD",
                "price": "1276.75",
                "size": "0.6333",
                "event_time": "2022-10-21T13:08:46.000Z",
                "volume_24h": "573086.14879595",
                "market_cap": "156240830222.34824",
                "change_pct_24h": "-1.6394074096900666",
            },
        ),
        (
            "latest",
            ["BTC"],
            LATEST,
            {"symbol": "BTC", "currency": "USD", "price": "73838.87", "event_time": "2026-05-30T16:49:39.000Z"},
        ),
        (
            "quotes",
            ["AAPL"],
            QUOTE,
            {
                "symbol": "AAPL",
                "currency": "USD",
                "price": "175.43",
                "event_time": "2021-11-07T22:00:00.000Z",
                "open": "173.32",
                "high": "175.77",
                "low": "173.11",
                "previous_close": "172.99",
                "change_pct": "1.4105",
            },
        ),
        (
            "quotes",
            ["AAPL"],
            LIVE_QUOTE,
            {"price": "176.495", "low": "175.4242", "event_time": "2023-10-18T17:41:42.000Z", "size": None},
        ),
    ],
)
def test_a_recorded_answer_is_the_right_tick(
    feed: str, symbols: list[str], payload: bytes, expected: dict[str, Any]
) -> None:
    with speaking(payload) as address:
        source = {"full": "cryptocompare", "latest": "coindesk"}.get(feed, "finnhub")
        api = exchange_api(source, address, None)
        with Reader(lambda stopped: open_feed(feed, api, stopped, symbols)) as found:
            found.await_ticks()
    fields = json.loads(tick_json(found.ticks[0]), parse_float=str, parse_int=str)
    assert {name: fields[name] for name in expected} == expected
    assert (len(found.ticks), found.rejected) == (1, [])


@pytest.mark.parametrize(
    ("feed", "payload", "status", "says"),
    [
        ("full", NO_SYMBOL, 200, "knows none of the symbols (There is no data for the symbol BTCCC )"),
        ("full", NO_PAIR, 200, "knows none of the symbols"),
        ("full", NO_KEY, 200, "asks for an API key, and none is set"),
        ("full", NEW_NO_KEY, 401, "asks for an API key, and none is set"),
        ("latest", NEW_NO_KEY, 401, "asks for an API key, and none is set"),
        ("quotes", b'{"error":"Please use an API key."}', 401, "asks for an API key, and none is set"),
        ("quotes", b'{"error":"Invalid API key."}', 401, "asks for an API key"),
        ("quotes", b'{"error":"You don\'t have access to this resource."}', 403, NO_PLAN),
        ("quotes", b'{"error":"API limit reached. Please sign up for an API key."}', 429, "asks for an API key"),
    ],
)
def test_a_recorded_complaint_ends_the_feed(feed: str, payload: bytes, status: int, says: str) -> None:
    with speaking(payload, status) as address:
        api = exchange_api("finnhub" if feed == "quotes" else "cryptocompare", address, None)
        with Reader(lambda stopped: open_feed(feed, api, stopped)) as found:
            assert says in found.await_end().what


@pytest.mark.parametrize(
    ("feed", "payload", "status", "reason"),
    [
        ("full", RATE_LIMIT, 200, "rate limit of the day"),
        (
            "quotes",
            b'{"error":"API limit reached. Please try again later. Remaining Limit: 0"}',
            429,
            "reason='rate limit'",
        ),
    ],
)
def test_a_recorded_rate_limit_is_waited_for(
    feed: str, payload: bytes, status: int, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="lab_utils")
    with speaking(payload, status) as address:
        api = exchange_api("finnhub" if feed == "quotes" else "cryptocompare", address, None)
        with Reader(lambda stopped: open_feed(feed, api, stopped)) as found:
            wait_until(lambda: reason in caplog.text, 30, "the pause")
    assert (found.error, found.ticks, found.rejected) == (None, [], [])


def test_recorded_messages_of_the_websocket_are_read_as_what_they_are(caplog: pytest.LogCaptureFixture) -> None:
    api = exchange_api("finnhub", "127.0.0.1:9", None)
    feed = finnhub.Trades(api, ["TSLA"], STOCKS, threading.Event())
    trade = b'{"data":[{"c":["1","8","24","12"],"p":122.1,"s":"TSLA","t":1672348887195,"v":1}],"type":"trade"}'
    (tick,) = feed._frame(trade)
    assert not isinstance(tick, Rejected)
    assert (tick.symbol, tick.price, tick.size) == ("TSLA", Decimal("122.1"), Decimal(1))
    assert utc_text(tick.event_time) == "2022-12-29T21:21:27.195Z"
    assert list(feed._frame(b'{"type":"ping"}')) == []
    assert list(feed._frame(b'{"msg":"Invalid symbol FX:EURUSD","type":"error"}')) == []
    assert "Invalid symbol FX:EURUSD" in caplog.text
    (update,) = feed._frame(trade.replace(b'"v":1', b'"v":0'))
    assert not isinstance(update, Rejected)
    assert update.size is None
