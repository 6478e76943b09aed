"""What the exercises of unit 12b check."""

import functools
import itertools
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from lab_utils.teaching.compare import same_number
from lab_utils.teaching.trial import Trial, short
from lab_utils.teaching.units import exercise

TITLE = "Scaling out Spark"
MINUTES = 45

Row = dict[str, Any]


# --- 12b.1 ------------------------------------------------------------------------------------------------------


def _worker(number: int, cores: int, used: int, state: str = "ALIVE") -> Row:
    """A worker as the page of the master tells it (`JsonProtocol.writeWorkerInfo`)."""
    return {
        "id": f"worker-2026112616025{number}-10.0.0.{number}-{34139 + number}",
        "host": f"10.0.0.{number}",
        "port": 34139 + number,
        "webuiaddress": f"http://10.0.0.{number}:8081",
        "cores": cores,
        "coresused": used,
        "coresfree": cores - used,
        "memory": 1024,
        "memoryused": 640 * used,
        "memoryfree": 1024 - 640 * used,
        "resources": {},
        "resourcesused": {},
        "resourcesfree": {},
        "state": state,
        "lastheartbeat": 1795707825131,
    }


def _program(number: int, name: str, cores: int, state: str) -> Row:
    return {
        "id": f"app-20261126154346-000{number}",
        "starttime": 1795707826892,
        "name": name,
        "cores": cores,
        "user": "lab",
        "memoryperexecutor": 640,
        "memoryperslave": 640,
        "resourcesperexecutor": [],
        "resourcesperslave": [],
        "submitdate": "Thu Nov 26 15:43:46 UTC 2026",
        "state": state,
        "duration": 35145,
    }


def _answer(workers: Sequence[Row], programs: Sequence[Row], ended: Sequence[Row] = ()) -> Row:
    alive = [worker for worker in workers if worker["state"] == "ALIVE"]
    return {
        "url": "spark://10.0.0.9:7077",
        "workers": list(workers),
        "aliveworkers": len(alive),
        "cores": sum(worker["cores"] for worker in alive),
        "coresused": sum(worker["coresused"] for worker in alive),
        "memory": 1024 * len(alive),
        "memoryused": sum(worker["memoryused"] for worker in alive),
        "activeapps": list(programs),
        "completedapps": list(ended),
        "activedrivers": [],
        "completeddrivers": [],
        "status": "ALIVE",
    }


CLUSTERS = {
    "of two workers that do nothing": _answer([_worker(1, 1, 0), _worker(2, 1, 0)], []),
    "of which a worker is dead": _answer(
        [_worker(4, 1, 1), _worker(3, 8, 2, "DEAD"), _worker(1, 4, 3)],
        [_program(1, "stream", 4, "RUNNING"), _program(2, "notebook", 0, "WAITING")],
        [_program(0, "report", 0, "FINISHED"), _program(3, "old", 0, "KILLED")],
    ),
    "in which others than the dead are away": _answer(
        [_worker(5, 2, 2), _worker(2, 4, 0, "UNKNOWN"), _worker(7, 2, 0, "DECOMMISSIONED"), _worker(3, 16, 5)],
        [_program(4, "b", 0, "WAITING"), _program(5, "c", 7, "RUNNING"), _program(6, "a", 0, "WAITING")],
    ),
    "without workers": _answer([], [_program(1, "stream", 0, "WAITING")]),
}


@exercise(
    "12b.1",
    "What has the cluster?",
    hints=[
        'Two lists of the answer matter: `answer["workers"]`, which is asked two things, and `answer["activeapps"]`.',
        "A worker that died stays in the list with its last numbers. What tells it from the others is its `state`. A program "
        "that waits has no `cores`.",
        '    free = sum(worker["coresfree"] for worker in answer["workers"] if …)\n'
        '    lost = [worker["id"] for worker in answer["workers"] if …]\n'
        '    waiting = [program["name"] for program in answer["activeapps"] if …]\n'
        "    return free, lost, waiting",
    ],
)
def check_look_at(trial: Trial, look_at: Callable[..., Any]) -> None:
    trial.is_callable(look_at, "look_at")
    for words, answer in CLUSTERS.items():
        given = f"look_at of a cluster {words}"
        alive = [worker for worker in answer["workers"] if worker["state"] == "ALIVE"]
        trial.stage("three things")
        result = trial.call(look_at, json.loads(json.dumps(answer)), given=given)
        assert isinstance(result, tuple | list) and len(result) == 3, (
            f"{given} gave {short(result)}, not three things.{' Is there a `return`?' if result is None else ''}"
        )
        free, lost, waiting = result
        trial.stage("free slots")
        assert same_number(free, sum(worker["coresfree"] for worker in alive)), (
            f"{given} gave {short(free)} free slots. Its workers: {_cores_of(answer)}."
        )
        trial.stage("lost workers")
        right = [worker["id"] for worker in answer["workers"] if worker["state"] != "ALIVE"]
        assert _is_list(lost, right), f"{given} gave {short(lost)} as lost. Its workers: {_states_of(answer)}."
        trial.stage("waiting programs")
        right = [program["name"] for program in answer["activeapps"] if program["state"] == "WAITING"]
        programs = ", ".join(f"{program['name']} {program['state']}" for program in answer["activeapps"])
        assert _is_list(waiting, right), (
            f"{given} gave {short(waiting)} as waiting. Its programs: {programs or 'none'}."
        )


def _is_list(found: object, right: Sequence[str]) -> bool:
    return isinstance(found, list | tuple) and list(found) == list(right)


def _cores_of(answer: Row) -> str:
    told = [f"{worker['state']} {worker['coresused']} of {worker['cores']} used" for worker in answer["workers"]]
    return "; ".join(told) or "none"


def _states_of(answer: Row) -> str:
    return ", ".join(f"{worker['host']} {worker['state']}" for worker in answer["workers"]) or "none"


# --- 12b.2 ------------------------------------------------------------------------------------------------------

STAGES: list[tuple[list[int], int]] = [
    ([400], 1),
    ([100, 200, 300], 1),
    ([300, 300, 300, 300], 2),
    ([100, 100, 100, 100, 800], 2),
    ([800, 100, 100, 100, 100], 2),
    ([50, 40, 30, 20, 10, 70], 3),
    ([500, 100, 100, 100, 450, 20], 3),
    ([70, 30, 30, 60, 10, 10, 90, 5], 2),
    ([250, 90], 8),
    ([], 4),
]


def _stage_time(durations: Sequence[int], slots: int) -> int:
    """The right time, found without a heap."""
    free_at = [0] * slots
    for duration in durations:
        first = free_at.index(min(free_at))
        free_at[first] += duration
    return max(free_at)


@exercise(
    "12b.2",
    "When is a stage over?",
    hints=[
        "Play it with pencil and paper: keep for each slot the moment at which it is free, and give each task to the slot "
        "that is free first.",
        "`free_at = [0] * slots` has these moments. The next task begins at `min(free_at)` and is over `duration` later. What "
        "is asked is the largest moment in the end.",
        "    free_at = [0] * slots\n"
        "    for duration in durations:\n"
        "        first = free_at.index(min(free_at))\n"
        "        free_at[first] = …\n"
        "    return …",
    ],
)
def check_stage_time(trial: Trial, stage_time: Callable[..., Any]) -> None:
    trial.is_callable(stage_time, "stage_time")
    for durations, slots in STAGES:
        given = f"stage_time({durations}, slots={slots})"
        mine = list(durations)
        trial.stage("a number")
        result = trial.call(stage_time, mine, slots, given=given)
        assert isinstance(result, int | float) and not isinstance(result, bool), (
            f"{given} gave {short(result)}, which is no number.{' Is there a `return`?' if result is None else ''}"
        )
        if durations:
            trial.stage("the longest task")
            assert result >= max(durations), f"{given} gave {result}: a task of it takes longer than that."
            trial.stage("all the work")
            assert result * slots >= sum(durations), (
                f"{given} gave {result}: in that time {slots} slots cannot do {sum(durations)} milliseconds of work."
            )
        trial.stage("the time")
        assert same_number(result, _stage_time(durations, slots)), (
            f"{given} gave {result}. The tasks begin in their order, each in the slot that is free first."
        )
        trial.stage("the list is left alone")
        assert mine == durations, f"{given} changed the list that it was given."


# --- 12b.3 ------------------------------------------------------------------------------------------------------

PLANS: list[tuple[int, int, int, int]] = [
    # ticks per second, microseconds, busy percent, share of the busiest symbol
    (100_000, 20, 50, 10),
    (100_000, 20, 100, 25),
    (100_000, 10, 100, 100),  # exactly what one task can do
    (100_001, 10, 100, 50),
    (30_000, 21, 70, 33),
    (30_000, 70, 70, 33),
    (30_000, 70, 70, 34),  # the busiest symbol alone is too much
    (100_000, 10, 50, 50),  # exactly what one task may do
    (100_000, 10, 50, 51),
    (100_500, 10, 100, 100),
    (10, 5, 60, 100),
    (0, 30, 50, 40),
    (7, 100_000_000_000_000_000, 100, 0),  # too many digits for a float
    (10_000_000_000_000_001, 1, 100, 0),
]


@exercise(
    "12b.3",
    "How many partitions?",
    hints=[
        "Work per second is ticks times microseconds. One task may work `busy_percent` percent of 1,000,000 microseconds. How "
        "many tasks are that? And is the part of the busiest symbol more than one task may do?",
        "Multiply instead of dividing by 100: compare `ticks_per_second * microseconds * top_percent` with what one task may do, "
        "times 100. Rounding up in whole numbers is `-(-a // b)`.",
        "    work = ticks_per_second * microseconds * 100\n"
        "    one_task = 1_000_000 * busy_percent\n"
        "    if work * top_percent > …:\n"
        "        return None\n"
        "    return max(1, …)",
    ],
)
def check_partitions_needed(trial: Trial, partitions_needed: Callable[..., Any]) -> None:
    trial.is_callable(partitions_needed, "partitions_needed")
    for rate, cost, busy, top in PLANS:
        given = f"partitions_needed({rate}, {cost}, busy_percent={busy}, top_percent={top})"
        work, one_task = rate * cost * 100, 1_000_000 * busy  # in hundredths of a microsecond
        is_too_much = work * top > one_task * 100
        trial.stage("a number or None")
        result = trial.call(partitions_needed, rate, cost, busy, top, given=given)
        assert result is None or (isinstance(result, int | float) and not isinstance(result, bool)), (
            f"{given} gave {short(result)}, which is neither a number nor None."
        )
        trial.stage("the busiest symbol")
        alone = f"The busiest symbol alone works {rate * top * cost // 100:,} microseconds in each second"
        may = f"and a task may work {10_000 * busy:,}"
        assert (result is None) is is_too_much, f"{given} gave {result}. {alone}, {may}."
        if result is None:
            continue
        trial.stage("at least one")
        assert result >= 1, f"{given} gave {result}."
        trial.stage("enough")
        assert int(result) == result, f"{given} gave {result}. There is no part of a partition."
        partitions = int(result)
        assert partitions * one_task >= work, (
            f"{given} gave {partitions}: each task would have to work longer than {busy} % of the time."
        )
        trial.stage("not too many")
        assert partitions == 1 or (partitions - 1) * one_task < work, f"{given} gave {partitions}: one fewer is enough."


# --- 12b.4 ------------------------------------------------------------------------------------------------------


class Seen(NamedTuple):
    """A record as a consumer gives it, as far as it matters here."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes


def _seen(latencies: Sequence[int], run: str, first: int = 1_795_707_825_000) -> list[Seen]:
    """A record for each latency, sent one after the other."""
    made = []
    for number, milliseconds in enumerate(latencies):
        sent = first + 10 * number
        value = {"run": run, "partition": number % 2, "price": 103, "before": 100, "sent": sent}
        made.append(Seen("out", number % 2, number // 2, sent + milliseconds, None, json.dumps(value).encode()))
    return made


def _mixed(*parts: list[Seen], seed: int) -> list[Seen]:
    """Records of several runs, as they lie in the partitions of a topic that is read one after the other."""
    records = list(itertools.chain(*parts))
    random.Random(seed).shuffle(records)
    return records


RUNS: list[tuple[str, list[Seen], list[int]]] = [
    (case, _mixed(_seen(mine, "measured"), _seen(other, "warm-up"), seed=number), mine)
    for number, (case, mine, other) in enumerate(
        [
            ("10 latencies", [12, 3, 7, 30, 9, 5, 21, 4, 8, 6], [900, 800, 2, 1]),
            ("one latency", [17], [400, 500, 600]),
            ("3 latencies, two of them equal", [5, 2, 5], [1]),
            ("100 latencies", [*range(101, 199), 2, 950], []),
            ("101 latencies", [*range(200, 300), 4000], [1, 1, 1]),
            ("250 latencies", [number % 83 * 3 + number % 7 for number in range(250)], [5000] * 20),
            ("4 latencies, one of them 0", [0, 9, 3, 8], []),
            ("no latency of this run", [], [10, 20]),
        ]
    )
]


def _rank(latencies: Sequence[int], percent: int) -> int:
    """The smallest one such that at least so many percent are no larger, as the words say it."""
    return next(one for one in sorted(latencies) if sum(x <= one for x in latencies) * 100 >= percent * len(latencies))


@exercise(
    "12b.4",
    "p50 and p99",
    hints=[
        "First the latencies of the run, and nothing else: `json.loads(record.value)` has `run` and `sent`. Then sort them.",
        "Of n sorted latencies, the nearest rank of p percent is number n·p/100, rounded up, counted from 1. Python counts from 0.",
        "    found = sorted(…)\n"
        "    if not found:\n"
        "        return None\n"
        "    return found[-(-len(found) * 50 // 100) - 1], …   # -(-a // b) rounds up",
    ],
)
def check_latency(trial: Trial, latency: Callable[..., Any]) -> None:
    trial.is_callable(latency, "latency")
    for case, records, mine in RUNS:
        given = f'latency(records, "measured") of {case}'
        trial.stage("two numbers or None")
        result = trial.call(latency, list(records), "measured", given=given)
        if not mine:
            trial.stage("no record")
            assert result is None, f"{given} gave {short(result)}, though there is none to give."
            continue
        assert isinstance(result, tuple | list) and len(result) == 2, (
            f"{given} gave {short(result)}, which are not two numbers."
        )
        shown = f"They are {', '.join(map(str, sorted(mine)))}." if len(mine) <= 10 else ""
        trial.stage("latencies that were measured")
        for one in result:
            assert any(same_number(one, measured) for measured in mine), (
                f"{given} gave {short(one)}, which no record of this run took. {shown}".rstrip()
            )
        for name, one, percent in zip(("p50", "p99"), result, (50, 99), strict=True):
            trial.stage(name)
            share = 100 * sum(measured <= one for measured in mine) / len(mine)
            assert same_number(one, _rank(mine, percent)), (
                f"{given}: the {name} is {short(one)}, and {share:.1f} % of them are no larger. {shown}".rstrip()
            )


# --- 12b.5 ------------------------------------------------------------------------------------------------------

NUMBER = "decimal(38,18)"
TICK_FIELDS = f"symbol string, size {NUMBER}, kafka_partition int, kafka_offset bigint"
PART_FIELDS = f"symbol string, salt bigint, volume {NUMBER}, ticks bigint"

Tick = tuple[str, Decimal | None, int, int]
Part = tuple[str, int, Decimal | None, int]


def _skewed_ticks() -> list[Tick]:
    """BTC has most of the ticks; the offsets of a symbol follow no pattern, as many symbols share a partition."""
    dice = random.Random(125)
    ticks: list[Tick] = []
    for offset in range(1000):
        symbol = dice.choices(("BTC", "ETH", "PEPE", "DOGE"), (85, 8, 4, 3))[0]
        size = {
            "BTC": Decimal(dice.randrange(1, 10**6)) / 1000,
            "ETH": Decimal(dice.randrange(1, 10**20)) / 10**18,
            "PEPE": Decimal(dice.randrange(1, 9)) / 10**18,
            "DOGE": None,
        }[symbol]
        is_unknown = symbol == "BTC" and dice.random() < 0.2
        ticks.append((symbol, None if is_unknown else size, 2, 5_000 + offset))
    return ticks


SKEWED = _skewed_ticks()

PARTS: list[Part] = [
    ("BTC", 0, Decimal("10.000000000000000001"), 4),
    ("BTC", 1, None, 3),
    ("ETH", 5, Decimal("0.5"), 2),
    ("BTC", 4, Decimal("0.25"), 6),
    ("SOL", 1, None, 1),
    ("SOL", 0, None, 7),
    ("BTC", 7, Decimal("10.000000000000000001"), 4),  # as large as another one
]


@exercise(
    "12b.5",
    "Salt",
    seconds=120,
    hints=[
        "The first step is a `groupBy` with two columns, the second one with one. The salt is a column that you make before, "
        "from what names a tick: its offset.",
        '`F.col("kafka_offset") % salts` is 0 to salts-1. `sum` of a column leaves out what is NULL, and `count("*")` counts all '
        "rows. In the second step the counts of the parts are **added**.",
        '    salted = ticks.withColumn("salt", …)\n'
        '    return salted.groupBy("symbol", "salt").agg(F.sum("size").alias("volume"), …)\n'
        "and\n"
        '    return parts.groupBy("symbol").agg(F.coalesce(F.sum("volume"), …).alias("volume"), …)',
    ],
)
def check_salt(trial: Trial, partial_volume: Callable[..., Any], total_volume: Callable[..., Any]) -> None:
    trial.is_callable(partial_volume, "partial_volume")
    trial.is_callable(total_volume, "total_volume")
    frame = trial.spark.createDataFrame(SKEWED, TICK_FIELDS).coalesce(1)
    for salts in (8, 3):
        _check_parts(trial, partial_volume, frame, salts)
    _check_repeat(trial, partial_volume, frame)

    parts = trial.spark.createDataFrame(PARTS, PART_FIELDS).coalesce(1)
    given = f"total_volume of {len(PARTS)} parts"
    rows = _collected(trial, given, lambda: total_volume(parts), "the second step", ("symbol", "volume", "ticks"))
    _check_totals(trial, given, rows, _totals(PARTS, volume=2, ticks=3))
    given = f"total_volume(partial_volume(ticks, 8)) of {len(SKEWED)} ticks"
    rows = _collected(
        trial, given, lambda: total_volume(partial_volume(frame, 8)), "both steps", ("symbol", "volume", "ticks")
    )
    _check_totals(trial, given, rows, _totals(SKEWED, volume=1, ticks=None))


def _collected(trial: Trial, given: str, make: Callable[[], Any], stage: str, columns: Sequence[str]) -> list[Row]:
    """The rows of the DataFrame that an answer returns; computing them counts as the answer's work."""
    from pyspark.sql import DataFrame

    trial.stage(f"{stage}: a DataFrame")

    def collected() -> Any:
        result = make()
        return result.toArrow().to_pylist() if isinstance(result, DataFrame) else result

    rows = trial.call(collected, given=given)
    assert isinstance(rows, list) and all(isinstance(row, dict) for row in rows), (
        f"{given} returned {short(rows)}, which is no DataFrame.{' Is there a `return`?' if rows is None else ''}"
    )
    trial.stage(f"{stage}: columns")
    for row in rows[:1]:
        missing = [column for column in columns if column not in row]
        assert not missing, f"{given} has the columns {', '.join(row)}: there is no `{missing[0]}`."
    trial.stage(stage)
    return rows


def _check_parts(trial: Trial, partial_volume: Callable[..., Any], frame: Any, salts: int) -> None:
    given = f"partial_volume(ticks, {salts})"
    columns = ("symbol", "salt", "volume", "ticks")
    rows = _collected(trial, given, lambda: partial_volume(frame, salts), "the first step", columns)
    places = [(row["symbol"], row["salt"]) for row in rows]
    twice = [place for place in places if places.count(place) > 1]
    assert not twice, f"{given} has {places.count(twice[0])} rows for {twice[0][0]} with the salt {twice[0][1]}."
    for symbol, count in _counts().items():
        own = [row for row in rows if row["symbol"] == symbol]
        trial.stage("nothing is lost")
        ticks = sum(row["ticks"] for row in own)
        assert ticks == count, f"{given}: the parts of {symbol} have {ticks} ticks in all; it has {count}."
        trial.stage("at most so many groups")
        assert len(own) <= salts, f"{given} made {len(own)} groups of {symbol}."
        trial.stage("groups are even")
        largest = max(row["ticks"] for row in own)
        assert count < 50 * salts or largest * salts <= 2 * count, (
            f"{given}: the largest group of {symbol} has {largest} of its {count} ticks. The task that gets it is the one "
            "that all wait for."
        )


def _counts() -> Mapping[str, int]:
    symbols = [symbol for symbol, *_ in SKEWED]
    return {symbol: symbols.count(symbol) for symbol in sorted(set(symbols))}


def _check_repeat(trial: Trial, partial_volume: Callable[..., Any], frame: Any) -> None:
    """The same ticks once more, in another order and in two parts, as after the loss of a task."""
    mixed = list(SKEWED)
    random.Random(5).shuffle(mixed)
    other = trial.spark.createDataFrame(mixed, TICK_FIELDS).repartition(2)
    columns = ("symbol", "salt", "volume", "ticks")
    found = []
    for ticks in (frame, other):
        rows = _collected(
            trial, "partial_volume(ticks, 8)", functools.partial(partial_volume, ticks, 8), "once more", columns
        )
        found.append({(row["symbol"], row["salt"]): (row["volume"], row["ticks"]) for row in rows})
    trial.stage("the same groups when it is tried again")
    changed = [place for place in found[0] if found[0][place] != found[1].get(place)]
    assert not changed, (
        f"partial_volume(ticks, 8), then the same ticks in another order: {changed[0][0]} with the salt {changed[0][1]} was "
        f"{_group(found[0][changed[0]])}, then {_group(found[1].get(changed[0]))}. A task that is tried again would "
        "divide its ticks in another way."
    )


def _group(seen: tuple[Decimal | None, int] | None) -> str:
    return "not there" if seen is None else f"{seen[1]} ticks with a volume of {_digits(seen[0])}"


def _digits(value: object) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) and value else "NULL" if value is None else str(value)


def _totals(rows: Sequence[tuple[Any, ...]], volume: int, ticks: int | None) -> dict[str, tuple[Decimal, int]]:
    """The right totals, made without Spark."""
    totals: dict[str, tuple[Decimal, int]] = {}
    for row in rows:
        before = totals.get(row[0], (Decimal(0), 0))
        totals[row[0]] = (before[0] + (row[volume] or 0), before[1] + (1 if ticks is None else row[ticks]))
    return totals


def _check_totals(trial: Trial, given: str, rows: Sequence[Row], right: Mapping[str, tuple[Decimal, int]]) -> None:
    symbols = [row["symbol"] for row in rows]
    assert len(symbols) == len(set(symbols)), f"{given} has {len(symbols)} rows for {len(set(symbols))} symbols."
    assert set(symbols) == set(right), f"{given} has rows for {short(sorted(map(str, symbols)))}."
    for row in rows:
        volume, ticks = right[row["symbol"]]
        trial.stage("ticks")
        assert same_number(row["ticks"], ticks), f"{given}: {row['symbol']} has {row['ticks']} ticks there."
        trial.stage("volume")
        assert not isinstance(row["volume"], float), (
            f"{given}: the volume of {row['symbol']} is a float, {row['volume']!r}. The digits of the sizes are lost."
        )
        assert same_number(row["volume"], volume), (
            f"{given}: the volume of {row['symbol']} is {_digits(row['volume'])}. It is the sum of all sizes that are "
            "known, with all their digits."
        )


# --- 12b.6 ------------------------------------------------------------------------------------------------------

RECORD_FIELDS = (
    "key binary, value binary, topic string, partition int, offset bigint, timestamp timestamp, timestampType int"
)


class Case(NamedTuple):
    """A record, and from how many percent on it is no alert any more."""

    key: str | None
    value: str | None
    moved: str | None
    """Percent; None when it is never an alert."""
    breaks: str


CASES = [
    Case("BTC", '{"price": 106.2, "before": 100}', "6.2", "Its price is higher by more."),
    Case("ETH", '{"price": 93, "before": 100.0}', "7", "Its price is lower by more."),
    Case("SOL", '{"price": 100.5, "before": 100, "volume": 3}', "0.5", "It has hardly moved."),
    Case("XRP", '{"symbol": "XRP", "price": 1.21, "before": 1.1}', "10", "1.21 is exactly 10 percent above 1.1."),
    Case("ADA", '{"price": 0.995, "before": 1}', "0.5", "It has hardly moved."),
    Case(None, '{"price": 3, "before": 1}', "200", "A record without a key is a record."),
    Case("PEPE", '{"price": 0.00000105, "before": 0.000001}', "5", "0.00000105 is exactly 5 percent above 0.000001."),
    Case("LOW", '{"price": 0.95, "before": 1}', "5", "0.95 is exactly 5 percent below 1."),
    Case("PART", '{"price": 105.9, "before": 101}', "4.85", "It is 4.9 away, and 4.9 is not percent."),
    Case("NEAR", '{"price": 104.96, "before": 100}', "4.96", "4.96 percent are not 5."),
    Case("FALL", '{"price": 95, "before": 100.5}', "5.47", "5.47 percent of `before`."),
    Case(
        "OF_PRICE", '{"price": 95.1, "before": 100}', "4.9", "4.9 percent of `before`; of the price it would be more."
    ),
    Case("ZERO", '{"price": 5, "before": 0}', None, "`before` is 0: nobody can say how far it has moved."),
    Case("ZEROS", '{"price": 0, "before": 0}', None, "`before` is 0: nobody can say how far it has moved."),
    Case("MINUS", '{"price": 5, "before": -1}', None, "`before` is below 0."),
    Case("NONE", '{"price": 5}', None, "There is no `before`."),
    Case("NULL", '{"price": null, "before": 100}', None, "There is no price."),
    Case("TEXT", '{"price": "much", "before": 100}', None, "There is no price."),
    Case("BAD", "not json", None, "It is no JSON."),
    Case("CUT", '{"price": 200, "bef', None, "It is no JSON."),
    Case("EMPTY", "", None, "It is empty."),
    Case("GONE", None, None, "It has no value."),
]


def _bytes(value: object) -> bytes | None:
    if isinstance(value, str):
        return value.encode()
    return bytes(value) if isinstance(value, bytes | bytearray) else None


def _is_alert(case: Case, percent: int) -> bool:
    return case.moved is not None and Decimal(case.moved) >= percent


@exercise(
    "12b.6",
    "An alert in real time",
    needs=["kafka"],
    seconds=90,
    hints=[
        "One `where` and one `select`. Take the JSON apart for the condition only; what goes out is the record as it came.",
        "`F.from_json` with `decimal(20,8)` keeps the digits, and gives NULL where it can make nothing of a text. Compare "
        "without dividing: |price - before| * 100 with before * percent. And `before` may be 0.",
        '    tick = F.from_json(F.col("value").cast("string"), "price decimal(20,8), before decimal(20,8)")\n'
        '    moved = F.abs(tick["price"] - tick["before"]) * 100 >= …\n'
        '    return records.where(moved & …).select("key", "value")',
    ],
)
def check_alerts(trial: Trial, alerts: Callable[..., Any]) -> None:
    trial.is_callable(alerts, "alerts")
    values = [
        (_bytes(case.key), _bytes(case.value), "ticks", number % 3, number, None, 1)
        for number, case in enumerate(CASES)
    ]
    frame = trial.spark.createDataFrame(values, RECORD_FIELDS).coalesce(1)
    for percent in (5, 10):
        _check_alerts(trial, alerts, frame, percent)
    _check_real_time(trial, alerts)


def _check_alerts(trial: Trial, alerts: Callable[..., Any], frame: Any, percent: int) -> None:
    given = f"alerts(records, {percent})"
    rows = _collected(trial, given, lambda: alerts(frame, percent), "the alerts", ("key", "value"))
    trial.stage("no other column")
    for row in rows[:1]:
        others = [column for column in row if column not in {"key", "value"}]
        assert not others, (
            f"{given} has the columns {', '.join(row)}. Kafka's sink takes columns such as `topic` and `partition` for where "
            "to write."
        )
    found = [(_bytes(row["key"]), _bytes(row["value"])) for row in rows]
    known = {(_bytes(case.key), _bytes(case.value)): case for case in CASES}
    trial.stage("records as they came")
    for key, value in found:
        assert (key, value) in known, (
            f"{given} gave the key {short(key)} with the value {short(value)}: no record was that."
        )
    trial.stage("each once")
    assert len(found) == len(set(found)), (
        f"{given} gave {len(found)} records, and only {len(set(found))} of them differ."
    )
    for place, case in known.items():
        trial.stage("no alert too many" if place in found else "no alert missing")
        said = "an alert" if place in found else "no alert"
        assert (place in found) is _is_alert(case, percent), f"{given}: {case.value} is {said}. {case.breaks}"


REAL_TIME_SECONDS = 45


def _check_real_time(trial: Trial, alerts: Callable[..., Any]) -> None:
    """The answer in a real-time query, from Kafka to Kafka; each topic has one partition, so one slot is enough."""
    from pyspark.errors import PySparkException

    source, sink = trial.name("ticks"), trial.name("alerts")
    for topic in (source, sink):
        trial.broker.create_topic(topic, 1)
    sent = [case for case in CASES if case.value is not None]
    last = Case("LAST", '{"price": 300, "before": 100}', "200", "")
    now = int(time.time() * 1000)
    trial.broker.send(source, [(0, _bytes(case.key), _bytes(case.value) or b"", now) for case in [*sent, last]])
    kafka = {"kafka.bootstrap.servers": trial.broker.address}
    stream = (
        trial.spark.readStream.format("kafka").options(**kafka, subscribe=source, startingOffsets="earliest").load()
    )
    trial.stage("in real-time mode")
    given = "alerts(records, 5) of a stream"

    def start() -> Any:
        writer = alerts(stream, 5).writeStream.format("kafka").options(**kafka, topic=sink)
        writer = writer.outputMode("update").option("checkpointLocation", str(trial.folder()))
        return writer.trigger(realTime="5 seconds").start()

    try:
        query = trial.call(start, given=given)
    except Exception as error:
        cause = getattr(error, "cause", error)
        if isinstance(cause, PySparkException):
            raise AssertionError(f"{given} is refused: {_first_sentence(cause)}") from None
        raise
    wanted = sum(_is_alert(case, 5) for case in [*sent, last])
    trial.comes(
        lambda: not query.isActive or sum(trial.broker.end_offsets(sink).values()) >= wanted,
        REAL_TIME_SECONDS,
        "the alerts",
    )
    failure = query.exception()
    assert failure is None, f"{given}: the query ended. {_first_sentence(failure)}"
    query.stop()
    seen = [record.key for record in trial.broker.records(sink)]
    assert len(seen) >= wanted, (
        f"{given}: {len(sent) + 1} records went in, and only {len(seen)} came out: {short(seen)}."
    )


def _first_sentence(error: object) -> str:
    """What Spark says, without its advice how to switch its check off."""
    text = str(error).split("To bypass", maxsplit=1)[0].split("=== Streaming Query", maxsplit=1)[0]
    return " ".join(text.split())[:400]
