"""What the exercises of unit 06b check."""

import contextlib
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from lab_utils.teaching.bounded import run_bounded, stream_of
from lab_utils.teaching.compare import place_in, rows_by_key, same_value
from lab_utils.teaching.outcomes import AnswerError
from lab_utils.teaching.trial import Trial, short
from lab_utils.teaching.units import exercise

TITLE = "Windows, watermarks and the database"
MINUTES = 45

TEN = datetime(2026, 3, 10, 10, tzinfo=UTC)
NUMBER = "decimal(38,18)"
FIELDS = (
    f"symbol string, currency string, price {NUMBER}, size {NUMBER}, event_time timestamp, kafka_partition int, "
    "kafka_offset bigint"
)
CANDLE_FIELDS = (
    f"symbol string, currency string, window_start timestamp, open {NUMBER}, high {NUMBER}, low {NUMBER}, "
    f"close {NUMBER}, volume {NUMBER}, tick_count bigint"
)
EXACT = ("open", "high", "low", "close", "volume")

Row = dict[str, Any]


def _at(clock: str) -> datetime:
    """A moment of that morning, as `10:00:30.5`."""
    hours, minutes, seconds = clock.split(":")
    return TEN.replace(hour=0) + timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))


def _tick(offset: int, symbol: str, clock: str, price: str, size: str | None = "1", currency: str = "USD") -> Row:
    return {
        "symbol": symbol,
        "currency": currency,
        "price": Decimal(price),
        "size": None if size is None else Decimal(size),
        "event_time": _at(clock),
        "kafka_partition": 0,
        "kafka_offset": offset,
    }


def _frame(trial: Trial, rows: Sequence[Row], fields: str = FIELDS) -> Any:
    """A DataFrame of rows in this order."""
    names = [field.split()[0] for field in fields.split(", ")]
    return trial.spark.createDataFrame([tuple(row[name] for name in names) for row in rows], fields).coalesce(1)


def _stream(trial: Trial, batches: Sequence[Sequence[Row]]) -> Any:
    """The same ticks as a stream, one part of `batches` a micro-batch."""
    from pyspark.sql import functions as F

    lines = [[json.dumps(row, default=str) for row in batch] for batch in batches]
    text = stream_of(trial.spark, lines, trial.folder())
    ticks = text.select(F.from_json("value", FIELDS.replace("timestamp", "string")).alias("tick")).select("tick.*")
    return ticks.withColumn("event_time", F.col("event_time").cast("timestamp"))


def _rows(trial: Trial, given: str, make: Callable[[], Any], columns: Sequence[str]) -> list[Row]:
    """The rows of the DataFrame that an answer returns, its times in UTC; computing them counts as the answer's work."""
    from pyspark.sql import DataFrame

    trial.stage("returns a DataFrame")

    def collected() -> Any:
        result = make()
        return result.toArrow().to_pylist() if isinstance(result, DataFrame) else result

    rows = trial.call(collected, given=given)
    assert isinstance(rows, list) and all(isinstance(row, dict) for row in rows), (
        f"{given} returned {short(rows)}, which is no DataFrame.{' Is there a `return`?' if rows is None else ''}"
    )
    return _with_columns(trial, given, rows, columns)


def _with_columns(trial: Trial, given: str, rows: Sequence[Row], columns: Sequence[str]) -> list[Row]:
    """Rows with the columns that the task asks for; a window may have come as the struct that Spark makes."""
    trial.stage("columns")
    flat = [_flat(row) for row in rows]
    for row in flat[:1]:
        for column in columns:
            assert column in row, f"{given} has the columns {', '.join(rows[0])}: there is no `{column}`."
    return [{column: _plain(given, column, row[column]) for column in columns} for row in flat]


def _flat(row: Row) -> Row:
    window = row.get("window")
    return {**{f"window_{end}": window[end] for end in window}, **row} if isinstance(window, dict) else row


def _plain(given: str, column: str, value: Any) -> Any:
    if column in {"event_time", "window_start", "window_end"}:
        assert isinstance(value, datetime), f"{given}: the `{column}` {short(value)} is no timestamp."
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%H:%M:%S.%f}".rstrip("0").rstrip(".")
    if isinstance(value, Decimal):
        return f"{value.normalize():f}" if value else "0"
    return "NULL" if value is None else short(value)


def _name(place: Sequence[object]) -> str:
    """What tells a row from others, in words."""
    return ", ".join(short(value).strip("'\"") if isinstance(value, str) else _shown(value) for value in place)


def _compare(
    trial: Trial, given: str, rows: Sequence[Row], wanted: Sequence[Row], key: Sequence[str], says: Mapping[str, str]
) -> None:
    """Which rows there are, told by `key`; then column by column. `says` has what a wrong value of a column breaks."""
    trial.stage("which rows")
    theirs = {place_in(row, key): row for row in wanted}
    mine = rows_by_key(rows, theirs, lambda row: place_in(row, key), given, _name)
    for column in [column for column in wanted[0] if column not in key]:
        trial.stage(column)
        for place, row in mine.items():
            seen, right = row[column], theirs[place][column]
            assert not isinstance(seen, float), (
                f"{given}: the `{column}` of {_name(place)} is a float, {seen!r}. The digits that the market sent "
                "are lost."
            )
            assert same_value(seen, right), (
                f"{given}: the `{column}` of {_name(place)} is {_shown(seen)}. {says.get(column, '')}".rstrip()
            )


# --- 06b.1 ------------------------------------------------------------------------------------------------------

CANDLE_COLUMNS = (
    *("symbol", "currency", "window_start", "open", "high", "low", "close"),
    *("volume", "tick_count", "trades"),
)
CANDLE_KEY = ("symbol", "currency", "window_start")

CANDLE_TICKS = [
    # In the order of arrival; offsets do not follow the event times.
    _tick(0, "BTC", "10:00:31", "73840.5", "0.5"),
    _tick(1, "BTC", "10:00:05.25", "73899.123456789012345678", None),
    _tick(2, "BTC", "10:00:58", "73801", "0.25"),
    _tick(3, "BTC", "10:00:20", "73950", "0"),
    # The minute of 10:01 begins with two ticks at the same moment, and ends with two.
    _tick(9, "BTC", "10:01:00", "73811", "0.125"),
    _tick(4, "BTC", "10:01:59.999", "73820", "2"),
    _tick(10, "BTC", "10:01:00", "73807", "0.1"),
    _tick(11, "BTC", "10:01:30", "73790", "1"),
    _tick(12, "BTC", "10:01:59.999", "73815", "1"),
    # Another currency, a tiny price, a symbol without a trade.
    _tick(5, "BTC", "10:00:40", "68000.25", "0.75", "EUR"),
    _tick(6, "PEPE", "10:00:10", "0.000000012345678901", "123456789.000000000000000001"),
    _tick(7, "PEPE", "10:00:50", "0.000000012345678899", "0.000000000000000001"),
    _tick(8, "ETH", "10:03:30", "2411.38", None),
    _tick(13, "ETH", "10:03:10", "2411.40", None),
    _tick(14, "BTC", "10:14:59.999999", "73900", "1"),
    _tick(15, "BTC", "10:15:00", "73901", "1"),
]

CANDLE_SAYS = {
    "open": "It is the price of the first tick by event time; of two at the same moment, of the smaller offset.",
    "close": "It is the price of the last tick by event time; of two at the same moment, of the larger offset.",
    "high": "It is the highest price of the window, with all its digits.",
    "low": "It is the lowest price of the window, with all its digits.",
    "volume": "It is the sum of the sizes that are known, and 0 when none is.",
    "tick_count": "It counts all ticks of the window.",
    "trades": "It counts the ticks that have a size.",
}


def _candles(ticks: Sequence[Row], minutes: int) -> list[Row]:
    """The right candles, made without Spark."""
    groups: dict[tuple[str, str, datetime], list[Row]] = {}
    for tick in sorted(ticks, key=lambda row: (row["event_time"], row["kafka_offset"])):
        start = TEN + (tick["event_time"] - TEN) // timedelta(minutes=minutes) * timedelta(minutes=minutes)
        groups.setdefault((tick["symbol"], tick["currency"], start), []).append(tick)
    found = []
    for (symbol, currency, start), own in groups.items():
        prices = [tick["price"] for tick in own]
        sizes = [tick["size"] for tick in own if tick["size"] is not None]
        values = (prices[0], max(prices), min(prices), prices[-1], sum(sizes, Decimal(0)), len(own), len(sizes))
        found.append(dict(zip(CANDLE_COLUMNS, (symbol, currency, start, *values), strict=True)))
    return found


@exercise(
    "06b.1",
    "Candles of any width",
    seconds=60,
    hints=[
        "Group by symbol, currency and `F.window(…)`; each column is one aggregate function. Which price is the first? Not "
        "the one that is read first.",
        "`F.min_by(price, x)` is the price of the row with the smallest x, and x may be a struct of two columns. `count` of "
        "a column counts only what is not NULL, and so does `sum`, which is NULL when there is nothing.",
        '    place = F.struct("event_time", …)\n'
        '    grouped = ticks.groupBy("symbol", "currency", F.window("event_time", width).alias("window"))\n'
        '    return grouped.agg(F.min_by("price", place).alias("open"), …).withColumn("window_start", …)',
    ],
    equivalent_mutants={"'window' → 'windowx'": "the window is then left beside the columns, where it does no harm"},
)
def check_candles(trial: Trial, candles: Callable[..., Any]) -> None:
    trial.is_callable(candles, "candles")
    shuffled = [CANDLE_TICKS[(number * 7 + 3) % len(CANDLE_TICKS)] for number in range(len(CANDLE_TICKS))]
    for ticks, width, minutes in ((CANDLE_TICKS, "1 minute", 1), (shuffled, "15 minutes", 15)):
        given = f'candles(ticks, "{width}")'
        frame = _frame(trial, ticks)
        rows = _rows(trial, given, lambda frame=frame, width=width: candles(frame, width), CANDLE_COLUMNS)  # type: ignore[misc]
        _compare(trial, given, rows, _candles(ticks, minutes), CANDLE_KEY, CANDLE_SAYS)
    given = 'candles(ticks, "1 minute") of a stream'
    stream, folder = _stream(trial, [CANDLE_TICKS]), trial.folder()
    trial.stage("on a stream")
    found = trial.call(
        run_bounded, stream, lambda ticks: candles(ticks, "1 minute"), folder, mode="complete", given=given
    )
    assert len(found) == len(_candles(CANDLE_TICKS, 1)), f"{given} gave {len(found)} candles."


# --- 06b.2 ------------------------------------------------------------------------------------------------------

RANGE_COLUMNS = ("symbol", "window_start", "window_end", "low", "high")
RANGE_BATCHES = [
    [
        _tick(0, "BTC", "10:00:30", "100.5"),
        _tick(1, "PEPE", "10:01:00", "0.000000012345678901"),
        _tick(2, "BTC", "10:03:00", "102", None),
        _tick(3, "BTC", "10:06:00", "101"),
    ],
    # Exactly two minutes later than the newest one so far; then the one that decides what is over.
    [_tick(4, "BTC", "10:04:00", "90.000000000000000001"), _tick(5, "BTC", "10:10:00", "110")],
]
RANGE_SAYS = {
    "low": "It is the lowest price in these five minutes; a tick that is two minutes late belongs to them.",
    "high": "It is the highest price in these five minutes, of that symbol alone.",
}


def _ranges(before: str) -> list[Row]:
    """The right rows of the windows that are over when the watermark is `before`, made without Spark."""
    found = []
    for symbol in ("BTC", "PEPE"):
        for number in range(-4, 15):
            start = TEN + timedelta(minutes=number)
            end = start + timedelta(minutes=5)
            prices = [
                tick["price"]
                for batch in RANGE_BATCHES
                for tick in batch
                if tick["symbol"] == symbol and start <= tick["event_time"] < end
            ]
            if prices and end <= _at(before):
                found.append(
                    dict(zip(RANGE_COLUMNS, (symbol, start, end, min(prices), max(prices)), strict=True)),
                )
    return found


@exercise(
    "06b.2",
    "The last five minutes",
    seconds=60,
    hints=[
        "`F.window` takes a third argument: how far it is from the start of one window to the start of the next.",
        "`append` gives out what is over, so it must be said when that is: `withWatermark(column, how long)`, before the grouping.",
        '    waiting = ticks.withWatermark("event_time", …)\n'
        '    grouped = waiting.groupBy("symbol", F.window("event_time", …, …).alias("window"))\n'
        "    return grouped.agg(…).select(…)",
    ],
)
def check_last_5_minutes(trial: Trial, last_5_minutes: Callable[..., Any]) -> None:
    trial.is_callable(last_5_minutes, "last_5_minutes")
    ticks = [tick for batch in RANGE_BATCHES for tick in batch]
    given = "last_5_minutes(ticks)"
    frame = _frame(trial, ticks)
    rows = _rows(trial, given, lambda: last_5_minutes(frame), RANGE_COLUMNS)
    _compare(trial, given, rows, _ranges("23:00:00"), ("symbol", "window_start", "window_end"), RANGE_SAYS)
    trial.stage("on a stream")
    stream, folder = _stream(trial, RANGE_BATCHES), trial.folder()
    given = "last_5_minutes(ticks) of a stream, written in the mode append,"
    found = trial.call(run_bounded, stream, last_5_minutes, folder, given=given)
    rows = _with_columns(trial, given, [_utc(row) for row in found], RANGE_COLUMNS)
    trial.stage("what is over")
    ends = {(row["symbol"], row["window_end"]) for row in rows}
    wanted = _ranges("10:08:00")
    assert len(rows) == len(ends), f"{given} gave out {len(rows)} rows for {len(ends)} windows."
    newest = "The newest tick is of 10:10:00."
    for symbol, end in sorted(ends - {(row["symbol"], row["window_end"]) for row in wanted}):
        raise AssertionError(
            f"{newest} {given} gave out the window of {symbol} that ends at {end:%H:%M}, and a tick of it may still come."
        )
    missing = [row for row in wanted if (row["symbol"], row["window_end"]) not in ends]
    assert not missing, (
        f"{newest} {given} gave out {len(rows)} windows, and not the one of {missing[0]['symbol']} that ends at "
        f"{missing[0]['window_end']:%H:%M}, for which nobody waits any more."
    )
    _compare(trial, given, rows, wanted, ("symbol", "window_start", "window_end"), RANGE_SAYS)


def _utc(row: Any) -> Row:
    """A collected row; its times are in the zone of this computer, without saying so."""

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        return {name: plain(part) for name, part in value.asDict().items()} if hasattr(value, "asDict") else value

    return {name: plain(value) for name, value in row.asDict().items()}


# --- 06b.3 ------------------------------------------------------------------------------------------------------

LATE_TICKS = [
    _tick(0, "BTC", "10:00:00", "1"),
    _tick(1, "BTC", "10:03:59.999999", "2"),
    _tick(2, "ETH", "10:04:00", "3", None),
    _tick(3, "BTC", "10:04:29.9", "4"),
    _tick(4, "BTC", "10:04:30", "0.000000012345678901"),
    _tick(5, "ETH", "10:04:59.999", "6"),
    _tick(6, "BTC", "10:05:00", "7"),
    _tick(7, "BTC", "10:09:59", "8", None, "EUR"),
    _tick(8, "BTC", "10:10:00", "9"),
    _tick(9, "BTC", "09:59:59", "10"),
    _tick(9, "BTC", "09:59:59", "10"),  # the same record, read twice
]
KOLKATA = timezone(timedelta(hours=5, minutes=30))


@exercise(
    "06b.3",
    "Which ticks are late?",
    seconds=60,
    hints=[
        "A tick is not late by its own time. Look at delivery 5 in the lesson: what was older than the watermark, and in time all the same?",
        "`F.window` works without a grouping as well: `ticks.withColumn(…)` with it, and then compare the end of the window with the "
        "watermark. Which comparison is right when both are equal? Delivery 4 of the lesson does not tell; the sentence that says when a window is over does.",
        '    window_end = F.window("event_time", width).getField("end")\n'
        '    return ticks.withColumn("window_end", window_end).where(F.col("window_end") … F.lit(watermark))',
    ],
)
def check_late_ticks(trial: Trial, late_ticks: Callable[..., Any]) -> None:
    trial.is_callable(late_ticks, "late_ticks")
    frame = _frame(trial, LATE_TICKS)
    cases = (("10:04:30", "1 minute", 1), ("10:05:00", "1 minute", 1), ("10:09:30", "5 minutes", 5))
    for clock, width, minutes in cases:
        mark = _at(clock)
        given = f'late_ticks(ticks, {clock}, "{width}")'
        _check_late(trial, given, lambda m=mark, w=width: late_ticks(frame, m, w), _late(mark, minutes))  # type: ignore[misc]
    mark = _at("10:04:30")
    given = (
        f'late_ticks(ticks, {mark.astimezone(KOLKATA):%H:%M:%S} in the time of Kolkata (10:04:30 in UTC), "1 minute")'
    )
    _check_late(trial, given, lambda: late_ticks(frame, mark.astimezone(KOLKATA), "1 minute"), _late(mark, 1))


def _late(watermark: datetime, minutes: int) -> list[Row]:
    width = timedelta(minutes=minutes)
    return [tick for tick in LATE_TICKS if TEN + ((tick["event_time"] - TEN) // width + 1) * width <= watermark]


def _check_late(trial: Trial, given: str, make: Callable[[], Any], wanted: Sequence[Row]) -> None:
    columns = tuple(LATE_TICKS[0])
    rows = _rows(trial, given, make, columns)
    trial.stage("which ticks")
    offsets = [row["kafka_offset"] for row in rows]
    right = [row["kafka_offset"] for row in wanted]
    for row in rows:
        assert row["kafka_offset"] in right, (
            f"{given} returned the tick of {_shown(row['event_time'])}, whose window is not over."
        )
    for row in wanted:
        assert row["kafka_offset"] in offsets, (
            f"{given} did not return the tick of {_shown(row['event_time'])}, whose window is over."
        )
    assert sorted(offsets) == sorted(right), (
        f"{given} returned {len(rows)} rows. A record that was read twice is there twice, and is dropped twice."
    )
    trial.stage("the ticks as they were")
    for row in rows:
        own = next(tick for tick in wanted if tick["kafka_offset"] == row["kafka_offset"])
        for column in columns:
            assert same_value(row[column], own[column]), (
                f"{given}: the `{column}` of the tick of {_shown(own['event_time'])} has become {_shown(row[column])}."
            )


# --- 06b.4 ------------------------------------------------------------------------------------------------------

TABLE = """
    CREATE TABLE candles (
        symbol text, currency text, window_start timestamptz,
        open numeric, high numeric, low numeric, close numeric, volume numeric, tick_count bigint,
        PRIMARY KEY (symbol, currency, window_start)
    )
"""
TABLE_COLUMNS = ("symbol", "currency", "window_start", "open", "high", "low", "close", "volume", "tick_count")


def _candle(symbol: str, clock: str, numbers: str, count: int, currency: str = "USD") -> Row:
    """A candle; `numbers` are open, high, low, close, volume."""
    prices = map(Decimal, numbers.split())
    return dict(zip(TABLE_COLUMNS, (symbol, currency, _at(clock), *prices, count), strict=True))


FIRST_CANDLES = [
    _candle("BTC", "10:00:00", "100.5 101 99 100 1.5", 3),
    _candle("BTC", "10:00:00", "92.5 93 91 92 0.5", 2, "EUR"),
    _candle("O'NEIL", "10:00:00", "5 5 5 5 0", 1),
    _candle(
        "PEPE",
        "10:00:00",
        "0.000000012345678901 0.000000012345678902 0.000000012345678899 0.0000000123456789 123456789.000000000000000001",
        4,
    ),
]
"""What the first batch brings."""
SECOND_CANDLES = [
    _candle("BTC", "10:00:00", "100.75 102.25 98.5 101.125 2.75", 5),
    _candle("BTC", "10:01:00", "101 101 101 101 1", 1),
]
"""A late tick has changed every number of the first one."""
THIRD_CANDLES = [_candle("ETH", "10:02:00", "2411.38 2411.4 2411 2411.38 7", 9)]

CANDLES_SAY = dict.fromkeys(
    (*EXACT, "tick_count"), "A row of a batch is the whole candle, with all its digits, as it stands now."
)


@exercise(
    "06b.4",
    "An upsert",
    needs=["postgres"],
    seconds=60,
    hints=[
        "Bring the rows to Python, and send them with `execute_values`. Who commits? `with connection:` does, at the end of its block.",
        "`INSERT … ON CONFLICT (the key) DO UPDATE SET open = excluded.open, …`: `excluded` is the row that came in. Times without a time "
        "zone are those of your computer; `toArrow().to_pylist()` gives them with one.",
        '    UPSERT = "INSERT INTO candles (…) VALUES %s ON CONFLICT (…) DO UPDATE SET …"\n'
        "    rows = [tuple(row[name] for name in columns) for row in batch.toArrow().to_pylist()]\n"
        "    with connection, connection.cursor() as cursor:\n"
        "        execute_values(cursor, UPSERT, rows)",
    ],
)
def check_upsert(trial: Trial, upsert_candles: Callable[..., Any]) -> None:
    trial.is_callable(upsert_candles, "upsert_candles")
    schema = trial.schema()
    schema.execute(TABLE)
    connection = schema.connection()

    def write(rows: Sequence[Row], batch_id: int, what: str) -> str:
        given = f"upsert_candles(batch, {batch_id}, connection) with {what}"
        trial.stage("writes the batch")
        batch = _frame(trial, rows, CANDLE_FIELDS).select(*reversed(TABLE_COLUMNS))
        trial.call(upsert_candles, batch, batch_id, connection, given=given)
        _is_committed(trial, connection, given)
        return f"The table after {given}"

    def look(after: str, wanted: Sequence[Row]) -> None:
        names = ", ".join(TABLE_COLUMNS)
        rows = [dict(zip(TABLE_COLUMNS, row, strict=True)) for row in schema.execute(f"SELECT {names} FROM candles")]
        _compare(trial, after, rows, wanted, CANDLE_KEY, CANDLES_SAY)

    look(write(FIRST_CANDLES, 0, "four new candles"), FIRST_CANDLES)
    both = [*SECOND_CANDLES, *FIRST_CANDLES[1:]]
    look(write(SECOND_CANDLES, 1, "a candle that has changed and a new one"), both)
    look(write(SECOND_CANDLES, 1, "the same batch again"), both)
    look(write([], 2, "no candles"), both)
    with _far_away():
        after = write(THIRD_CANDLES, 3, "a candle of 10:02, on a computer in Kolkata,")
    look(after, [*both, *THIRD_CANDLES])


def _is_committed(trial: Trial, connection: Any, given: str) -> None:
    trial.stage("committed")
    if connection.closed:
        raise AssertionError(f"After {given} the connection is closed, and the next batch needs it.")
    assert connection.info.transaction_status == TRANSACTION_STATUS_IDLE, (
        f"After {given} a transaction is still open: what it did is seen by nobody else, and undone when the program ends. "
        "Every way out of the function must end it."
    )


@contextlib.contextmanager
def _far_away() -> Iterator[None]:
    """This process as it would be on a computer in another time zone. Python on Windows cannot change its own."""
    if not hasattr(time, "tzset"):
        yield
        return
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Asia/Kolkata"
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


# --- 06b.5 ------------------------------------------------------------------------------------------------------

TOTALS = """
    CREATE TABLE totals (symbol text PRIMARY KEY, ticks bigint NOT NULL, volume numeric NOT NULL);
    CREATE TABLE batches (query_id uuid, batch_id bigint, PRIMARY KEY (query_id, batch_id))
"""
ADDED = [
    [
        _tick(0, "BTC", "10:00:01", "100", "0.5"),
        _tick(1, "ETH", "10:00:02", "10", None),
        _tick(2, "BTC", "10:00:03", "101", "123456789.000000000000000001"),
        _tick(3, "BTC", "10:00:03", "101", None),
    ],
    [
        _tick(4, "PEPE", "10:00:04", "1", "0.000000000000000001"),
        _tick(5, "BTC", "10:00:05", "100", "0.25"),
        _tick(6, "ETH", "10:00:06", "10", "3"),
    ],
    [_tick(7, "ADA", "10:00:07", "1", "4"), _tick(8, "BTC", "10:00:08", "100", "1"), _tick(9, "SOL", "10:00:09", "1")],
]
TOTALS_SAY = {
    "ticks": "Each batch counts once, and each tick of it.",
    "volume": "Each batch counts once, each size of it with all its digits; a tick without a size adds nothing.",
}


def _totals(*batches: int) -> list[Row]:
    found: dict[str, Row] = {}
    for number in batches:
        for tick in ADDED[number]:
            row = found.setdefault(tick["symbol"], {"symbol": tick["symbol"], "ticks": 0, "volume": Decimal(0)})
            row["ticks"] += 1
            row["volume"] += tick["size"] or 0
    return list(found.values())


@exercise(
    "06b.5",
    "Once, whatever happens",
    needs=["postgres"],
    seconds=60,
    hints=[
        "First note the batch in `batches`, then add its totals, both in one transaction. How do you learn that it has been noted before?",
        "`INSERT … ON CONFLICT DO NOTHING` inserts no row when the key is there; `cursor.rowcount` says how many it inserted. "
        "In `DO UPDATE SET` the row that is there goes by the name that you give it: `INSERT INTO totals AS stored`.",
        '    sums = batch.groupBy("symbol").agg(…, …)\n'
        "    rows = [tuple(row) for row in sums.collect()]\n"
        "    with connection, connection.cursor() as cursor:\n"
        "        …  # note the batch\n"
        "        if cursor.rowcount == 1:\n"
        "            …  # add the rows",
    ],
)
def check_add_once(trial: Trial, add_once: Callable[..., Any]) -> None:
    trial.is_callable(add_once, "add_once")
    schema = trial.schema()
    schema.execute(TOTALS)
    connection = schema.connection()
    query, other = str(uuid.uuid4()), str(uuid.uuid4())
    frames = [_frame(trial, ticks).cache() for ticks in ADDED]
    trial.finally_do(lambda: [frame.unpersist() for frame in frames])

    def given(batch_id: int, what: str) -> str:
        return f"add_once(batch, {batch_id}, query_id, connection) with {what}"

    def add(number: int, batch_id: int, query_id: str, what: str) -> str:
        trial.stage("writes the batch")
        trial.call(add_once, frames[number], batch_id, query_id, connection, given=given(batch_id, what))
        _is_committed(trial, connection, given(batch_id, what))
        return f"The table after {given(batch_id, what)}"

    def look(after: str, *batches: int) -> None:
        names = ("symbol", "ticks", "volume")
        rows = [
            dict(zip(names, row, strict=True)) for row in schema.execute("SELECT symbol, ticks, volume FROM totals")
        ]
        _compare(trial, after, rows, _totals(*batches), ("symbol",), TOTALS_SAY)

    look(add(0, 0, query, "the first batch"), 0)
    look(add(1, 1, query, "the second batch"), 0, 1)
    look(add(1, 1, query, "the second batch again"), 0, 1)
    look(add(0, 0, other, "the first batch of another query"), 0, 0, 1)
    look(add(1, 1, other, "the second batch of another query"), 0, 0, 1, 1)
    done = [0, 0, 1, 1]
    refusals = (
        ("totals", "symbol <> 'BTC'", "a batch in which the database refuses one symbol"),
        ("batches", "batch_id < 3", "a batch whose note the database refuses"),
    )
    for batch_id, (table, rule, what) in enumerate(refusals, 2):
        schema.execute(f"ALTER TABLE {table} ADD CONSTRAINT refusal CHECK ({rule}) NOT VALID")
        connection = schema.connection()
        _is_refused(trial, lambda b=batch_id, c=connection: add_once(frames[2], b, query, c), given(batch_id, what))  # type: ignore[misc]
        connection.close()
        look(f"The table after {given(batch_id, what)}", *done)
        schema.execute(f"ALTER TABLE {table} DROP CONSTRAINT refusal")
        connection = schema.connection()
        done.append(2)
        look(add(2, batch_id, query, "the batch that had been refused before"), *done)


def _is_refused(trial: Trial, write: Callable[[], object], given: str) -> None:
    """The database refuses it; the answer must say so, by the error."""
    trial.stage("errors come out")
    try:
        trial.call(write, given=given)
    except AnswerError as error:
        raised = error.cause
        if any(isinstance(each, psycopg2.Error) for each in (raised, raised.__cause__, raised.__context__)):
            return  # as it is, or wrapped in one of the answer's own
        raise
    raise AssertionError(f"The database refused it, and {given} returned as if nothing had happened.")
