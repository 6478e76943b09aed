"""What the exercises of unit 09 check."""

import itertools
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from lab_utils.teaching.compare import place_in, rows_by_key, rows_of, same_value
from lab_utils.teaching.schemas import Candle, Tick
from lab_utils.teaching.trial import Trial, short
from lab_utils.teaching.units import exercise

TITLE = "Querying PostgreSQL"
MINUTES = 45

ELSEWHERE = "Asia/Kolkata"
"""Half an hour beside the full hours of UTC, and another day in the evening."""

MIDNIGHT = datetime(2026, 3, 10, tzinfo=UTC)
Row = dict[str, Any]


def _at(seconds: float) -> datetime:
    """A moment, in seconds from midnight."""
    return MIDNIGHT + timedelta(seconds=seconds)


def _tick(
    symbol: str, seconds: float, price: str, size: str | None = "1", *, currency: str = "USD", kind: str = "crypto"
) -> Tick:
    return (kind, symbol, currency, Decimal(price), None if size is None else Decimal(size), _at(seconds))


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S.%f}".rstrip("0").rstrip(".") + " UTC"
    return "NULL" if value is None else f"{value:.9g}" if isinstance(value, float | Decimal) else short(value)


def _name(place: Sequence[object], key: Sequence[str]) -> str:
    return ", ".join(f"{column} {_shown(value)}" for column, value in zip(key, place, strict=True))


def _same(seen: object, right: object, *, within: float = 0) -> bool:
    """Whether a value is right; an exact number need not have come as one, for `read_sql` makes a float of it."""
    return same_value(seen, float(right) if isinstance(right, Decimal) else right, within=within)


def _compare(
    trial: Trial,
    rows: Sequence[Row],
    wanted: Sequence[Row],
    key: Sequence[str],
    given: str,
    says: Mapping[str, str],
    within: float = 0,
) -> None:
    """Look which rows there are, told by `key`, then column by column; `says` holds what a column breaks."""
    trial.stage("which rows")
    theirs = {place_in(row, key): row for row in wanted}
    mine = rows_by_key(rows, theirs, lambda row: place_in(row, key), given, lambda place: _name(place, key))
    for column in (column for column in wanted[0] if column not in key) if wanted else ():
        trial.stage(column)
        for place, row in mine.items():
            seen, right = row[column], theirs[place][column]
            assert _same(seen, right, within=within), (
                f"{given}: for {_name(place, key)} the `{column}` is {_shown(seen)}. {says.get(column, '')}".rstrip()
            )


def _rows(
    trial: Trial, function: Callable[..., Any], engine: Any, *arguments: Any, columns: Sequence[str], given: str
) -> list[Row]:
    trial.stage("returns rows")
    return rows_of(trial.call(function, engine, *arguments, given=given), columns, given)


def _elsewhere(given: str) -> str:
    return f"{given} in a session whose time zone is {ELSEWHERE}"


BETWEEN_COLUMNS = ("event_time", "price", "size")
BETWEEN_TICKS = [
    _tick("BTC", -3600.5, "73000.5"),
    _tick("BTC", 3, "73840.1", "0.5"),
    _tick("BTC", 0, "73843.24", None),
    _tick("ETH", 1, "2411.38"),
    _tick("BTC", 1.25, "73841", "0"),
    _tick("BTCX", 2, "1.5"),
    _tick("BTC", 86_399.999, "73900.01"),
    _tick("BTC", 86_400, "73910.75"),
    _tick("BTC", 40_000, "73877.7", "0.25"),
    _tick("BTC", 40_000, "73877.8", "0.125"),
    _tick("AAPL", 50, "268.41", "10", kind="stock"),
    _tick("BTC", 86_400.5, "73911"),
]


@exercise(
    "09.1",
    "The ticks of a time",
    needs=["postgres"],
    seconds=20,
    hints=[
        "A query in `text(…)` has places for values, written `:symbol`. The values themselves go beside it: `params={…}`.",
        "Is a tick at exactly `begin` in? Is one at exactly `end`? `BETWEEN` says yes to both.",
        '    query = text("SELECT … FROM ticks WHERE symbol = :symbol AND event_time >= … ORDER BY …")\n'
        '    return pd.read_sql(query, engine, params={"symbol": symbol, …})',
    ],
)
def check_ticks_between(trial: Trial, ticks_between: Callable[..., Any]) -> None:
    trial.is_callable(ticks_between, "ticks_between")
    schema = trial.schema()
    schema.add_ticks(BETWEEN_TICKS)
    day = (MIDNIGHT, MIDNIGHT + timedelta(days=1))
    here, there = schema.engine(), schema.engine(ELSEWHERE)
    _check_between(trial, ticks_between, here, "BTC", *day, 'ticks_between(engine, "BTC", …a day…)')
    _check_between(trial, ticks_between, here, "AAPL", *day, 'ticks_between(engine, "AAPL", …a day…)')
    span = (_at(1.25), _at(40_000))
    _check_between(trial, ticks_between, here, "BTC", *span, 'ticks_between(engine, "BTC", …a few hours…)')
    _check_between(trial, ticks_between, there, "BTC", *span, _elsewhere('ticks_between(engine, "BTC", …a few hours…)'))
    for typed in ("BTC' OR symbol <> '", "100%", "O'Neill", ":symbol"):
        _check_between(trial, ticks_between, here, typed, *day, f"ticks_between(engine, {typed!r}, …a day…)")


def _check_between(
    trial: Trial, answer: Callable[..., Any], engine: Any, symbol: str, begin: datetime, end: datetime, given: str
) -> None:
    rows = _rows(trial, answer, engine, symbol, begin, end, columns=BETWEEN_COLUMNS, given=given)
    ticks = [tick for tick in BETWEEN_TICKS if tick[1] == symbol and begin <= tick[5] < end]
    wanted = [{"event_time": moment, "price": price, "size": size} for *_, price, size, moment in ticks]
    trial.stage("which rows")
    for row in rows:
        assert row["event_time"] in [tick["event_time"] for tick in wanted], (
            f"{given}: there is a tick of {_shown(row['event_time'])} with the price {_shown(row['price'])}, "
            f"asked for was {_shown(begin)} up to {_shown(end)}."
        )
    assert len(rows) == len(wanted), f"{given} has {len(rows)} rows; asked for was {_shown(begin)} up to {_shown(end)}."
    trial.stage("values")
    for row in rows:
        assert any(
            row["event_time"] == one["event_time"]
            and _same(row["price"], one["price"])
            and _same(row["size"], one["size"])
            for one in wanted
        ), (
            f"{given}: at {_shown(row['event_time'])} there is no tick with price {_shown(row['price'])} and size {_shown(row['size'])}."
        )
    trial.stage("order")
    times = [row["event_time"] for row in rows]
    assert times == sorted(times), f"{given}: {_shown(times[0])} comes first, and earlier ones behind it."


LATEST_COLUMNS = ("asset_class", "symbol", "currency", "price", "event_time")
LATEST_TICKS = [
    _tick("BTC", 10, "73840"),
    _tick("BTC", 12, "73850.25"),
    _tick("BTC", 12, "73849.5"),  # the same time, and it arrived later
    _tick("ETH", 30, "2411.38"),
    _tick("BTC", 11, "73999"),  # late: it arrived last and is not the newest
    _tick("XRP", 5, "1.36"),
    _tick("XRP", 6, "0.00056", currency="ETH"),
    _tick("XRP", 4, "9.99"),
    _tick("META", 7, "0.05"),
    _tick("META", 8, "640.1", kind="stock"),
    _tick("META", 8, "640.3", kind="stock"),
    _tick("META", 8, "640.2", kind="stock"),
    _tick("ADA", -1, "0.41"),
    _tick("ADA", 0, "0.000000012345"),
    _tick("ETH", 30, "2411.3"),
    _tick("ETH", 30, "2411.37"),
    _tick("OLD", -400_000, "3"),
]


@exercise(
    "09.2",
    "The latest prices",
    needs=["postgres"],
    seconds=20,
    hints=[
        "The lesson has two ways: `DISTINCT ON`, and a `LATERAL` subquery for each symbol. `max(event_time)` alone gives a time, "
        "not the price that belongs to it.",
        "`DISTINCT ON (a, b) … ORDER BY a, b, …` keeps the first row of each a and b. What must stand behind them in `ORDER BY` so that "
        "the newest is first, and of two equally new ones the one that arrived later?",
        "    SELECT DISTINCT ON (asset_class, …) asset_class, symbol, currency, price, event_time\n"
        "    FROM ticks\n"
        "    ORDER BY asset_class, …, event_time …, kafka_offset …",
    ],
)
def check_latest_prices(trial: Trial, latest_prices: Callable[..., Any]) -> None:
    trial.is_callable(latest_prices, "latest_prices")
    schema = trial.schema()
    schema.add_ticks(LATEST_TICKS)
    newest: dict[tuple[str, str, str], Tick] = {}
    for tick in LATEST_TICKS:
        if tick[:3] not in newest or tick[5] >= newest[tick[:3]][5]:
            newest[tick[:3]] = tick
    wanted = [dict(zip(LATEST_COLUMNS, (*tick[:4], tick[5]), strict=True)) for tick in newest.values()]
    says = {"price": "Is it that of the newest tick by event time, and of two such ticks of the later arrival?"}
    given = "latest_prices(engine)"
    key = ("asset_class", "symbol", "currency")
    for engine, words in ((schema.engine(), given), (schema.engine(ELSEWHERE), _elsewhere(given))):
        rows = _rows(trial, latest_prices, engine, columns=LATEST_COLUMNS, given=words)
        _compare(trial, rows, wanted, key, words, says)
    schema.clear()
    words = f"{given} on tables without rows"
    rows = _rows(trial, latest_prices, schema.engine(), columns=LATEST_COLUMNS, given=words)
    _compare(trial, rows, [], key, words, says)


CANDLE_COLUMNS = ("start", "open", "high", "low", "close", "volume", "ticks")
CANDLE_TICKS = [
    _tick("BTC", -5400, "73700", "0.5"),
    _tick("BTC", -0.001, "73800", "0.125"),
    _tick("BTC", 0, "73843.24", "0.5"),
    _tick("BTC", 0, "73844.5", "1.5"),
    _tick("BTC", 59, "73850", None),
    _tick("ETH", 20, "2411.38"),
    _tick("BTC", 299.9, "73830.5", "0.25"),
    _tick("BTC", 299.9, "73840.5", "0.25"),
    _tick("BTC", 120, "73901", "2"),  # late
    _tick("BTC", 130, "73699.5", "2"),
    _tick("BTC", 300, "73820", None),
    _tick("BTC", 330, "73815", None),
    _tick("BTC", 1800, "73777", "1"),
    _tick("BTC", 19_800, "73700.5", "1"),
    _tick("BTC", 50_000, "73600", "0"),
    _tick("BTC", 100, "68000.1", "9", currency="EUR"),
    _tick("BTC", 100, "12", "9", kind="stock"),
    _tick("BTC", 86_400 + 1, "74000", "0.75"),
    _tick("TINY", 7, "0.000000012345", "0.000000000000000001"),
]


@exercise(
    "09.3",
    "Candles of any width",
    needs=["postgres"],
    seconds=20,
    hints=[
        "`date_bin(width, event_time, origin)` gives the start of the bin, and `GROUP BY start` makes a row of each. A `timedelta` can be "
        "bound like any other value.",
        "The origin needs its time zone: `'2000-01-01 00:00Z'`. Without the `Z` it is midnight in the time zone of the session.",
        "The first price of a bin: `(array_agg(price ORDER BY event_time, kafka_offset))[1]`. And the last? A `sum` of nothing but `NULL` is "
        "`NULL`; `coalesce(…, 0)` makes 0 of it.",
    ],
)
def check_candles(trial: Trial, candles: Callable[..., Any]) -> None:
    trial.is_callable(candles, "candles")
    schema = trial.schema()
    schema.add_ticks(CANDLE_TICKS)
    here, there = schema.engine(), schema.engine(ELSEWHERE)
    for engine, symbol, currency, width, words in (
        (here, "BTC", "USD", timedelta(minutes=5), "5 minutes"),
        (here, "BTC", "USD", timedelta(days=1), "a day"),
        (there, "BTC", "USD", timedelta(hours=1), "an hour"),
        (there, "BTC", "USD", timedelta(days=1), "a day"),
        (here, "BTC", "USD", timedelta(minutes=7), "7 minutes"),
        (here, "TINY", "USD", timedelta(seconds=10), "10 seconds"),
        (here, "BTC", "EUR", timedelta(minutes=1), "a minute"),
        (here, "NONE", "USD", timedelta(minutes=1), "a minute"),
    ):
        given = f'candles(engine, "{symbol}", "{currency}", …{words}…)'
        given = given if engine is here else _elsewhere(given)
        rows = _rows(trial, candles, engine, symbol, currency, width, columns=CANDLE_COLUMNS, given=given)
        _compare(trial, rows, _candles(symbol, currency, width), ("start",), given, _CANDLE_SAYS)


_CANDLE_SAYS = {
    "open": "Is it the price of the earliest event time in the bin, and of two such the earlier arrival?",
    "close": "Is it the price of the latest event time in the bin, and of two such the later arrival?",
    "volume": "Ticks without a size add nothing.",
}


def _candles(symbol: str, currency: str, width: timedelta) -> list[Row]:
    origin = datetime(2000, 1, 1, tzinfo=UTC)
    bins: dict[datetime, list[Tick]] = defaultdict(list)
    for tick in sorted(CANDLE_TICKS, key=lambda tick: tick[5]):  # stable: equal times stay in the order of arrival
        if tick[:3] == ("crypto", symbol, currency):
            bins[origin + (tick[5] - origin) // width * width].append(tick)
    return [
        {
            "start": start,
            "open": inside[0][3],
            "high": max(tick[3] for tick in inside),
            "low": min(tick[3] for tick in inside),
            "close": inside[-1][3],
            "volume": sum((tick[4] for tick in inside if tick[4] is not None), Decimal(0)),
            "ticks": len(inside),
        }
        for start, inside in bins.items()
    ]


def _minutes(symbol: str, closes: Sequence[str | None], *, currency: str = "USD", kind: str = "crypto") -> list[Candle]:
    """A candle a minute from midnight less three minutes on; none where the close is None."""
    return [
        (kind, symbol, currency, _at(60 * (number - 3)), Decimal(close))
        for number, close in enumerate(closes)
        if close is not None
    ]


AVERAGE_COLUMNS = ("asset_class", "symbol", "currency", "window_start", "close", "average")
AVERAGE_CANDLES = [
    *reversed(_minutes("BTC", ["100", "110", "90", "130", None, None, "70", "71.5", "71.5", "80"])),
    *_minutes("ETH", ["10", "20", "40", "80", "160"]),
    *_minutes("XRP", ["1", "2", "4", "8"]),
    *_minutes("XRP", ["0.0001", "0.0003", "0.0009", "0.0027"], currency="ETH"),
    *_minutes("META", ["0.5", "0.25", "0.125"]),
    *_minutes("META", ["640", "642", "650"], kind="stock"),
    *_minutes("ONE", ["5"]),
]


@exercise(
    "09.4",
    "A moving average",
    needs=["postgres"],
    seconds=20,
    hints=[
        "A window function: `avg(close) OVER (PARTITION BY … ORDER BY … ROWS … PRECEDING)`. What must the partition hold so that "
        "no two prices of different kinds are averaged?",
        "`ROWS BETWEEN :before PRECEDING AND CURRENT ROW` is `before` + 1 rows: the current one counts.",
        "How many rows were averaged? `count(*)` over the same window says so. `CASE WHEN … THEN … END` is `NULL` where the condition "
        "does not hold.",
    ],
)
def check_moving_average(trial: Trial, moving_average: Callable[..., Any]) -> None:
    trial.is_callable(moving_average, "moving_average")
    schema = trial.schema()
    schema.add_candles(AVERAGE_CANDLES)
    says = {
        "average": "It is to be of the last closes of this asset class, symbol and currency, and of exactly so many."
    }
    key = AVERAGE_COLUMNS[:4]
    for count, engine in ((3, schema.engine()), (2, schema.engine(ELSEWHERE)), (1, schema.engine())):
        given = f"moving_average(engine, {count})"
        rows = _rows(trial, moving_average, engine, count, columns=AVERAGE_COLUMNS, given=given)
        _compare(trial, rows, _averages(count), key, given, says)
    schema.clear()
    given = "moving_average(engine, 3) on tables without rows"
    rows = _rows(trial, moving_average, schema.engine(), 3, columns=AVERAGE_COLUMNS, given=given)
    _compare(trial, rows, [], key, given, says)


def _averages(count: int) -> list[Row]:
    found: list[Row] = []
    closes: dict[tuple[str, str, str], list[Decimal]] = defaultdict(list)
    for kind, symbol, currency, start, close in sorted(AVERAGE_CANDLES, key=lambda candle: candle[3]):
        seen = closes[kind, symbol, currency]
        seen.append(close)
        average = None if len(seen) < count else sum(seen[-count:], Decimal(0)) / count
        values = (kind, symbol, currency, start, close, average)
        found.append(dict(zip(AVERAGE_COLUMNS, values, strict=True)))
    return found


TRADED_COLUMNS = ("symbol", "turnover", "vwap", "rank")
TRADED_TICKS = [
    _tick("BTC", 0, "70000", "0.5"),
    _tick("BTC", 30, "70010", "0.125"),
    _tick("BTC", 40, "99999", None),  # a price update, no trade
    _tick("BTC", 3600, "70000", "100"),  # at the end: not in
    _tick("BTC", -0.001, "70000", "100"),
    _tick("BTC", 50, "64000", "100", currency="EUR"),
    _tick("BTC", 50, "64000", "100", kind="stock"),
    _tick("SOL", 10, "150", "4"),
    _tick("SOL", 11, "140", "10"),
    _tick("ETH", 12, "2000", "1"),
    _tick("ADA", 13, "0.5", "4000"),
    _tick("XRP", 14, "1.25", "400"),
    _tick("DOT", 15, "4.5", None),
    _tick("LTC", 16, "80", "0"),
    _tick("LTC", 17, "81", None),
    _tick("GONE", 7200, "3", "3"),
]


@exercise(
    "09.5",
    "The most traded coins",
    needs=["postgres"],
    seconds=20,
    hints=[
        "`GROUP BY symbol`, and three expressions of `sum(price * size)` and `sum(size)`. What are they when nothing was traded?",
        "`coalesce(x, 0)` makes 0 of `NULL`; `nullif(x, 0)` makes `NULL` of 0, and dividing by `NULL` is allowed.",
        "`rank() OVER (ORDER BY … DESC)` may stand beside the sums: window functions come after `GROUP BY`, and may order by a sum.",
    ],
)
def check_most_traded(trial: Trial, most_traded: Callable[..., Any]) -> None:
    trial.is_callable(most_traded, "most_traded")
    schema = trial.schema()
    schema.add_ticks(TRADED_TICKS)
    says = {
        "turnover": "Only what was traded in this time, and in this currency, counts.",
        "vwap": "A large trade weighs more than a small one, and a tick without a size was no trade.",
        "rank": "Equal turnovers share a rank, and the next one is left out.",
    }
    hour = (MIDNIGHT, _at(3600))
    for engine, currency, begin, end in (
        (schema.engine(), "USD", *hour),
        (schema.engine(ELSEWHERE), "USD", *hour),
        (schema.engine(), "EUR", *hour),
        (schema.engine(), "USD", _at(-86_400), _at(-43_200)),
    ):
        given = f'most_traded(engine, "{currency}", {_shown(begin)}, {_shown(end)})'
        rows = _rows(trial, most_traded, engine, currency, begin, end, columns=TRADED_COLUMNS, given=given)
        _compare(trial, rows, _traded(currency, begin, end), ("symbol",), given, says)


def _traded(currency: str, begin: datetime, end: datetime) -> list[Row]:
    inside: dict[str, list[tuple[Decimal, Decimal]]] = defaultdict(list)
    for kind, symbol, of_currency, price, size, moment in TRADED_TICKS:
        if kind == "crypto" and of_currency == currency and begin <= moment < end:
            inside[symbol].append((price, size or Decimal(0)))
    turnovers = {symbol: sum((price * size for price, size in rows), Decimal(0)) for symbol, rows in inside.items()}
    sizes = {symbol: sum((size for _, size in rows), Decimal(0)) for symbol, rows in inside.items()}
    return [
        {
            "symbol": symbol,
            "turnover": turnover,
            "vwap": turnover / sizes[symbol] if sizes[symbol] else None,
            "rank": 1 + sum(other > turnover for other in turnovers.values()),
        }
        for symbol, turnover in turnovers.items()
    ]


GAP_COLUMNS = ("asset_class", "symbol", "currency", "last_tick", "next_tick", "seconds")
GAP_TICKS = [
    _tick("BTC", -45.5, "1"),
    _tick("BTC", 30.25, "1"),  # over midnight
    _tick("BTC", 30.25, "2"),
    _tick("BTC", 90.25, "3"),  # exactly a minute: not longer
    _tick("BTC", 150.251, "3"),  # a millisecond longer
    _tick("BTC", 400, "3"),
    _tick("BTC", 200, "3"),  # late: the time before it is no gap of 250 s
    _tick("ETH", 0, "3"),
    _tick("ETH", 100_000, "3"),
    _tick("XRP", 0, "3"),
    _tick("XRP", 50, "3", currency="ETH"),
    _tick("XRP", 70, "3"),
    _tick("XRP", 110, "3", currency="ETH"),
    _tick("META", 0, "3"),
    _tick("META", 55, "3", kind="stock"),
    _tick("META", 100, "3"),
    _tick("META", 130, "3", kind="stock"),
    _tick("ONE", 5, "3"),
]


@exercise(
    "09.6",
    "Gaps",
    needs=["postgres"],
    seconds=20,
    hints=[
        "`lag(event_time) OVER (PARTITION BY … ORDER BY …)` brings the time of the tick before to each tick.",
        "A window function may not stand in `WHERE`: it is computed behind it. Compute it in a `WITH` query, and ask that one.",
        "    WITH pairs AS (SELECT …, lag(event_time) OVER (…) AS last_tick, event_time AS next_tick FROM ticks)\n"
        "    SELECT *, extract(epoch FROM next_tick - last_tick) AS seconds FROM pairs WHERE …",
    ],
    equivalent_mutants={"SQL: DESC → removed": "the gaps may come in any order"},
)
def check_gaps(trial: Trial, gaps: Callable[..., Any]) -> None:
    trial.is_callable(gaps, "gaps")
    schema = trial.schema()
    schema.add_ticks(GAP_TICKS)
    for seconds, engine in ((60.0, schema.engine()), (60.0, schema.engine(ELSEWHERE)), (0.0, schema.engine())):
        given = f"gaps(engine, timedelta(seconds={seconds:g}))"
        given = given if seconds == 0 else f"{given} on ticks around midnight"
        rows = _rows(trial, gaps, engine, timedelta(seconds=seconds), columns=GAP_COLUMNS, given=given)
        _compare(trial, rows, _gaps(seconds), GAP_COLUMNS[:5], given, {}, within=1e-4)  # a float of 1970 is that exact
    schema.clear()
    given = "gaps(engine, timedelta(seconds=60)) on tables without rows"
    rows = _rows(trial, gaps, schema.engine(), timedelta(seconds=60), columns=GAP_COLUMNS, given=given)
    _compare(trial, rows, [], GAP_COLUMNS[:5], given, {})


def _gaps(longest: float) -> list[Row]:
    times: dict[tuple[str, str, str], list[datetime]] = defaultdict(list)
    for kind, symbol, currency, _, _, moment in GAP_TICKS:
        times[kind, symbol, currency].append(moment)
    return [
        dict(zip(GAP_COLUMNS, (*name, last, following, (following - last).total_seconds()), strict=True))
        for name, moments in times.items()
        for last, following in itertools.pairwise(sorted(moments))
        if (following - last).total_seconds() > longest
    ]


FOLLOW_COLUMNS = ("minutes", "correlation")
FOLLOW_CANDLES = [
    # Prices that rise together while their changes go against each other, with a minute missing in each.
    *_minutes("BTC", ["100", "104", "106", "112", None, "130", "132", "139", "141", "150", "151"]),
    *_minutes("META", ["50", "50.5", "52", "52.5", "55", "55.25", "57", None, "60", "60.125", "63"], kind="stock"),
    *_minutes("AAPL", ["10", "20", "10", "20", "10", "21", "10"], kind="stock"),
    *_minutes("FLAT", ["7"] * 9, kind="stock"),
    *_minutes("NEW", [None] * 9 + ["1", "2"], kind="stock"),
    *_minutes("META", ["0.5", "0.25", "0.75", "0.5", "0.25", "0.5", "0.75", "0.25", "0.5", "0.75", "0.25"]),
    *_minutes("BTC", ["3", "2", "5", "2", "6", "2", "7", "2", "8", "2", "9"], kind="stock"),
    *_minutes("BTC", ["90", "80", "99", "80", "99", "80", "99", "80", "99", "80", "70"], currency="EUR"),
    *_minutes("META", ["45", "40", "45", "40", "45", "40", "45", "40", "45", "40", "45"], currency="EUR", kind="stock"),
]


@exercise(
    "09.7",
    "Does the share follow the coin?",
    needs=["postgres"],
    seconds=20,
    hints=[
        "In steps: the changes of all symbols, without those across a gap; then those of the coin beside those of the share, minute by "
        "minute; then `count(*)` and `corr(…, …)`. Each step can be a query in `WITH`.",
        "`lag(close) OVER (PARTITION BY … ORDER BY window_start)` is the close before, and `lag(window_start)` tells how long before. "
        "A coin and a share may have the same name.",
        "    WITH steps AS (SELECT …, window_start - lag(window_start) OVER earlier AS step, … AS change\n"
        "                   FROM candles_1m WHERE currency = 'USD' WINDOW earlier AS (…)),\n"
        "         changes AS (SELECT … FROM steps WHERE step = interval '1 minute')\n"
        "    SELECT count(*) AS minutes, corr(…) AS correlation\n"
        "    FROM changes AS coins JOIN changes AS shares ON … WHERE …",
    ],
    equivalent_mutants={
        "SQL: - → + (2)": "a correlation stays the same when the same is added to all changes",
        "SQL: 1 → 2": "a correlation stays the same when the same is taken from all changes",
        "SQL: JOIN → LEFT JOIN": "the condition on the share removes the rows without one",
    },
)
def check_correlation(trial: Trial, correlation: Callable[..., Any]) -> None:
    trial.is_callable(correlation, "correlation")
    schema = trial.schema()
    schema.add_candles(FOLLOW_CANDLES)
    here, there = schema.engine(), schema.engine(ELSEWHERE)
    for engine, coin, share in (
        (here, "BTC", "META"),
        (there, "BTC", "AAPL"),
        (here, "META", "BTC"),
        (here, "BTC", "FLAT"),
        (here, "BTC", "NEW"),
        (here, "BTC", "NONE"),
    ):
        given = f'correlation(engine, "{coin}", "{share}")'
        rows = _rows(trial, correlation, engine, coin, share, columns=FOLLOW_COLUMNS, given=given)
        trial.stage("one row")
        assert len(rows) == 1, f"{given} has {len(rows)} rows."
        pairs = _pairs(coin, share)
        trial.stage("minutes")
        assert same_value(rows[0]["minutes"], len(pairs)), (
            f"{given}: `minutes` is {_shown(rows[0]['minutes'])}. Counted are minutes in which both have a candle in US dollars, "
            "and one in the minute before."
        )
        trial.stage("correlation")
        seen, wanted = rows[0]["correlation"], _correlation(pairs)
        assert same_value(seen, wanted, within=1e-6) if wanted is not None else _is_nothing(seen), (
            f"{given}: `correlation` is {_shown(seen)}, of {len(pairs)} minutes."
        )


def _is_nothing(seen: object) -> bool:
    """Without a spread there is no correlation."""
    return seen is None or (isinstance(seen, float) and math.isnan(seen))


def _pairs(coin: str, share: str) -> list[tuple[float, float]]:
    closes = {(kind, symbol, start): close for kind, symbol, money, start, close in FOLLOW_CANDLES if money == "USD"}

    def change(kind: str, symbol: str, start: datetime) -> float | None:
        now, before = closes.get((kind, symbol, start)), closes.get((kind, symbol, start - timedelta(minutes=1)))
        return None if now is None or before is None else float(now / before - 1)

    both = [(change("crypto", coin, start), change("stock", share, start)) for start in {key[2] for key in closes}]
    return [(one, other) for one, other in both if one is not None and other is not None]


def _correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    try:
        return statistics.correlation([one for one, _ in pairs], [other for _, other in pairs])
    except statistics.StatisticsError:
        return None
