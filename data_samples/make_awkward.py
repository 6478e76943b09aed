"""Makes `awkward_messages.jsonl`: what arrives on a topic on a bad day, and what must become of each message.

`python data_samples/make_awkward.py` writes the file again. The expectations are written down here by hand; a
test compares them with what `lab_utils.ticks.parse_tick` says.
"""

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_utils.ticks import CRYPTO, STOCKS, Asset

FILE = Path(__file__).resolve().parent / "awkward_messages.jsonl"

COIN = (
    '{"symbol":"BTC","currency":"USD","price":73838.87,"size":0.0125,"event_time":"2026-11-02T14:30:00.120Z",'
    '"ingest_time":"2026-11-02T14:30:00.160Z","source":"simulated","version":1}'
)
SHARE = (
    '{"symbol":"AAPL","currency":"USD","price":268.40,"size":100,"event_time":"2026-11-02T14:30:00.120Z",'
    '"ingest_time":"2026-11-02T14:30:00.160Z","source":"simulated","version":1,'
    '"open":268.10,"high":268.55,"low":267.90,"previous_close":267.15,"change_pct":0.4679}'
)
PRICE = '"price":73838.87'
EVENT_TIME = '"event_time":"2026-11-02T14:30:00.120Z"'

NO_OBJECT = "not a JSON object"
NO_NAME = "not a short name in plain ASCII"
NO_PRICE = "price: not a positive number with at most 20 digits before and 18 after the point"
NO_SIZE = "size: not a number of at least zero with at most 20 digits before and 18 after the point"
NO_TIME = "event_time: not an ISO 8601 time in UTC between 1970 and 2099"
NO_VERSION = "version: not a version that this lab reads"


@dataclass(frozen=True)
class Case:
    """One message and its fate; `reason` is None when it is stored."""

    name: str
    value: str | bytes | None
    """Bytes where it is no UTF-8 text, None for a tombstone."""
    reason: str | None
    why: str
    """One sentence for a student."""
    asset: Asset = field(default=CRYPTO)
    key: str | None = "BTC"


def coin(old: str, new: str) -> str:
    """The good coin message with one part of it replaced."""
    if COIN.count(old) != 1:
        raise ValueError(f"{old} is not once in the message")
    return COIN.replace(old, new)


def price(text: str) -> str:
    """The good coin message with another price."""
    return coin(PRICE, f'"price":{text}')


def event_time(text: str) -> str:
    """The good coin message with another event time."""
    return coin(EVENT_TIME, f'"event_time":{text}')


def symbol(text: str) -> str:
    """The good coin message with another symbol."""
    return coin('"symbol":"BTC"', f'"symbol":{text}')


def extra(text: str) -> str:
    """The good coin message with one more field."""
    return coin('"version":1', f'"version":1,{text}')


CASES = (
    # What is good, for comparison
    Case("good-crypto", COIN, None, "A tick as it should be: compare the others with it."),
    Case("good-stock", SHARE, None, "A share has the day's figures as well.", STOCKS, "AAPL"),
    Case("no-key", COIN, None, "The key only picks the partition; the symbol stands in the value.", key=None),
    # Not one JSON object
    Case("not-json", "not json", NO_OBJECT, "Somebody tried the topic out with the console producer."),
    Case("cut-json", COIN[:60], NO_OBJECT, "A message that was cut in transit has no closing brace."),
    Case(
        "trailing-text",
        COIN + " trailing",
        NO_OBJECT,
        "Spark's from_json takes this and says nothing, so the lab looks for itself.",
    ),
    Case("two-objects", COIN + COIN, NO_OBJECT, "A message is one tick; of two, one would be lost silently."),
    Case("two-lines", COIN + "\n" + COIN, NO_OBJECT, "JSON Lines belong in a file, one line to a message."),
    Case("trailing-comma-in-object", coin('"version":1', '"version":1,'), NO_OBJECT, "JavaScript, not JSON."),
    Case("trailing-comma", COIN + ",", NO_OBJECT, "An element torn out of an array keeps its comma."),
    Case("trailing-brace", COIN + "}", NO_OBJECT, "A template closed the object once too often."),
    Case("trailing-bracket", COIN + "]", NO_OBJECT, "The last element of an array keeps its bracket."),
    Case("array", f"[{COIN},{COIN}]", NO_OBJECT, "A batch of ticks has to be sent as one message for each."),
    Case("json-null", "null", NO_OBJECT, "JSON's null is four letters of text, not a Kafka tombstone."),
    Case("json-number", "73838.87", NO_OBJECT, "A bare number is JSON, but nobody knows of what."),
    Case("json-string", '"BTC"', NO_OBJECT, "A bare string is JSON, but it has no fields."),
    Case("double-encoded", json.dumps(COIN), NO_OBJECT, "json.dumps was applied twice: this is a string."),
    Case("single-quotes", COIN.replace('"', "'"), NO_OBJECT, "Python's str(dict) is not JSON."),
    Case("tombstone", None, "empty value", "A null value means 'delete this key' on a compacted topic."),
    Case("empty", "", "empty value", "An empty value is no corrupt record to Spark; it is one to the lab."),
    Case("spaces", "   ", "empty value", "Blank text is as empty as no text."),
    Case(
        "invalid-utf8",
        COIN.encode().replace(b"simulated", b"Z\xfcrich"),
        "not UTF-8",
        "The sender wrote Latin-1; its bytes mean nothing in UTF-8.",
    ),
    Case("utf16", COIN.encode("utf-16-le"), NO_OBJECT, "Windows calls this 'Unicode'; JSON travels as UTF-8."),
    Case("utf8-bom", b"\xef\xbb\xbf" + COIN.encode(), NO_OBJECT, "An editor put a byte order mark in front."),
    Case("empty-object", "{}", "symbol: missing", "An object without fields is JSON, but no tick."),
    # What the markets answer instead of a price
    Case(
        "api-error",
        '{"Response":"Error","Message":"You are over your rate limit please upgrade your account!",'
        '"HasWarning":false,"Type":99,"RateLimit":{},"Data":{}}',
        "symbol: missing",
        "This came with HTTP status 200: only the body tells that it is an error.",
        key=None,
    ),
    Case(
        "api-key-error",
        '{"Data":{},"Err":{"type":2,"message":"API key required","http_status_code":401}}',
        "symbol: missing",
        "An error object is valid JSON that parses into a row of nulls.",
        key=None,
    ),
    Case(
        "raw-quote-of-unknown-symbol",
        '{"c":0,"d":null,"dp":null,"h":0,"l":0,"o":0,"pc":0,"t":0}',
        "symbol: missing",
        "This is how a quote API answers for a symbol that it does not know.",
        STOCKS,
        None,
    ),
    Case(
        "zero-price",
        SHARE.replace('"price":268.40', '"price":0'),
        NO_PRICE,
        "An unknown symbol is quoted at 0; stored, it would be the low of the day.",
        STOCKS,
        "AAPL",
    ),
    # Prices
    Case("quoted-price", price('"73838.87"'), None, "A number in quotes keeps its digits: it is welcome."),
    Case("exponent", price("1.5E-8"), None, "1.5E-8 is JSON for 0.000000015."),
    Case("many-decimals", price("0.000000012345"), None, "A narrow decimal type would round this silently."),
    Case("lowest-price", price("0.000000000000000001"), None, "One in the last decimal of numeric(38,18)."),
    Case("too-many-decimals", price("0.0000000000000000001"), NO_PRICE, "The 19th decimal would be lost."),
    Case("too-many-digits", price("1234567890123456789012345"), NO_PRICE, "25 digits do not fit the column."),
    Case("huge-exponent", price("1e400"), NO_PRICE, "As a float this would be infinity."),
    Case("price-nan", price("NaN"), NO_OBJECT, "Python writes NaN; it is not JSON."),
    Case("price-infinity", price("Infinity"), NO_OBJECT, "Python writes Infinity; it is not JSON."),
    Case("price-nan-text", price('"NaN"'), NO_PRICE, "In quotes it is JSON, and still no price."),
    Case(
        "negative-price",
        price("-5.25"),
        NO_PRICE,
        "Nobody pays you to take a coin; a sign was lost or added.",
    ),
    Case("price-text", price('"abc"'), NO_PRICE, "A plain cast of this text would stop the whole Spark query."),
    Case("price-comma", price('"73,838.87"'), NO_PRICE, "Numbers made for people carry commas."),
    Case("price-with-currency", price('"$ 1276.75"'), NO_PRICE, "This is a display field, not the raw one."),
    Case("price-null", price("null"), "price: missing", "A null price is no price."),
    Case("price-empty-text", price('""'), NO_PRICE, "Empty text is not a number, and not zero."),
    Case("price-boolean", price("true"), NO_PRICE, "true is not 1."),
    Case("price-object", price('{"USD":73838.87}'), NO_PRICE, "The price lies one level too deep."),
    Case(
        "price-leading-zero",
        price("073838.87"),
        NO_OBJECT,
        "JSON allows no leading zero, and so nor does the lab.",
    ),
    Case("price-leading-zero-text", price('"073838.87"'), NO_PRICE, "Quotes do not make it better."),
    # Fields
    Case("missing-price", coin(PRICE + ",", ""), "price: missing", "Without a price there is nothing to store."),
    Case(
        "missing-symbol",
        coin('"symbol":"BTC",', ""),
        "symbol: missing",
        "The key is not asked for the symbol.",
    ),
    Case("capitalised-fields", coin('"symbol"', '"Symbol"'), "symbol: missing", "Names of fields are exact."),
    Case(
        "duplicate-field",
        coin(PRICE, f'"price":1.00,{PRICE}'),
        None,
        "Of two fields of one name the last counts.",
    ),
    Case("size-fraction", coin("0.0125", "0.011467"), None, "An integer column would refuse this trade."),
    Case("size-null", coin("0.0125", "null"), None, "A price update without a trade has no size."),
    Case("size-negative", coin("0.0125", "-0.0125"), NO_SIZE, "Nobody trades less than nothing."),
    Case("version-2", coin('"version":1', '"version":2'), NO_VERSION, "A newer sender may mean something else."),
    Case("version-missing", coin(',"version":1', ""), "version: missing", "Say which contract you follow."),
    Case("symbol-null", symbol("null"), "symbol: missing", "A null symbol is no symbol."),
    Case("symbol-nul", symbol(r'"BTC\u0000"'), f"symbol: {NO_NAME}", "PostgreSQL stores no NUL character."),
    Case("symbol-newline", symbol(r'"BTC\n"'), f"symbol: {NO_NAME}", "The newline of a read line was left on."),
    Case("symbol-emoji", symbol('"\N{ROCKET}"'), f"symbol: {NO_NAME}", "A symbol is plain ASCII.", key=None),
    Case("symbol-too-long", symbol(f'"{"B" * 65}"'), f"symbol: {NO_NAME}", "64 characters are enough."),
    Case("symbol-empty", symbol('""'), f"symbol: {NO_NAME}", "Empty text is not a name."),
    # Fields that nobody asked for
    Case("extra-punctuation", extra(r'"note":"a, \"b\"; c\\d\te"'), None, "It would break a careless COPY."),
    Case(
        "extra-nested",
        extra('"book":{"bids":[[73838.86,0.5]],"asks":[]}'),
        None,
        "Unknown fields are skipped.",
    ),
    Case(
        "extra-json-text",
        extra(r'"raw":"{\"price\": 5}"'),
        None,
        "The price inside the text is not the price.",
    ),
    Case("extra-long", extra(f'"note":"{"x" * 20_000}"'), None, "Long, but nothing that we store."),
    Case("extra-emoji", extra('"note":"to the moon \N{ROCKET}"'), None, "Any text is fine in a field we skip."),
    # Times
    Case(
        "microseconds",
        event_time('"2026-11-02T14:30:00.123456Z"'),
        None,
        "Finer than milliseconds is fine.",
    ),
    Case("zero-offset", event_time('"2026-11-02T14:30:00+00:00"'), None, "+00:00 is another way to write Z."),
    Case(
        "epoch-milliseconds",
        event_time("1793629800120"),
        NO_TIME,
        "Seconds or milliseconds? Text does not ask.",
    ),
    Case(
        "local-time",
        event_time('"2026-11-02T14:30:00"'),
        NO_TIME,
        "Whose half past two? The zone is missing.",
    ),
    Case("offset", event_time('"2026-11-02T20:00:00+05:30"'), NO_TIME, "The topic carries UTC only."),
    Case("time-with-space", event_time('"2026-11-02 14:30:00Z"'), NO_TIME, "ISO 8601 has a T in between."),
    Case("no-such-day", event_time('"2026-02-30T14:30:00Z"'), NO_TIME, "February has no 30th day."),
    Case("hour-24", event_time('"2026-11-02T24:00:00Z"'), NO_TIME, "Midnight is hour 0 of the next day."),
    Case(
        "far-future",
        event_time('"2099-11-02T14:30:00Z"'),
        "event_time: more than 7 days ahead of the broker's clock",
        "It would drive the watermark to 2099, and every later tick would be 'late'.",
    ),
    Case("beyond-2099", event_time('"2100-01-01T00:00:00Z"'), NO_TIME, "Most likely a unit was mixed up."),
)


def line(case: Case) -> str:
    """One line of the file."""
    value: dict[str, Any] = (
        {"value_base64": base64.b64encode(case.value).decode("ascii")}
        if isinstance(case.value, bytes)
        else {"value": case.value}
    )
    fields = {
        "case": case.name,
        "topic": case.asset.topic,
        "key": case.key,
        **value,
        "expect": "dead" if case.reason else "stored",
        "reason": case.reason,
        "why": case.why,
    }
    return json.dumps(fields) + "\n"


def content() -> bytes:
    """The whole file, in plain ASCII."""
    return "".join(map(line, CASES)).encode("ascii")


if __name__ == "__main__":
    FILE.write_bytes(content())
