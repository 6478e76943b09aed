"""Spark's view of a record against the one definition in `ticks`: the same verdict, reason and values; and candles."""

import calendar
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks import traffic
from lab_utils.settings import ROOT
from lab_utils.streaming.transforms import (
    PLAIN_TIME,
    RULES,
    one_minute_candles,
    parse_ticks,
    plain_ticks,
    split_valid,
    valid_ticks,
)
from lab_utils.ticks import ASSETS, CRYPTO, MAX_DEPTH, STOCKS, Asset
from tests.servers.records import (
    Message,
    awkward_cases,
    awkward_messages,
    expected_candles,
    parsed_by_python,
    sample_values,
    tick_json,
)

TAKEN = datetime(2024, 11, 5, tzinfo=UTC)
"""The broker's clock."""
MUTATIONS = 6000
HEADERS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))


def kafka_records(spark: SparkSession, messages: Sequence[Message]) -> DataFrame:
    """Messages as Spark's Kafka source gives them, the offset being the position."""
    table = pa.table(
        {
            "topic": pa.array([message.topic for message in messages], pa.string()),
            "partition": pa.array([0] * len(messages), pa.int32()),
            "offset": pa.array(range(len(messages)), pa.int64()),
            "timestamp": pa.array([TAKEN] * len(messages), pa.timestamp("us", "UTC")),
            "value": pa.array([message.value for message in messages], pa.binary()),
            "headers": pa.array(
                [[{"key": key, "value": value} for key, value in message.headers] for message in messages],
                HEADERS,
            ),
        }
    )
    return spark.createDataFrame(table)


def parsed_by_spark(spark: SparkSession, messages: Sequence[Message]) -> list[dict[str, Any]]:
    columns = ["kafka_offset", "reason", *RULES]
    rows: list[dict[str, Any]] = parse_ticks(kafka_records(spark, messages)).select(columns).toArrow().to_pylist()
    return sorted(rows, key=lambda row: int(row["kafka_offset"]))


def disagreements(
    spark: SparkSession, messages: Sequence[Message], *, reasons: bool
) -> list[tuple[bytes | None, object, object]]:
    """The messages that Spark and plain Python judge differently, or read different values from."""
    found: list[tuple[bytes | None, object, object]] = []
    for message, row in zip(messages, parsed_by_spark(spark, messages), strict=True):
        asset = CRYPTO if message.topic == CRYPTO.topic else STOCKS
        python = parsed_by_python(asset, message.value, TAKEN)
        if isinstance(python, str):
            if row["reason"] is None or (reasons and row["reason"] != python):
                found.append((message.value, row["reason"], python))
            continue
        values = python.model_dump()
        if row["reason"] is not None or any(row[name] != value for name, value in values.items()):
            found.append((message.value, row["reason"] or {name: row[name] for name in values}, values))
    return found


def crypto(*values: bytes) -> list[Message]:
    return [Message(CRYPTO.topic, value) for value in values]


def changed(field: str, text: str) -> bytes:
    """A sound tick with the JSON text of one field replaced."""
    return tick_json(**{field: "@"}).replace(b'"@"', text.encode())


def test_awkward_messages_get_the_verdict_and_reason_of_the_contract(spark: SparkSession) -> None:
    assert disagreements(spark, awkward_messages(), reasons=True) == []


def test_awkward_messages_get_the_verdict_and_reason_that_their_file_states(spark: SparkSession) -> None:
    rows = parsed_by_spark(spark, awkward_messages())
    assert [row["reason"] for row in rows] == [case["reason"] for case in awkward_cases()]


@pytest.mark.parametrize("asset", ASSETS, ids=lambda asset: asset.name)
def test_recorded_ticks_are_ticks_with_the_same_values(spark: SparkSession, asset: Asset) -> None:
    messages = [Message(asset.topic, value) for value in sample_values(asset, 1000)]
    assert disagreements(spark, messages, reasons=True) == []


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(tick_json() + b',"x":1', id="a field behind the object"),
        pytest.param(tick_json() + b',"tick":' + tick_json("ETH"), id="a second tick as a field behind the object"),
        pytest.param(tick_json() + b',"end":1', id="the end of the envelope behind the object"),
        pytest.param(tick_json() + b',"end":1} rubbish', id="the end of the envelope and rubbish"),
        pytest.param(b"null," + b'"tick":' + tick_json(), id="a tick as a field behind null"),
        pytest.param(tick_json() + b"],[1", id="the end of an array behind the object"),
        pytest.param(tick_json() + b',"x":{}', id="an empty object behind the object"),
        pytest.param(tick_json() + b'"}', id="a quote and a brace behind the object"),
    ],
)
def test_a_value_that_would_fit_into_an_envelope_is_still_not_one_object(spark: SparkSession, value: bytes) -> None:
    assert [row["reason"] for row in parsed_by_spark(spark, crypto(value))] == ["not a JSON object"]


def misjudged_as_plain(spark: SparkSession, messages: Sequence[Message]) -> list[tuple[bytes | None, object, object]]:
    """The messages that Spark takes for plain ticks although plain Python does not, or reads other values from."""
    rows = plain_ticks(kafka_records(spark, messages)).select("offset", "csv").toArrow().to_pylist()
    found: list[tuple[bytes | None, object, object]] = []
    for row in rows:
        message = messages[row["offset"]]
        asset = CRYPTO if message.topic == CRYPTO.topic else STOCKS
        if row["csv"] is not None:
            python = parsed_by_python(asset, message.value, TAKEN)
            texts = [text or None for text in row["csv"].split(",")]
            if isinstance(python, str) or (
                asset.tick.model_validate(dict(zip(asset.line_fields, texts, strict=True))) != python
            ):
                found.append((message.value, row["csv"], python))
    return found


def plain_count(spark: SparkSession, messages: Sequence[Message]) -> int:
    return plain_ticks(kafka_records(spark, messages)).where("csv IS NOT NULL").count()


@pytest.mark.parametrize("asset", ASSETS, ids=lambda asset: asset.name)
def test_every_recorded_tick_is_a_plain_one(spark: SparkSession, asset: Asset) -> None:
    messages = [Message(asset.topic, value) for value in sample_values(asset, 1000)]
    assert (plain_count(spark, messages), misjudged_as_plain(spark, messages)) == (1000, [])


def test_the_traffic_of_the_benchmarks_is_plain(spark: SparkSession) -> None:
    messages = [Message(CRYPTO.topic, traffic.message(number, "bench-latency", TAKEN)) for number in range(20)]
    assert (plain_count(spark, messages), misjudged_as_plain(spark, messages)) == (20, [])


def test_no_awkward_message_is_misjudged_as_a_plain_tick(spark: SparkSession) -> None:
    assert misjudged_as_plain(spark, awkward_messages()) == []


def test_no_mutated_message_is_misjudged_as_a_plain_tick(spark: SparkSession) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown when the test fails
    messages = mutations(random.Random(seed), MUTATIONS)
    assert (misjudged_as_plain(spark, messages), plain_count(spark, messages) > 100) == ([], True)


@pytest.mark.parametrize(
    ("field", "old", "new"),
    [
        pytest.param("price", b"73843.24", b"0.000", id="a price of zero"),
        pytest.param("price", b"73843.24", b"-5", id="a negative price"),
        pytest.param("price", b"73843.24", b"1" * 21, id="a price of 21 digits"),
        pytest.param("size", b"0.37420", b"0." + b"0" * 18 + b"1", id="a size of 19 places"),
        pytest.param("event_time", b"2024-11-04T14:30:00.287Z", b"2023-02-29T14:30:00.287Z", id="a day that is none"),
        pytest.param("event_time", b"2024-11-04T14:30:00.287Z", b"2098-11-04T14:30:00.287Z", id="a time far ahead"),
        pytest.param(
            "ingest_time", b"2024-11-04T14:30:00.327Z", b"2024-04-31T00:00:00Z", id="another day that is none"
        ),
        pytest.param("source", b"simulated", b'a","source":"b', id="a field twice"),
    ],
)
def test_a_plain_looking_message_that_is_no_tick_is_left_to_python(
    spark: SparkSession, field: str, old: bytes, new: bytes
) -> None:
    value = sample_values(CRYPTO, 1)[0]
    assert f'"{field}":'.encode() in value and old in value
    messages = crypto(value, value.replace(old, new))
    assert plain_count(spark, messages) == 1


@pytest.mark.parametrize(
    ("month", "day", "is_one"),
    [
        *(("01", "31", True), ("04", "30", True), ("04", "31", False), ("12", "31", True), ("00", "10", False)),
        *(("13", "01", False), ("05", "00", False), ("05", "32", False), ("02", "28", True), ("02", "30", False)),
    ],
)
def test_a_plain_time_is_of_a_day_that_exists(month: str, day: str, *, is_one: bool) -> None:
    assert bool(re.fullmatch(PLAIN_TIME, f"2023-{month}-{day}T00:00:00.000Z")) is is_one


def test_a_plain_time_knows_the_leap_years() -> None:
    years = [year for year in range(1970, 2100) if re.fullmatch(PLAIN_TIME, f"{year}-02-29T23:59:59.999Z")]
    assert years == [year for year in range(1970, 2100) if calendar.isleap(year)]


def test_of_plain_ticks_the_least_line_is_the_earliest(spark: SparkSession) -> None:
    messages = [Message(CRYPTO.topic, value) for value in sample_values(CRYPTO, 200)]
    lines = [row.csv for row in plain_ticks(kafka_records(spark, messages)).collect()]
    times = [parsed_by_python(CRYPTO, message.value, TAKEN).event_time for message in messages]  # type: ignore[union-attr]
    assert datetime.fromisoformat(min(lines).split(",")[0]) == min(times)


def test_numbers_are_judged_alike(spark: SparkSession) -> None:
    texts = [
        *("0e0", "0e50", "0e999", "0.00e22", "0.00e21", "-0", "-0.0", "1e19", "9.99e19", "1e20", "1E-18", "1e-19"),
        *("0.000000000000000001e1", "0.0000000000000000001e1", "1.5e+3", "10.0e-19", "1e1000", "1.0e0018"),
        *("99999999999999999999.999999999999999999", "0." + "0" * 300 + "1e301", "1" + "0" * 1500),
        *("true", "null", "[1]", '{"a":1}', '"1 "', '" 1"', '"\\u0031"', "1.", "01", "+1", "NaN", "1f", "0x1"),
    ]
    messages = crypto(*(changed(field, text) for field in ("size", "price", "version", "note") for text in texts))
    assert disagreements(spark, messages, reasons=True) == []


def test_a_number_where_a_name_should_be_keeps_its_digits(spark: SparkSession) -> None:
    messages = crypto(
        *(changed("symbol", text) for text in ("5", "5.10", "1e5", "-1", "true", "12345678901234567890123"))
    )
    assert disagreements(spark, messages, reasons=True) == []


def test_a_field_name_written_with_escapes_keeps_the_digits_of_its_number(spark: SparkSession) -> None:
    value = tick_json(price="@").replace(b'"price": "@"', b'"pric\\u0065" : 0.123456789012345678')
    assert disagreements(spark, crypto(value), reasons=True) == []


def test_text_that_looks_like_a_field_stays_text(spark: SparkSession) -> None:
    notes = ['"price":5', 'a"price": 5', '\\"price":5', ":5", '","price":5,"', "\\"]
    assert disagreements(spark, crypto(*(tick_json(note=note) for note in notes)), reasons=True) == []


@pytest.mark.parametrize("depth", [1, 50, 120, MAX_DEPTH - 1, MAX_DEPTH, 900, 975, 985, 1100, 20_000])
def test_a_deeply_nested_extra_field_is_judged_alike(spark: SparkSession, depth: int) -> None:
    assert disagreements(spark, crypto(changed("note", "[" * depth + "]" * depth)), reasons=True) == []


def test_mutated_messages_are_judged_alike(spark: SparkSession) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown when the test fails
    assert disagreements(spark, mutations(random.Random(seed), MUTATIONS), reasons=False) == []


INSERTS = [
    *(b'"', b"'", b",", b":", b"{", b"}", b"[", b"]", b"\\", b"\n", b"\r", b"\t", b"\0", b" ", b"\x0b", b"\xa0"),
    *(b"\xff", b"\xc3\xa4", b"\xed\xa0\x80", b"\xf0\x9f\x9a\x80", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc0\x80"),
    *(b"\\u0000", b"\\ud800", b"\\u0031", b"\\n", b"\\x", b"//", b"#", b"/**/", b"null", b"true", b"NaN", b"Infinity"),
    *(b"0", b"1", b"9", b"-", b"+", b".", b"e", b"E5", b"e-18", b"e400", b"00", b"Z", b"T"),
    *(b',"x":1', b',"price":2', b'"price":0,', b',"end":1', b"{}", b"[]", b",,"),
]
NUMBERS = ["0", "-0", "1e19", "1e20", "1e-18", "1e-19", "0e99", "0.1234567890123456789", "-5.25", "1e400", "00", "1."]


def mutations(rng: random.Random, count: int) -> list[Message]:
    """Sound ticks and awkward messages, each damaged once to three times."""
    seeds = [
        *(Message(asset.topic, value) for asset in ASSETS for value in sample_values(asset, 200)),
        *(Message(message.topic, message.value or b"") for message in awkward_messages()),
    ]
    made = []
    for _ in range(count):
        message = rng.choice(seeds)
        value = message.value or b""
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            value = rng.choice([flip, insert, insert, delete, cut, swap_fields, other_number, escape])(rng, value)
        made.append(Message(message.topic, value))
    return made


def flip(rng: random.Random, value: bytes) -> bytes:
    position = rng.randrange(len(value) + 1)
    return value[:position] + bytes([rng.randrange(256)]) + value[position + 1 :]


def insert(rng: random.Random, value: bytes) -> bytes:
    position = rng.choice([rng.randrange(len(value) + 1), len(value), 0])
    return value[:position] + rng.choice(INSERTS) + value[position:]


def delete(rng: random.Random, value: bytes) -> bytes:
    position = rng.randrange(len(value) + 1)
    return value[:position] + value[position + rng.choice([1, 1, 2, 10]) :]


def cut(rng: random.Random, value: bytes) -> bytes:
    position = rng.randrange(len(value) + 1)
    return value[position:] if rng.random() < 0.3 else value[:position]


def swap_fields(rng: random.Random, value: bytes) -> bytes:
    try:
        fields = json.loads(value, parse_float=Decimal)
        one, other = rng.sample(sorted(fields), 2)
        fields[one], fields[other] = fields[other], fields[one]
    except (ValueError, TypeError):
        return value
    return json.dumps(fields, default=float).encode()


def other_number(rng: random.Random, value: bytes) -> bytes:
    name = rng.choice(list(RULES)).encode()
    before, found, after = value.partition(b'"' + name + b'":')
    if not found:
        return value
    rest = after[min((after.find(end) for end in (b",", b"}") if end in after), default=0) :]
    return before + found + rng.choice(NUMBERS).encode() + rest


def escape(rng: random.Random, value: bytes) -> bytes:
    position = rng.randrange(len(value) + 1)
    return (
        value[:position]
        + b"".join(b"\\u%04x" % byte for byte in value[position : position + 1])
        + value[position + 1 :]
    )


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param((("reason", b"price: missing"),), "price: missing", id="its reason"),
        pytest.param((), "dead letter without a reason", id="no header"),
        pytest.param((("reason", None),), "dead letter without a reason", id="a header without a value"),
        pytest.param((("reason", b"\xff bytes"),), "\N{REPLACEMENT CHARACTER} bytes", id="a reason that is no text"),
        pytest.param((("source", b"x"), ("reason", b"first"), ("reason", b"second")), "first", id="two reasons"),
    ],
)
def test_a_record_of_a_dead_letter_topic_keeps_the_reason_in_its_headers(
    spark: SparkSession, headers: tuple[tuple[str, bytes | None], ...], reason: str
) -> None:
    message = Message(CRYPTO.dead_letter_topic, tick_json(), headers=headers)
    assert [row["reason"] for row in parsed_by_spark(spark, [message])] == [reason]


def test_every_record_is_either_a_tick_or_a_dead_letter(spark: SparkSession) -> None:
    messages = awkward_messages()
    valid, invalid = split_valid(parse_ticks(kafka_records(spark, messages)))
    offsets = [row.kafka_offset for part in (valid, invalid) for row in part.select("kafka_offset").collect()]
    assert sorted(offsets) == list(range(len(messages)))


def test_the_cheap_way_to_ticks_gives_the_same_rows_as_the_general_one(spark: SparkSession) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown when the test fails
    messages = awkward_messages() + mutations(random.Random(seed), MUTATIONS)
    records = kafka_records(spark, messages).where(F.col("topic").isin([asset.topic for asset in ASSETS]))
    cheap = valid_ticks(records)
    general = split_valid(parse_ticks(records))[0].select(*cheap.columns)
    rows, wanted = (
        sorted(found.toArrow().to_pylist(), key=lambda row: int(row["kafka_offset"])) for found in (cheap, general)
    )
    assert len(rows) > 100
    assert rows == wanted
    assert cheap.schema == general.schema


def ticks_of(spark: SparkSession, rows: Iterable[dict[str, Any]]) -> DataFrame:
    """Parsed ticks with the columns that candles are made of."""
    number = pa.decimal128(38, 18)
    schema = pa.schema(
        [
            *(("topic", pa.string()), ("symbol", pa.string()), ("currency", pa.string())),
            *(("price", number), ("size", number), ("event_time", pa.timestamp("us", "UTC"))),
            *(("kafka_partition", pa.int32()), ("kafka_offset", pa.int64())),
        ]
    )
    return spark.createDataFrame(pa.Table.from_pylist(list(rows), schema))


def row(offset: int, **changes: Any) -> dict[str, Any]:
    sound = {
        "topic": CRYPTO.topic,
        "symbol": "BTC",
        "currency": "USD",
        "price": Decimal(100 + offset),
        "size": Decimal(1),
        "event_time": TAKEN + timedelta(seconds=offset),
        "kafka_partition": 0,
        "kafka_offset": offset,
    }
    return sound | changes


def candles_of(ticks: DataFrame) -> dict[tuple[str, str, str, datetime], tuple[Any, ...]]:
    names = ("asset_class", "symbol", "currency", "window_start")
    values = ("open", "high", "low", "close", "volume", "tick_count")
    found = one_minute_candles(ticks).toArrow().to_pylist()
    return {tuple(row[name] for name in names): tuple(row[name] for name in values) for row in found}


def random_rows(seed: int) -> list[dict[str, Any]]:
    """Ticks of both topics with equal event times, several partitions, and sizes left out."""
    rng = random.Random(seed)
    return [
        row(
            offset,
            topic=rng.choice([CRYPTO.topic, STOCKS.topic]),
            symbol=rng.choice(["A", "B"]),
            currency=rng.choice(["USD", "EUR"]),
            price=Decimal(rng.randrange(1, 10**9)).scaleb(-5),
            size=rng.choice([None, Decimal(rng.randrange(10**9)).scaleb(-8)]),
            event_time=TAKEN + timedelta(seconds=rng.randrange(180)),
            kafka_partition=rng.randrange(4),
        )
        for offset in range(400)
    ]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_candles_are_the_same_in_any_order_and_partitioning(spark: SparkSession, seed: int) -> None:
    rows = random_rows(seed)
    random.Random(seed).shuffle(rows)
    wanted = {(r["topic"], r["kafka_partition"], r["kafka_offset"]): r for r in rows}
    shuffled = ticks_of(spark, rows).repartition(seed * 2, F.rand(seed))
    assert candles_of(shuffled) == expected_candles(wanted)


def only_candle(spark: SparkSession, *rows: dict[str, Any]) -> tuple[Any, ...]:
    (candle,) = candles_of(ticks_of(spark, rows)).values()
    return candle


def test_open_and_close_go_by_event_time_not_by_arrival(spark: SparkSession) -> None:
    late = row(9, event_time=TAKEN, price=Decimal(7))
    candle = only_candle(spark, row(1), row(2), late)
    assert (candle[0], candle[3]) == (Decimal(7), Decimal(102))


def test_of_equal_event_times_the_place_in_kafka_decides(spark: SparkSession) -> None:
    rows = [row(5, kafka_partition=1, event_time=TAKEN), row(4, kafka_partition=1, event_time=TAKEN)]
    candle = only_candle(spark, *rows, row(9, kafka_partition=0, event_time=TAKEN))
    assert (candle[0], candle[3]) == (Decimal(109), Decimal(105))


def test_a_size_that_is_null_counts_as_zero(spark: SparkSession) -> None:
    assert only_candle(spark, row(1, size=None), row(2, size=Decimal("0.5")))[4] == Decimal("0.5")


def test_a_minute_without_any_size_has_the_volume_zero(spark: SparkSession) -> None:
    assert only_candle(spark, row(1, size=None))[4] == 0


def test_two_currencies_of_one_symbol_are_two_candles(spark: SparkSession) -> None:
    found = candles_of(ticks_of(spark, [row(1), row(2, currency="EUR")]))
    assert {key[2] for key in found} == {"USD", "EUR"}


def test_a_minute_begins_with_its_first_microsecond(spark: SparkSession) -> None:
    minute = TAKEN + timedelta(minutes=1)
    found = candles_of(
        ticks_of(spark, [row(1, event_time=minute - timedelta(microseconds=1)), row(2, event_time=minute)])
    )
    assert {key[3] for key in found} == {TAKEN, minute}


IN_INDIA = """
import json
from tests.servers.test_transforms import crypto, parsed_by_spark, row, ticks_of, tick_json, TAKEN
from lab_utils.streaming.session import get_spark
from lab_utils.streaming.transforms import one_minute_candles
spark = get_spark()
parsed = parsed_by_spark(spark, crypto(tick_json(event_time="2024-11-04T12:00:59.999Z")))[0]
minutes = one_minute_candles(ticks_of(spark, [row(1, event_time=parsed["event_time"])])).toArrow().to_pylist()
files = spark.sparkContext._jsc.hadoopConfiguration().get("fs.defaultFS")
print(json.dumps([parsed["event_time"].isoformat(), minutes[0]["window_start"].isoformat(), files]))
spark.stop()
"""


def test_times_are_utc_wherever_the_computer_stands_and_whatever_other_spark_it_has(
    session_lab: Any, tmp_path: Path
) -> None:
    (tmp_path / "spark-defaults.conf").write_text("spark.plugins org.example.NoSuchPlugin\n")
    far = (
        "<configuration><property><name>fs.defaultFS</name><value>hdfs://127.0.0.1:1</value></property></configuration>"
    )
    (tmp_path / "core-site.xml").write_text(far)
    other_spark = {
        "SPARK_HOME": str(tmp_path),
        "HADOOP_CONF_DIR": str(tmp_path),
        "JAVA_TOOL_OPTIONS": "-XX:+UseG1GC",
        "SPARK_CONF_DIR": str(tmp_path),
        "SPARK_LOCAL_DIRS": str(tmp_path / "local"),
        "SPARK_REMOTE": "sc://127.0.0.1:1",
        "PYSPARK_SUBMIT_ARGS": "--packages org.example:no-such-package:1 pyspark-shell",
    }
    done = subprocess.run(
        [sys.executable, "-c", IN_INDIA],
        env={**os.environ, **other_spark, "TZ": "Asia/Kolkata", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == [
        '["2024-11-04T12:00:59.999000+00:00", "2024-11-04T12:00:00+00:00", "file:///"]'
    ], done.stderr
    assert not (tmp_path / "local").exists()
