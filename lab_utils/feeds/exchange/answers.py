"""The words of each API: its good answers and its complaints, as they were seen on the wire.

Numbers are written with the digits of the recording, which a float would lose.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import simplejson

from lab_utils.feeds.exchange.market import MarketTick

JSON = "application/json"
HTML = "text/html"
TEXT = "text/plain"
MAINTENANCE = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>We will be back soon.</body></html>"
COIN_MARKET, COIN_CURRENCY = "BINANCE", "USDT"
ZERO_QUOTE = b'{"c":0,"d":null,"dp":null,"h":0,"l":0,"o":0,"pc":0,"t":0}'


@dataclass(frozen=True)
class Reply:
    """One HTTP answer."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def to_json(value: object) -> bytes:
    """Compact JSON; a Decimal keeps its digits."""
    return simplejson.dumps(value, use_decimal=True, separators=(",", ":")).encode()


def number(text: str | None) -> Decimal | None:
    """The number that the recording writes so."""
    return None if text is None else Decimal(text)


def full_quotes(ticks: Iterable[MarketTick]) -> dict[str, Any]:
    """`/data/pricemultifull`: what a program needs under RAW, what a person reads under DISPLAY."""
    raw: dict[str, Any] = {}
    display: dict[str, Any] = {}
    for tick in ticks:
        fields, price = tick.fields, number(tick.fields["price"])
        raw[tick.symbol] = {
            "USD": {
                "TYPE": "5",
                "MARKET": "CCCAGG",
                "FROMSYMBOL": tick.symbol,
                "TOSYMBOL": "USD",
                "FLAGS": "2052",
                "PRICE": price,
                "LASTUPDATE": tick.seconds,
                "MEDIAN": price,
                "LASTVOLUME": number(tick.trade_size),
                "LASTTRADEID": str(tick.trade),
                "VOLUME24HOUR": number(fields.get("volume_24h")),
                "CHANGEPCT24HOUR": number(fields.get("change_pct_24h")),
                "MKTCAP": number(fields.get("market_cap")),
            }
        }
        display[tick.symbol] = {"USD": {"PRICE": f"$ {price:,}", "LASTUPDATE": "Just now"}}
    return {"RAW": raw, "DISPLAY": display}


def latest_ticks(ticks: Iterable[MarketTick], market: str, first_number: int) -> dict[str, Any]:
    """`/index/cc/v1/latest/tick`."""
    data = {}
    for tick in ticks:
        data[f"{tick.symbol}-USD"] = {
            "TYPE": "266",
            "MARKET": market,
            "INSTRUMENT": f"{tick.symbol}-USD",
            "CCSEQ": first_number + tick.number,
            "VALUE": number(tick.fields["price"]),
            "VALUE_FLAG": "UP",
            "VALUE_LAST_UPDATE_TS": tick.seconds,
            "MOVING_24_HOUR_VOLUME": number(tick.fields.get("volume_24h")),
            "MOVING_24_HOUR_CHANGE_PERCENTAGE": number(tick.fields.get("change_pct_24h")),
        }
    return {"Data": data, "Err": {}}


def quote(tick: MarketTick) -> dict[str, Any]:
    """`/api/v1/quote`."""
    fields = {name: number(text) for name, text in tick.fields.items() if name in _QUOTED}
    price, before = fields["price"] or Decimal(0), fields["previous_close"] or Decimal(0)
    return {
        "c": price,
        "d": price - before,
        "dp": fields["change_pct"],
        "h": fields["high"],
        "l": fields["low"],
        "o": fields["open"],
        "pc": before,
        "t": tick.seconds,
    }


_QUOTED = {"price", "open", "high", "low", "previous_close", "change_pct"}


def trade(tick: MarketTick, name: str) -> bytes:
    """One message of the trade WebSocket. A price update without a trade has the volume 0."""
    size = number(tick.fields.get("size")) or 0
    data = [{"c": ["1"], "p": number(tick.fields["price"]), "s": name, "t": tick.milliseconds, "v": size}]
    return to_json({"data": data, "type": "trade"})


def _legacy_error(message: str, kind: int, **more: Any) -> Reply:
    fields = {"Response": "Error", "Message": message, "HasWarning": False, "Type": kind, "RateLimit": {}, "Data": {}}
    return Reply(to_json({**fields, **more}))


def _data_error(message: str, status: int) -> Reply:
    complaint = {"type": 2, "message": message, "http_status_code": status}
    return Reply(to_json({"Data": {}, "Err": complaint}), status)


def _finnhub_error(message: str, status: int) -> Reply:
    return Reply(to_json({"error": message}), status)


_USED_UP = {
    "calls_made": {"second": 21, "minute": 60, "hour": 90, "day": 90, "month": 90, "total_calls": 90},
    "max_calls": {"second": 20, "minute": 300, "hour": 3000, "day": 7500, "month": 50000},
}
_LEGACY = {
    "429": _legacy_error("You are over your rate limit please upgrade your account!", 99, RateLimit=_USED_UP),
    "no key": _legacy_error("You need a valid auth key or api key to access this endpoint", 1),
    "401": _legacy_error("You need a valid auth key or api key to access this endpoint", 1),
    "403": Reply(to_json({"Response": "Error", "Message": "Your plan does not include this.", "Type": 3}), 403),
    "unknown": _legacy_error("There is no data for the symbol XYZ .", 2, ParamWithError="fsyms"),
}
_DATA = {
    "429": _data_error("You are over your rate limit.", 429),
    "no key": _data_error(
        "API key required, please refer to the documentation at https://developers.coindesk.com/", 401
    ),
    "401": _data_error("The API key is not valid.", 401),
    "403": _data_error("Your plan does not include this endpoint.", 403),
    "unknown": _data_error("None of the instruments exists on this market.", 404),
}
_FINNHUB = {
    "429": _finnhub_error("API limit reached. Please try again later. Remaining Limit: 0", 429),
    "no key": _finnhub_error("Please use an API key.", 401),
    "401": _finnhub_error("Invalid API key.", 401),
    "403": _finnhub_error("You don't have access to this resource.", 403),
    "unknown": Reply(ZERO_QUOTE),
}
_WORDS = {"cryptocompare": _LEGACY, "coindesk": _DATA, "finnhub": _FINNHUB}
_ANY = {
    "429-text": Reply(b"API limit reached.", 429, TEXT, {"Retry-After": "1"}),
    "500": Reply(b"Internal Server Error", 500, TEXT),
    "503": Reply(MAINTENANCE, 503, HTML, {"Retry-After": "1"}),
    "html": Reply(MAINTENANCE, 200, HTML),
    "empty": Reply(b""),
}


def complaint(endpoint: str, kind: str) -> Reply | None:
    """What this API answers instead of data; None when that kind is not an answer by itself."""
    return _ANY.get(kind) or _WORDS[endpoint.partition(".")[0]].get(kind)
