"""The message contract: what is a tick, which digits it keeps, and the reason when something is none."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.ticks import (
    ASSETS,
    CRYPTO,
    MAX_AHEAD,
    STOCKS,
    InvalidTickError,
    Tick,
    field_texts,
    make_tick,
    parse_tick,
    tick_json,
    utc_text,
)

TAKEN = datetime(2026, 11, 2, 14, 30, 1, tzinfo=UTC)
GOOD = {
    "symbol": "BTC",
    "currency": "USD",
    "price": "73838.87",
    "size": "0.0125",
    "event_time": "2026-11-02T14:30:00.120Z",
    "ingest_time": "2026-11-02T14:30:00.160Z",
    "source": "simulated",
    "version": "1",
}
DIGITS = "with at most 20 digits before and 18 after the point"
NO_PRICE = f"price: not a positive number {DIGITS}"
NO_SIZE = f"size: not a number of at least zero {DIGITS}"
NO_TIME = "event_time: not an ISO 8601 time in UTC between 1970 and 2099"
NO_NAME = "symbol: not a short name in plain ASCII"

digits_before = st.integers(0, 10**20 - 1).map(str)
digits_after = st.text("0123456789", min_size=1, max_size=18)
amounts = st.one_of(digits_before, st.builds("{}.{}".format, digits_before, digits_after))


def good(**changes: Any) -> Tick:
    return make_tick(CRYPTO, {**GOOD, **changes})


def raw(**changes: str) -> bytes:
    """A record with some fields given as JSON text."""
    fields = {**{name: json.dumps(text) for name, text in GOOD.items()}, **changes}
    return ("{" + ",".join(f'"{name}":{text}' for name, text in fields.items()) + "}").encode()


def reason_of(value: bytes | None, taken: datetime = TAKEN) -> str:
    with pytest.raises(InvalidTickError) as caught:
        parse_tick(CRYPTO, value, taken)
    return str(caught.value)


def reason(**changes: Any) -> str:
    with pytest.raises(InvalidTickError) as caught:
        good(**changes)
    return str(caught.value)


@given(amounts)
def test_every_amount_comes_back_with_its_digits(text: str) -> None:
    tick = good(size=text)
    back = parse_tick(CRYPTO, tick_json(tick), TAKEN)
    assert isinstance(back.size, Decimal)
    assert back.size.as_tuple() == Decimal(text).as_tuple()


@given(amounts.filter(lambda text: Decimal(text) > 0), st.sampled_from(ASSETS))
def test_a_tick_survives_the_round_trip_through_its_record(text: str, asset: Any) -> None:
    tick = make_tick(asset, {**GOOD, "price": text})
    assert parse_tick(asset, tick_json(tick), TAKEN) == tick


@given(st.binary())
def test_any_bytes_give_a_tick_or_a_reason(value: bytes) -> None:
    assert reason_of(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    )
)
def test_any_json_as_the_price_gives_a_tick_or_a_reason(value: object) -> None:
    try:
        tick = parse_tick(CRYPTO, raw(price=json.dumps(value)), TAKEN)
    except InvalidTickError as error:
        assert str(error) in {NO_PRICE, "price: missing", "not a JSON object"}
    else:
        assert tick.price > 0


def test_trailing_zeros_are_digits_too() -> None:
    assert b'"price":73838.8700,' in tick_json(good(price="73838.8700"))


def test_a_price_is_written_as_a_json_number() -> None:
    assert json.loads(tick_json(good()), parse_float=Decimal)["price"] == Decimal("73838.87")


def test_a_record_has_the_fields_in_the_order_of_the_model() -> None:
    assert list(json.loads(tick_json(good()))) == list(CRYPTO.tick.rules())


def test_a_number_in_quotes_is_a_number() -> None:
    assert parse_tick(CRYPTO, raw(price='"5.10"'), TAKEN).price == Decimal("5.10")


def test_a_float_is_refused_because_its_digits_are_gone() -> None:
    assert reason(price=73838.87) == NO_PRICE


@pytest.mark.parametrize(
    "text", ["0.000000000000000001", "1.5E-8", "1E-18", "1e19", "99999999999999999999", "9" * 20 + ".5"]
)
def test_a_price_at_the_edge_is_taken(text: str) -> None:
    assert good(price=text).price == Decimal(text)


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "0.000",
        "-1",
        "-0.000000000000000001",
        "0.0000000000000000001",
        "1E-19",
        "1" + "0" * 20,
        "1e20",
        "1e400",
        "1e-400",
        "NaN",
        "Infinity",
        "+1",
        ".5",
        "5.",
        "05",
        "1,000",
        "1_000",
        " 1",
        "1\n",
        "",
        "٣",
    ],
)
def test_a_price_beyond_the_edge_is_refused(text: str) -> None:
    assert reason(price=text) == NO_PRICE


def test_a_size_may_be_zero() -> None:
    assert good(size="0").size == 0


def test_a_size_may_be_null() -> None:
    assert good(size=None).size is None


def test_a_size_may_be_left_out() -> None:
    assert make_tick(CRYPTO, {name: text for name, text in GOOD.items() if name != "size"}).size is None


def test_a_size_below_zero_is_refused() -> None:
    assert reason(size="-0.1") == NO_SIZE


def test_a_change_may_be_negative() -> None:
    assert tick_json(good(change_pct_24h="-1.6394")).endswith(b'"change_pct_24h":-1.6394}')


def test_a_stock_has_the_figures_of_its_day() -> None:
    tick = make_tick(STOCKS, {**GOOD, "symbol": "AAPL", "high": "268.55"})
    assert b'"high":268.55' in tick_json(tick)


@pytest.mark.parametrize("text", ["B", "BRK.B", "BINANCE:BTCUSDT", "BTC-USD", "GS^A", "EURUSD=X", "B" * 64])
def test_a_symbol_as_markets_write_it_is_taken(text: str) -> None:
    assert good(symbol=text).symbol == text


@pytest.mark.parametrize("text", ["", " BTC", "-BTC", "B" * 65, "BTC\n", "BTC\0", "BTC\t", "Ä", "\N{ROCKET}", "a,b"])
def test_a_symbol_beyond_plain_ascii_is_refused(text: str) -> None:
    assert reason(symbol=text) == NO_NAME


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-11-02T14:30:00Z", 0),
        ("2026-11-02T14:30:00.1Z", 100_000),
        ("2026-11-02T14:30:00.123Z", 123_000),
        ("2026-11-02T14:30:00.123456Z", 123_456),
        ("2026-11-02T14:30:00.123456+00:00", 123_456),
    ],
)
def test_an_event_time_may_have_up_to_six_decimals(text: str, microsecond: int) -> None:
    assert good(event_time=text).event_time == datetime(2026, 11, 2, 14, 30, 0, microsecond, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-02T14:30:00",
        "2026-11-02 14:30:00Z",
        "2026-11-02T14:30Z",
        "2026-11-02",
        "2026-11-02T14:30:00+05:30",
        "2026-11-02T14:30:00-00:00",
        "2026-11-02T14:30:00.1234567Z",
        "2026-11-02T14:30:00z",
        "2026-02-30T14:30:00Z",
        "2026-13-01T14:30:00Z",
        "2026-11-02T24:00:00Z",
        "2026-11-02T14:30:60Z",
        "1969-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "1793629800",
        "yesterday",
        "",
    ],
)
def test_an_event_time_in_another_form_is_refused(text: str) -> None:
    assert reason(event_time=text) == NO_TIME


@pytest.mark.parametrize("text", ["1970-01-01T00:00:00Z", "2026-02-28T23:59:59.999Z", "2028-02-29T00:00:00Z"])
def test_an_event_time_at_the_edge_is_taken(text: str) -> None:
    assert utc_text(good(event_time=text).event_time)[:19] == text[:19]


def test_a_time_is_written_in_utc_with_milliseconds() -> None:
    in_india = timezone(timedelta(hours=5, minutes=30))
    assert utc_text(datetime(2026, 11, 2, 20, 0, 0, 123_456, tzinfo=in_india)) == "2026-11-02T14:30:00.123Z"


def test_a_datetime_may_be_given_instead_of_its_text() -> None:
    in_india = timezone(timedelta(hours=5, minutes=30))
    assert good(event_time=datetime(2026, 11, 2, 20, 0, tzinfo=in_india)).event_time == datetime(
        2026, 11, 2, 14, 30, tzinfo=UTC
    )


def test_an_event_time_seven_days_ahead_of_the_broker_is_taken() -> None:
    event_time = utc_text(TAKEN + MAX_AHEAD)
    assert parse_tick(CRYPTO, raw(event_time=f'"{event_time}"'), TAKEN).event_time == TAKEN + MAX_AHEAD


def test_an_event_time_further_ahead_of_the_broker_is_refused() -> None:
    event_time = utc_text(TAKEN + MAX_AHEAD + timedelta(milliseconds=1))
    assert reason_of(raw(event_time=f'"{event_time}"')) == ("event_time: more than 7 days ahead of the broker's clock")


def test_an_event_time_long_before_the_broker_is_taken() -> None:
    assert parse_tick(CRYPTO, raw(event_time='"1999-12-31T23:59:59Z"'), TAKEN).event_time.year == 1999


@pytest.mark.parametrize("text", ["2", "0", "1.0", "01", "", "one"])
def test_another_version_is_refused(text: str) -> None:
    assert reason(version=text) == "version: not a version that this lab reads"


@pytest.mark.parametrize("name", sorted(Tick.required()))
def test_a_required_field_that_is_left_out_is_missing(name: str) -> None:
    fields = {other: text for other, text in GOOD.items() if other != name}
    with pytest.raises(InvalidTickError, match=f"^{name}: missing$"):
        make_tick(CRYPTO, fields)


def test_the_reason_names_the_first_field_that_is_wrong() -> None:
    assert reason(price="abc", version="2") == NO_PRICE


def test_a_field_that_nobody_knows_is_ignored() -> None:
    assert parse_tick(CRYPTO, raw(open='{"bids":[]}', note='"x"'), TAKEN) == good()


@pytest.mark.parametrize("value", [None, b"", b"  \n"])
def test_no_value_is_an_empty_value(value: bytes | None) -> None:
    assert reason_of(value) == "empty value"


def test_bytes_in_another_encoding_are_not_utf8() -> None:
    assert reason_of(b'{"symbol":"Z\xfcrich"}') == "not UTF-8"


@pytest.mark.parametrize(
    "text",
    ["null", "5", '"BTC"', "[]", "{", "{}}", "{}{}", "{},", "{'a':1}", '{"a":NaN}', '{"a":01}', "\ufeff{}"],
)
def test_anything_but_one_json_object_is_refused(text: str) -> None:
    assert reason_of(text.encode()) == "not a JSON object"


def test_the_texts_of_a_record_are_as_they_were_sent() -> None:
    texts = field_texts(b'{"a":1.50,"b":"x","c":null,"d":true,"e":{"f":[1E5]}}')
    assert texts == {"a": "1.50", "b": "x", "c": None, "d": "true", "e": '{"f": ["1E5"]}'}


def test_of_two_fields_of_one_name_the_last_counts() -> None:
    assert field_texts(b'{"price":1,"price":2}') == {"price": "2"}


def test_dead_letters_have_a_topic_of_their_own() -> None:
    assert [asset.dead_letter_topic for asset in ASSETS] == ["crypto_topic.dlq", "stock_topic.dlq"]
