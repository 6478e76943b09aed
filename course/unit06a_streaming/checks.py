"""What the exercises of unit 06a check."""

import copy
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from lab_utils.teaching.bounded import run_bounded, stream_of
from lab_utils.teaching.compare import rows_by_key, same_number
from lab_utils.teaching.trial import Trial, short
from lab_utils.teaching.units import exercise

TITLE = "Writing the streaming query"
MINUTES = 45

Row = dict[str, Any]


def _check_frame(trial: Trial, frame: Any, columns: Sequence[str], given: str) -> None:
    """See that an answer gave a DataFrame with these columns."""
    from pyspark.sql import DataFrame

    trial.stage("returns a DataFrame")
    assert isinstance(frame, DataFrame), (
        f"{given} is {short(frame)}, which is no DataFrame of Spark.{' Is there a `return`?' if frame is None else ''}"
    )
    trial.stage("columns")
    for column in columns:
        count = frame.columns.count(column)
        assert count, f"{given} has the columns {', '.join(frame.columns)}: there is no `{column}`."
        assert count == 1, f"{given} has {count} columns named `{column}`."


def _rows(trial: Trial, frame: Any, columns: Sequence[Any], given: str) -> list[Row]:
    """The rows. A mistake in a plan shows when they are fetched, and is the answer's own."""
    trial.stage("the rows can be fetched")
    return [row.asDict() for row in trial.call(frame.select(*columns).collect, given=given)]


def _by_place(
    trial: Trial, rows: Sequence[Row], wanted: set[tuple[int, int]], given: str
) -> dict[tuple[int, int], Row]:
    """The rows by partition and offset: those that are wanted, each once."""
    trial.stage("which rows")
    return rows_by_key(rows, sorted(wanted), lambda row: (row["partition"], row["offset"]), given, _place)


def _place(place: tuple[int, int]) -> str:
    return f"partition {place[0]}, offset {place[1]}"


READ_COLUMNS = ("partition", "offset", "key", "value")
READ_RECORDS: list[tuple[int, bytes | None, bytes]] = [
    (0, b"BTC", b'{"price":73843.24}'),
    (0, b"BTC", b'{"price":73840.1}'),
    (0, None, b"no key"),
    (0, b"BTC", "né à 14:30".encode()),
    (0, b"ETH", b"last of partition 0"),
    (1, b"SOL", b"first of partition 1"),
    (1, b"SOL", b""),
    (1, b"XRP", b"last of partition 1"),
]


@exercise(
    "06a.1",
    "Read from a place",
    needs=["kafka"],
    seconds=25,
    hints=[
        "The lesson does it at the end of its section 2. Which of its lines depend on `topic` and `start`?",
        '`startingOffsets` is a text in JSON: `{"my.topic": {"0": 230, "1": 355}}`. `json.dumps` makes it from a dictionary in a dictionary.',
        '    records = (\n        spark.read.format("kafka")\n        .option("kafka.bootstrap.servers", …)\n        .option("subscribe", …)\n'
        '        .option("startingOffsets", json.dumps({…: …}))\n        .load()\n    )\n'
        '    return records.select("partition", "offset", F.col("key").cast("string"), …)',
    ],
)
def check_read_from(trial: Trial, read_from: Callable[..., Any]) -> None:
    trial.is_callable(read_from, "read_from")
    topic = trial.name("ticks")
    trial.broker.create_topic(topic, 3)
    now = int(datetime.now(UTC).timestamp() * 1000)
    sent = trial.broker.send(topic, [(*record, now) for record in READ_RECORDS])
    records = {(seen.partition, seen.offset): seen for seen in sent}
    for start in ({0: 2, 1: 0, 2: 0}, {0: 5, 1: 1, 2: 0}):
        given = f"read_from(spark, servers, topic, start={start})"
        trial.stage("runs")
        frame = trial.call(read_from, trial.spark, trial.broker.address, topic, start, given=given)
        _check_frame(trial, frame, READ_COLUMNS, given)
        trial.stage("is a batch")
        assert not frame.isStreaming, f"{given} is a stream, which has no end."
        rows = _rows(trial, frame, READ_COLUMNS, given)
        found = _by_place(trial, rows, {place for place in records if place[1] >= start[place[0]]}, given)
        trial.stage("text")
        for place, row in sorted(found.items()):
            for name, right in (("key", records[place].key), ("value", records[place].value)):
                text = None if right is None else right.decode()
                assert row[name] == text, f"{given}: at {_place(place)} the `{name}` is {short(row[name])}."


def _micros(text: str) -> int:
    """Microseconds since 1970."""
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


GOOD_TIME = "2026-11-02T14:30:00.120Z"
FIELDS = ("symbol", "price", "size", "event_time")
TICK_COLUMNS = ("partition", "offset", *FIELDS)


def _parsed(
    symbol: str | None = None, price: str | None = None, size: str | None = None, time: str | None = GOOD_TIME
) -> Row:
    return {
        "symbol": symbol,
        "price": None if price is None else Decimal(price),
        "size": None if size is None else Decimal(size),
        "event_time": None if time is None else _micros(time),
    }


_NOTHING = _parsed(time=None)
PARSE_CASES: list[tuple[str | bytes | None, Row]] = [
    (
        '{"symbol":"BTC","currency":"USD","price":73838.87,"size":0.0125,"event_time":"2026-11-02T14:30:00.120Z","version":1}',
        _parsed("BTC", "73838.87", "0.0125"),
    ),
    (
        '{"symbol":"SHIB","price":0.000000012345,"size":0.000000000000000001,"event_time":"2026-11-02T14:30:00.120Z"}',
        _parsed("SHIB", "0.000000012345", "0.000000000000000001"),
    ),
    (
        '{"event_time":"2026-11-02T14:30:00.120Z","size":98765432109876543.5,"price":1234567890.123456789012345678,"symbol":"IDX"}',
        _parsed("IDX", "1234567890.123456789012345678", "98765432109876543.5"),
    ),
    (
        '{"symbol":"ETH","price":"2411.38","size":null,"event_time":"2026-11-02T14:30:00.120Z"}',
        _parsed("ETH", "2411.38"),
    ),
    (
        '{"symbol":"ETH","price":"abc","size":2.5,"event_time":"2026-11-02T14:30:00.120Z"}',
        _parsed("ETH", size="2.5"),
    ),
    ('{"symbol":"SOL","price":148.20,"size":27.7,"event_time":"soon"}', _parsed("SOL", "148.2", "27.7", None)),
    ('{"symbol":"SOL","price":148.25,"size":1,"event_time":1793629800120}', _parsed("SOL", "148.25", "1", None)),
    ("not json", _NOTHING),
    ('{"symbol":"BTC","currency":"USD","price":73838.87,"si', _NOTHING),
    (None, _NOTHING),
    ("", _NOTHING),
    (b"\xff\xfe\x00 these bytes are no UTF-8 \xc3", _NOTHING),
    ('{"Response":"Error","Message":"You are over your rate limit","Type":99}', _NOTHING),
    ('[{"symbol":"BTC","price":73838.87,"event_time":"2026-11-02T14:30:00.120Z"}]', _NOTHING),
    (
        '{"symbol":"XRP","price":-5.25,"size":"half","event_time":"2026-11-02T14:30:00.000250+00:00"}',
        _parsed("XRP", "-5.25", time="2026-11-02T14:30:00.000250+00:00"),
    ),
    (
        '{"symbol":"XRP","price":0,"event_time":"2026-11-02T23:59:59Z"}',
        _parsed("XRP", "0", time="2026-11-02T23:59:59Z"),
    ),
    (
        '{"symbol":"ADA","price":1.5E-8,"size":0,"event_time":"2026-11-02T14:30:00.120Z"}',
        _parsed("ADA", "0.000000015", "0"),
    ),
]
KAFKA_COLUMNS = (
    "key binary, value binary, topic string, partition int, offset long, timestamp timestamp, timestampType int"
)


@exercise(
    "06a.2",
    "Parse",
    seconds=25,
    hints=[
        "`from_json` with a schema, on the value as text, as in section 3 of the lesson. Which types did it find for numbers, and for times?",
        "A plain `cast` of a text that is no time ends the query. Its sister `try_cast` gives `NULL`.",
        '    tick = F.from_json(F.col("value").cast("string"), "symbol string, price …, size …, event_time …")\n'
        '    return records.select("partition", "offset", tick.alias("tick")).select(\n'
        '        "partition", "offset", "tick.symbol", …,\n'
        '        F.col("tick.event_time").…("timestamp").alias("event_time"),\n'
        "    )",
    ],
)
def check_parse_ticks(trial: Trial, parse_ticks: Callable[..., Any]) -> None:
    from pyspark.sql import functions as F

    trial.is_callable(parse_ticks, "parse_ticks")
    places = [(number % 2, 7 + number // 2) for number in range(len(PARSE_CASES))]
    cases = dict(zip(places, PARSE_CASES, strict=True))
    sent = datetime(2026, 11, 2, 14, 30, 1, tzinfo=UTC)
    values = {place: value.encode() if isinstance(value, str) else value for place, (value, _) in cases.items()}
    records = trial.spark.createDataFrame(
        [(b"key", values[place], "ticks", *place, sent, 0) for place in places], KAFKA_COLUMNS
    )
    given = "parse_ticks(records)"
    trial.stage("runs")
    frame = trial.call(parse_ticks, records, given=given)
    _check_frame(trial, frame, TICK_COLUMNS, given)
    trial.stage("types")
    types = dict(frame.dtypes)
    for column, kind in (("price", "decimal"), ("size", "decimal"), ("event_time", "timestamp")):
        assert types[column].split("(")[0] == kind, (
            f"{given}: `{column}` has the type {types[column]}. "
            f"{'Can it keep every digit?' if kind == 'decimal' else 'Is it a moment in UTC?'}"
        )
    # As microseconds: a year like 58807 cannot be fetched as a time of Python.
    columns = [*TICK_COLUMNS[:-1], F.unix_micros("event_time").alias("event_time")]
    found = _by_place(trial, _rows(trial, frame, columns, given), set(places), given)
    for column in FIELDS:
        trial.stage(column)
        for place, (value, right) in cases.items():
            seen = found[place][column]
            assert _same(seen, right[column]), (
                f"{given}: of the record {_text(value)} the `{column}` is {_shown(seen, column)}."
            )


def _same(seen: object, right: object) -> bool:
    return seen == right if right is None or isinstance(right, str) else same_number(seen, right)  # type: ignore[arg-type]


def _text(value: str | bytes | None) -> str:
    return "without a value (a tombstone)" if value is None else str(value) if value else "with an empty value"


def _shown(value: object, column: str) -> str:
    if value is None:
        return "NULL"
    if column == "event_time" and isinstance(value, int):
        try:
            return f"{datetime.fromtimestamp(value // 1_000_000, UTC):%Y-%m-%d %H:%M:%S}.{value % 1_000_000:06} UTC"
        except (ValueError, OverflowError, OSError):
            return "in a year after 9999"
    return format(value, "f") if isinstance(value, Decimal) else short(value)


TICK_FIELDS = (
    "partition int, offset long, value string, symbol string, price decimal(38,18), size decimal(38,18), "
    "event_time timestamp, corrupt string"
)
REJECTED_COLUMNS = ("partition", "offset", "value", "reason")


def _tick(
    symbol: str | None = "BTC",
    price: str | None = "73838.87",
    size: str | None = "0.0125",
    time: str | None = GOOD_TIME,
    *,
    corrupt: bool = False,
    bad: Sequence[str] = (),
) -> Row:
    """A parsed record, and which of its columns are not as they should be."""
    return {"symbol": symbol, "price": price, "size": size, "event_time": time, "corrupt": corrupt, "bad": tuple(bad)}


_EMPTY = _tick(None, None, None, None, bad=["symbol", "price", "event_time"])
SPLIT_CASES = [
    _tick(),
    _tick(),  # the same tick sent twice: two records
    _tick("SHIB", "0.000000000000000001", "0.5"),
    _tick("ETH", "0.5", None),
    _tick("ETH", "2411.38", "0"),
    _EMPTY,  # a tombstone
    _tick(None, None, None, None, corrupt=True, bad=["corrupt", "symbol", "price", "event_time"]),
    _tick(price=None, corrupt=True, bad=["corrupt", "price"]),
    _tick(size=None, corrupt=True, bad=["corrupt"]),  # a size that is no number
    _tick(symbol=None, bad=["symbol"]),
    _tick(symbol="", bad=["symbol"]),
    _tick(price=None, bad=["price"]),
    _tick(price="0", bad=["price"]),
    _tick(price="-5.25", bad=["price"]),
    _tick(size="-0.5", bad=["size"]),
    _tick(time=None, bad=["event_time"]),
    _tick(price="-1", size=None, time=None, bad=["price", "event_time"]),
]


@exercise(
    "06a.3",
    "Valid or not",
    seconds=30,
    hints=[
        "A record without a price is neither in `where(price > 0)` nor in `where(~(price > 0))`. Make one column that tells why a record is bad, and is `NULL` "
        "when it is not; then divide by that.",
        "`F.when(condition, text)` is `NULL` where the condition is not true, `F.coalesce(…)` takes the first that is not `NULL`. For which columns must a `NULL` be "
        "asked for with `isNull()`, and for which is it allowed?",
        '    reason = F.coalesce(\n        F.when(F.col("corrupt").isNotNull(), "corrupt"),\n'
        '        F.when(F.col("symbol").isNull() | …, "no symbol"),\n        …\n    )\n'
        '    judged = ticks.withColumn("reason", reason)\n'
        '    return judged.where(F.col("reason").isNull()), judged.where(…)',
    ],
    equivalent_mutants={
        f"'{reason}' → '{reason}x'": "the reason still has the name of the column"
        for reason in ("corrupt", "no symbol", "no price above zero", "size below zero", "no event_time")
    },
)
def check_split_valid(trial: Trial, split_valid: Callable[..., Any]) -> None:
    from pyspark.sql import functions as F

    trial.is_callable(split_valid, "split_valid")
    places = [(number % 2, 3 + number // 2) for number in range(len(SPLIT_CASES))]
    cases = dict(zip(places, SPLIT_CASES, strict=True))
    lines = [_line(place, case) for place, case in cases.items()]
    given = "split_valid(ticks)"
    valid, rejected = _halves(
        trial, split_valid, trial.spark.createDataFrame([(line,) for line in lines], "value string")
    )
    columns = [*TICK_COLUMNS[:-1], F.unix_micros("event_time").alias("event_time")]
    kept = _rows(trial, valid, columns, f"the first DataFrame of {given}")
    thrown = _rows(trial, rejected, REJECTED_COLUMNS, f"the second DataFrame of {given}")
    _check_halves(trial, cases, kept, thrown)
    trial.stage("reason")
    for row in thrown:
        case = cases[row["partition"], row["offset"]]
        assert isinstance(row["reason"], str) and any(
            name in row["reason"].replace(" ", "_") for name in case["bad"]
        ), (
            f"A record with {_seen_of(case)} is rejected, and its `reason` is {_shown(row['reason'], 'reason')}. "
            "It must hold the name of a column that is not as it should be."
        )
    trial.stage("values")
    wanted = {place: _parsed(*(case[name] for name in FIELDS)) for place, case in cases.items()}
    for row in kept:
        case = cases[row["partition"], row["offset"]]
        for column in FIELDS:
            assert _same(row[column], wanted[row["partition"], row["offset"]][column]), (
                f"A valid record with {_seen_of(case)} has the `{column}` {_shown(row[column], column)} in your answer."
            )
    for row in thrown:
        raw = _raw((row["partition"], row["offset"]))
        assert isinstance(row["value"], bytes | bytearray) and bytes(row["value"]) == raw, (
            f"A record came with the `value` {raw!r}, and is rejected with {short(row['value'])}."
        )
    _check_stream(trial, split_valid, lines, cases)


def _raw(place: tuple[int, int]) -> bytes:
    """The bytes of a record of these tests; they only have to be told apart."""
    return b"record %d of partition %d" % (place[1], place[0])


def _line(place: tuple[int, int], case: Row) -> str:
    fields = {name: case[name] for name in FIELDS}
    corrupt = "{what could not be read" if case["corrupt"] else None
    return json.dumps(
        {"partition": place[0], "offset": place[1], "value": _raw(place).decode(), **fields, "corrupt": corrupt}
    )


def _ticks(lines: Any) -> Any:
    """The DataFrame that the answer is given, from lines in JSON; a batch or a stream."""
    from pyspark.sql import functions as F

    ticks = lines.select(F.from_json("value", TICK_FIELDS).alias("tick")).select("tick.*")
    return ticks.withColumn("value", F.col("value").cast("binary"))


def _halves(trial: Trial, split_valid: Callable[..., Any], lines: Any) -> tuple[Any, Any]:
    given = "split_valid(ticks)"
    trial.stage("returns two")
    result = trial.call(split_valid, _ticks(lines), given=given)
    assert isinstance(result, tuple | list) and len(result) == 2, (
        f"{given} is {short(result)}, not two DataFrames.{' Is there a `return`?' if result is None else ''}"
    )
    _check_frame(trial, result[0], TICK_COLUMNS, f"the first of what {given} returns")
    _check_frame(trial, result[1], REJECTED_COLUMNS, f"the second of what {given} returns")
    return result[0], result[1]


def _check_halves(trial: Trial, cases: dict[tuple[int, int], Row], kept: list[Row], thrown: list[Row]) -> None:
    in_valid = [(row["partition"], row["offset"]) for row in kept]
    in_rejected = [(row["partition"], row["offset"]) for row in thrown]
    trial.stage("each record once")
    for place, case in cases.items():
        count = in_valid.count(place) + in_rejected.count(place)
        where = "in neither of both" if not count else f"there {count} times"
        assert count == 1, f"A record with {_seen_of(case)} is {where}."
    trial.stage("valid or rejected")
    for place, case in cases.items():
        is_valid = place in in_valid
        assert is_valid == (not case["bad"]), (
            f"A record with {_seen_of(case)} is among the {'valid' if is_valid else 'rejected'} ones."
        )


def _seen_of(case: Row) -> str:
    words = [f"{name} {'NULL' if case[name] is None else case[name] or repr('')}" for name in FIELDS]
    return ", ".join([*words, "corrupt not NULL" if case["corrupt"] else "corrupt NULL"])


def _check_stream(
    trial: Trial, split_valid: Callable[..., Any], lines: Sequence[str], cases: dict[tuple[int, int], Row]
) -> None:
    """Both halves of a stream, run as one query."""
    from pyspark.sql import functions as F

    folder = trial.folder()
    stream = stream_of(trial.spark, [lines], folder)
    valid, rejected = _halves(trial, split_valid, stream)
    trial.stage("works on a stream")
    assert valid.isStreaming and rejected.isStreaming, "Given a stream, your function does not return streams."

    def both(_: Any) -> Any:
        place = ("partition", "offset")
        return valid.select(*place, F.lit("valid").alias("half")).unionByName(
            rejected.select(*place, F.lit("rejected").alias("half"))
        )

    rows = trial.call(run_bounded, stream, both, folder, given="a stream of the same records")
    for half in ("valid", "rejected"):
        seen = sorted((row["partition"], row["offset"]) for row in rows if row["half"] == half)
        right = sorted(place for place, case in cases.items() if bool(case["bad"]) == (half == "rejected"))
        assert seen == right, (
            f"On a batch {len(right)} records are {half}; on a stream of the same records {len(seen)} are."
        )


BRING_COLUMNS = ("partition", "offset", "text")


@exercise(
    "06a.4",
    "Go on where it stopped",
    needs=["kafka"],
    seconds=30,
    hints=[
        "The lesson's `run_once` writes a stream to files and ends. What does its stream need to begin with the oldest record?",
        "`trigger(availableNow=True)` makes the query end by itself, and `awaitTermination()` waits until it has. The option `checkpointLocation` says where Spark keeps how far it is.",
        '    records = spark.readStream.format("kafka").option(…).option("subscribe", topic).option("startingOffsets", …).load()\n'
        '    query = (\n        records.select("partition", "offset", …alias("text"))\n        .writeStream.format("parquet")\n'
        '        .option("path", …)\n        .option("checkpointLocation", …)\n        .trigger(…)\n        .start()\n    )\n'
        "    query.…",
    ],
)
def check_bring_new(trial: Trial, bring_new: Callable[..., Any]) -> None:
    trial.is_callable(bring_new, "bring_new")
    topic = trial.name("ticks")
    trial.broker.create_topic(topic, 2)
    folder = trial.folder()
    now = int(datetime.now(UTC).timestamp() * 1000)
    there: dict[tuple[int, int], str] = {}
    for stage, new in (
        ("brings what is there", [(0, b"one"), (0, b"two"), (1, b"three"), (0, "né".encode()), (1, b"three")]),
        ("brings what is new", [(0, b"six"), (1, b"seven")]),
        ("nothing new", []),
    ):
        for seen in trial.broker.send(topic, [(partition, b"key", value, now) for partition, value in new]):
            there[seen.partition, seen.offset] = (seen.value or b"").decode()
        given = f"bring_new(spark, servers, topic, folder), when {len(new)} records are new,"
        _bring(trial, bring_new, topic, folder, there, stage, given)
    trial.stage("checkpoint")
    assert (folder / "checkpoint" / "offsets").is_dir(), (
        'There is no checkpoint of Spark in folder / "checkpoint", where the task wants it.'
    )
    other = trial.folder()
    given = "bring_new(spark, servers, topic, other_folder), the first call for that folder,"
    _bring(trial, bring_new, topic, other, there, "another folder", given)


def _bring(
    trial: Trial,
    bring_new: Callable[..., Any],
    topic: str,
    folder: Path,
    there: dict[tuple[int, int], str],
    stage: str,
    given: str,
) -> None:
    """One call, and what is in the files then."""
    spark = trial.spark
    before = {query.runId for query in spark.streams.active}
    trial.stage("returns")
    trial.call(bring_new, spark, trial.broker.address, topic, folder, given=given)
    trial.stage("has ended")
    running = [query for query in spark.streams.active if query.runId not in before]
    assert not running, f"When {given} had returned, a query of it was still running."
    trial.stage("files")
    rows = folder / "rows"
    assert rows.is_dir(), f'{given} left no folder "rows".'
    try:
        frame = spark.read.parquet(str(rows))
    except Exception:
        files = [file.name for file in sorted(rows.rglob("[!._]*")) if file.is_file()]
        raise AssertionError(f"What {given} left cannot be read as Parquet. The files: {short(files)}.") from None
    _check_frame(trial, frame, BRING_COLUMNS, f"what {given} left")
    trial.stage(stage)
    found: dict[tuple[int, int], object] = {}
    for row in frame.select(*BRING_COLUMNS).collect():
        place = (row["partition"], row["offset"])
        assert place not in found, f"After {given} the record at {_place(place)} is in the files twice."
        found[place] = row["text"]
    missing = sorted(set(there) - set(found))
    assert not missing, (
        f"After {given} {len(found)} of {len(there)} records are in the files; {_place(missing[0])} is not."
    )
    for place, text in sorted(found.items()):
        assert text == there[place], f"After {given} the `text` at {_place(place)} is {short(text)}."


def _report(*sources: Row) -> Row:
    """A report as Spark 4.2 makes it, with these sources."""
    return {
        "id": "ddf0b36a-4f0c-4dcb-bdfd-c34325d70d05",
        "runId": "0b102071-6dfb-406b-baad-b20b644178ad",
        "name": "ticks",
        "timestamp": "2026-11-25T09:16:57.040Z",
        "batchId": 7,
        "batchDuration": 147,
        "numInputRows": 79,
        "inputRowsPerSecond": 96.1,
        "processedRowsPerSecond": 537.4,
        "durationMs": {
            "addBatch": 101,
            "commitOffsets": 18,
            "getBatch": 0,
            "latestOffset": 0,
            "queryPlanning": 15,
            "triggerExecution": 147,
            "walCommit": 12,
        },
        "stateOperators": [],
        "sources": list(sources),
        "sink": {"description": "NoopTable", "numOutputRows": 79},
    }


Offsets = dict[str, dict[str, int]]


def _source(start: Offsets, end: Offsets, latest: Offsets) -> Row:
    pairs = [
        (end[topic].get(partition, 0), last) for topic, parts in latest.items() for partition, last in parts.items()
    ]
    behind = [last - done for done, last in pairs]
    return {
        "description": f"KafkaV2[Subscribe[{', '.join(latest)}]]",
        "startOffset": start,
        "endOffset": end,
        "latestOffset": latest,
        "numInputRows": 79,
        "inputRowsPerSecond": 96.1,
        "processedRowsPerSecond": 537.4,
        "metrics": {
            "avgOffsetsBehindLatest": str(sum(behind) / len(behind)),
            "maxOffsetsBehindLatest": str(max(behind)),
            "minOffsetsBehindLatest": str(min(behind)),
        },
    }


BEHIND_CASES: list[tuple[str, Row, dict[str, dict[int, int]]]] = [
    (
        "one topic",
        _report(_source({"ticks": {"0": 32, "1": 47}}, {"ticks": {"0": 64, "1": 94}}, {"ticks": {"0": 282, "1": 420}})),
        {"ticks": {0: 218, 1: 326}},
    ),
    (
        "nothing left",
        _report(_source({"ticks": {"0": 60, "1": 90}}, {"ticks": {"0": 64, "1": 94}}, {"ticks": {"0": 64, "1": 94}})),
        {"ticks": {0: 0, 1: 0}},
    ),
    (
        "several topics",
        _report(
            _source(
                {"crypto": {"0": 100, "1": 5}, "stock": {"0": 7}},
                {"crypto": {"0": 140, "1": 5}, "stock": {"0": 9}},
                {"crypto": {"0": 141, "1": 30}, "stock": {"0": 9}},
            )
        ),
        {"crypto": {0: 1, 1: 25}, "stock": {0: 0}},
    ),
    (
        "several sources",
        _report(
            _source({"crypto": {"0": 1}}, {"crypto": {"0": 2}}, {"crypto": {"0": 12}}),
            _source({"stock": {"0": 4, "1": 4}}, {"stock": {"0": 6, "1": 4}}, {"stock": {"0": 6, "1": 8}}),
        ),
        {"crypto": {0: 10}, "stock": {0: 0, 1: 4}},
    ),
    (
        "a new partition",
        _report(
            _source(
                {"ticks": {"9": 32, "0": 3}},
                {"ticks": {"9": 64, "0": 3}},
                {"ticks": {"9": 65, "10": 17, "11": 0, "0": 3}},
            )
        ),
        {"ticks": {0: 0, 9: 1, 10: 17, 11: 0}},
    ),
]


@exercise(
    "06a.5",
    "How far behind?",
    seconds=10,
    hints=[
        "The report has a list `sources`; each of them has `startOffset`, `endOffset` and `latestOffset`, which are topic → partition → offset. Look at the one in section 10 of the lesson.",
        "Still to be read is what lies between the end of the batch and the end of the partition. Which two of the three are these?",
        '    behind = {}\n    for source in report["sources"]:\n        for topic, latest in source["latestOffset"].items():\n'
        "            behind[topic] = {int(partition): … for partition, end in latest.items()}\n    return behind",
    ],
)
def check_rows_behind(trial: Trial, rows_behind: Callable[..., Any]) -> None:
    trial.is_callable(rows_behind, "rows_behind")
    for stage, report, right in BEHIND_CASES:
        trial.stage("returns a dictionary")
        offsets = "; ".join(
            f"{name} {json.dumps(source[name])}"
            for source in report["sources"]
            for name in ("endOffset", "latestOffset")
        )
        found = trial.call(rows_behind, copy.deepcopy(report), given=f"a report with {offsets}")
        assert isinstance(found, dict), f"It returned {short(found)}, which is no dictionary."
        trial.stage(stage)
        assert set(found) == set(right), (
            f"The batch read the topics {', '.join(right)}; the keys of your dictionary are {short(list(found))}."
        )
        for topic, partitions in right.items():
            mine = found[topic]
            assert isinstance(mine, dict), f"For the topic {topic} you have {short(mine)}, which is no dictionary."
            assert set(mine) == set(partitions), (
                f"{topic} has the partitions {sorted(partitions)}, as numbers; your keys are {short(list(mine))}."
            )
            for partition, count in partitions.items():
                assert same_number(mine[partition], count), (
                    f"With {offsets}, you say that {short(mine[partition])} records of {topic}, partition {partition}, are still to be read."
                )


STUCK_CASES: list[tuple[str, str, Sequence[int], Sequence[int], int | None]] = [
    ("all done", "three batches, all done", range(3), range(3), None),
    ("the newest is not done", "four batches, the last one not done", range(4), range(3), 3),
    ("more than ten batches", "twelve batches, the last one not done", range(12), range(11), 11),
    ("more than ten batches", "eleven batches, all done", range(11), range(11), None),
    ("the first batch", "one batch, not done", [0], [], 0),
    ("the first batch", "one batch, done", [0], [0], None),
    (
        "old files are gone",
        "the files of the batches 998 to 1001, the last one not done",
        range(998, 1002),
        range(998, 1001),
        1001,
    ),
    ("old files are gone", "the files of the batches 998 to 1001, all done", range(998, 1002), range(998, 1002), None),
    ("no batch yet", "a query that has made no batch", [], [], None),
]


@exercise(
    "06a.6",
    "Which batch is stuck?",
    seconds=10,
    hints=[
        "`offsets` holds a file for each batch that was planned, `commits` one for each that was done. Only the newest one can be stuck: Spark plans none before the one before it is done.",
        '`(checkpoint / "offsets").glob("[0-9]*")` gives the files whose names begin with a digit, and none when there is no such folder. Is "9" the newest, or "10"?',
        '    planned = [int(file.name) for file in (checkpoint / "offsets").glob("[0-9]*")]\n    if not planned:\n        return …\n'
        '    newest = …\n    return … if (checkpoint / "commits" / …).exists() else …',
    ],
)
def check_stuck_batch(trial: Trial, stuck_batch: Callable[..., Any]) -> None:
    trial.is_callable(stuck_batch, "stuck_batch")
    for stage, words, planned, done, right in STUCK_CASES:
        folder = trial.folder()
        _write_checkpoint(folder, planned, done)
        trial.stage("runs")
        found = trial.call(stuck_batch, folder, given=f"the checkpoint of {words}")
        trial.stage(stage)
        is_right = found is None if right is None else same_number(found, right)
        assert is_right, f"The checkpoint is that of {words}. You say {short(found)}."


def _write_checkpoint(folder: Path, planned: Sequence[int], done: Sequence[int]) -> None:
    """The files of a checkpoint as Spark 4.2 leaves them; those of a batch that was not done as a crash does."""
    (folder / "metadata").write_text('{"id":"7f986348-a3e6-4a1e-8a15-3851e60bd9df"}', encoding="utf-8")
    (folder / ".metadata.crc").touch()
    for kind, numbers, text in (
        ("offsets", planned, '{"ticks":{"0":60}}'),
        ("commits", done, '{"nextBatchWatermarkMs":0}'),
    ):
        if planned:
            (folder / kind).mkdir()
        for number in numbers:
            (folder / kind / str(number)).write_text(f"v1\n{text}", encoding="utf-8")
            (folder / kind / f".{number}.crc").touch()
    if done and len(done) < len(planned):
        (folder / "commits" / f".{planned[-1]}.5f74488c.tmp").touch()
