"""The records on the topics: the one definition of the message contract.

A tick is one JSON object. Whoever reads a topic (the plain consumer here, Spark in `streaming.transforms`)
judges a field by its *text* and by the same `Rule`, so that both store the same rows and refuse the same. The
text matters: a price that passes through a binary float no longer has the digits that the market sent.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import simplejson
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

MAX_AHEAD = timedelta(days=7)
"""How far an event time may lie after the time the broker took the record.

One record dated 2099 would drive the watermark there and make every later tick "late". A recording replayed
at full speed from now on runs ahead by its own length, hence days and not seconds.
"""


class InvalidTickError(Exception):
    """A record that is not a tick; the text is the reason kept with its dead letter."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """What the text of a field must look like, for pydantic and for Spark alike."""

    sql_type: str
    pattern: str
    """Regular expression for the whole text, in the syntax that Python and Java share."""
    says: str
    """What a reader of the dead letter is told about a value that breaks the rule."""
    minimum: int | None = None
    above_minimum: bool = False

    def text_of(self, value: object) -> str:
        """The text of `value` if it matches the pattern.

        Raises:
            ValueError: it does not.
        """
        text = utc_text(value) if isinstance(value, datetime) else str(value)
        if value is None or isinstance(value, bool | float) or not re.fullmatch(self.pattern, text):
            raise ValueError(self.says)
        return text


INTEGER_DIGITS = 20
DECIMAL_PLACES = 18
PLAIN_NUMBER = r"-?(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,18})?"
SCIENTIFIC_NUMBER = r"-?(?:0|[1-9][0-9]{0,19})(?:\.[0-9]+)?[eE][+-]?[0-9]{1,3}"
_NUMBER = f"(?:{PLAIN_NUMBER}|{SCIENTIFIC_NUMBER})"
_DIGITS = f"with at most {INTEGER_DIGITS} digits before and {DECIMAL_PLACES} after the point"

NAME = Rule("string", r"[A-Za-z0-9][A-Za-z0-9 ._:/=^@+-]{0,63}", "not a short name in plain ASCII")
PRICE = Rule("decimal(38,18)", _NUMBER, f"not a positive number {_DIGITS}", 0, above_minimum=True)
AMOUNT = Rule("decimal(38,18)", _NUMBER, f"not a number of at least zero {_DIGITS}", 0)
CHANGE = Rule("decimal(38,18)", _NUMBER, f"not a number {_DIGITS}")
UTC_TIME = Rule(
    "timestamp",
    r"(?:19[7-9][0-9]|20[0-9]{2})-[0-9]{2}-[0-9]{2}"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|\+00:00)",
    "not an ISO 8601 time in UTC between 1970 and 2099",
)
VERSION = Rule("smallint", "1", "not a version that this lab reads")


def utc_text(time: datetime) -> str:
    """`time` as ISO 8601 in UTC with milliseconds, as in `2026-11-24T03:14:06.123Z`."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _exact_decimal(value: object, rule: Rule) -> Decimal:
    number = Decimal(rule.text_of(value))
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -DECIMAL_PLACES or number.adjusted() >= INTEGER_DIGITS:
        raise ValueError(rule.says)
    if rule.minimum is not None and (number < rule.minimum or (rule.above_minimum and number == rule.minimum)):
        raise ValueError(rule.says)
    return number


def _utc_time(value: object) -> datetime:
    try:
        return datetime.fromisoformat(UTC_TIME.text_of(value)).astimezone(UTC)
    except ValueError:
        raise ValueError(UTC_TIME.says) from None


Name = Annotated[str, NAME, BeforeValidator(NAME.text_of)]
Price = Annotated[Decimal, PRICE, BeforeValidator(lambda value: _exact_decimal(value, PRICE))]
Amount = Annotated[Decimal, AMOUNT, BeforeValidator(lambda value: _exact_decimal(value, AMOUNT))]
Change = Annotated[Decimal, CHANGE, BeforeValidator(lambda value: _exact_decimal(value, CHANGE))]
UtcTime = Annotated[datetime, UTC_TIME, BeforeValidator(_utc_time)]
Version = Annotated[int, VERSION, BeforeValidator(lambda value: int(VERSION.text_of(value)))]


class Tick(BaseModel):
    """What both kinds of tick have. Prices are in `currency`, sizes in units of the symbol, times in UTC."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    symbol: Name
    currency: Name
    price: Price
    size: Annotated[Amount | None, AMOUNT] = None
    event_time: UtcTime
    ingest_time: UtcTime
    source: Name
    version: Version

    @classmethod
    def rules(cls) -> dict[str, Rule]:
        """The rule of each field, in the order in which they are judged."""
        return {
            name: next(rule for rule in field.metadata if isinstance(rule, Rule))
            for name, field in cls.model_fields.items()
        }

    @classmethod
    def required(cls) -> set[str]:
        """The fields that a record must have."""
        return {name for name, field in cls.model_fields.items() if field.is_required()}


class CryptoTick(Tick):
    """A price of a coin. `volume_24h` is in units of the coin, `market_cap` in `currency`."""

    volume_24h: Annotated[Amount | None, AMOUNT] = None
    market_cap: Annotated[Amount | None, AMOUNT] = None
    change_pct_24h: Annotated[Change | None, CHANGE] = None


class StockTick(Tick):
    """A price of a share, with the day's figures so far in `currency`."""

    open: Annotated[Amount | None, AMOUNT] = None
    high: Annotated[Amount | None, AMOUNT] = None
    low: Annotated[Amount | None, AMOUNT] = None
    previous_close: Annotated[Amount | None, AMOUNT] = None
    change_pct: Annotated[Change | None, CHANGE] = None


@dataclasses.dataclass(frozen=True)
class Asset:
    """One kind of thing that is traded, and where its ticks go."""

    name: str
    """As in `candles_1m.asset_class`."""
    tick: type[Tick]
    topic: str
    table: str

    @property
    def line_fields(self) -> tuple[str, ...]:
        """The fields in the order of a CSV line: the event time first, so that lines sort by it."""
        return ("event_time", *(name for name in self.tick.model_fields if name != "event_time"))

    @property
    def dead_letter_topic(self) -> str:
        """Where a producer puts what it cannot turn into a tick."""
        return f"{self.topic}.dlq"


CRYPTO = Asset("crypto", CryptoTick, "crypto_topic", "crypto_data")
STOCKS = Asset("stock", StockTick, "stock_topic", "stock_data")
ASSETS = (CRYPTO, STOCKS)


def _refuse_constant(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refuse_constant)


MAX_DEPTH = 200
"""How many objects and arrays may lie in each other. Python and Java have limits of their own, which differ from version to
version and with what is on the stack; here one of ours comes first."""


def _is_deeper(value: object, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        if not inner:
            return False
        level = inner
    return any(isinstance(item, dict | list) for item in level)


def field_texts(raw: bytes | None) -> dict[str, str | None]:
    """The text of each field of one record's value; `None` where the field is null.

    Raises:
        InvalidTickError: the value is not one JSON object in UTF-8, or one that is deeper than `MAX_DEPTH`.
    """
    if raw is None or not raw.strip():
        raise InvalidTickError("empty value")
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise InvalidTickError("not UTF-8") from None
    except (ValueError, RecursionError):
        raise InvalidTickError("not a JSON object") from None
    if not isinstance(value, dict) or _is_deeper(value, MAX_DEPTH):
        raise InvalidTickError("not a JSON object")
    return {name: item if isinstance(item, str | None) else json.dumps(item) for name, item in value.items()}


def make_tick(asset: Asset, fields: Mapping[str, Any]) -> Tick:
    """A tick from field values or their texts.

    Raises:
        InvalidTickError: names the first field that is missing or breaks its rule.
    """
    try:
        return asset.tick.model_validate(fields)
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
    says = "missing" if fields.get(field) is None else asset.tick.rules()[field].says
    raise InvalidTickError(f"{field}: {says}")


def parse_tick(asset: Asset, raw: bytes | None, broker_time: datetime) -> Tick:
    """The tick in one record of `asset`'s topic, taken by the broker at `broker_time`.

    Raises:
        InvalidTickError: the reason why it is none.
    """
    tick = make_tick(asset, field_texts(raw))
    if tick.event_time > broker_time + MAX_AHEAD:
        raise InvalidTickError(f"event_time: more than {MAX_AHEAD.days} days ahead of the broker's clock")
    return tick


def tick_json(tick: Tick) -> bytes:
    """The value of the record that carries `tick`; every number keeps its digits."""
    fields = {
        name: utc_text(value) if isinstance(value, datetime) else value for name, value in tick.model_dump().items()
    }
    return simplejson.dumps(fields, use_decimal=True, separators=(",", ":")).encode()
