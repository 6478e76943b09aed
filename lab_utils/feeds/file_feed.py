"""The feed `file:PATH`: replays a recording of ticks, as it was recorded or faster.

A recording is JSON Lines (one tick a line, as on the topics) or CSV with a header, one row a line; each of
them may be compressed with gzip. A line that is no tick is handed on with the reason, never dropped and never
an exception.
"""

import csv
import gzip
import re
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import BinaryIO, cast

from lab_utils.errors import LabError
from lab_utils.ticks import (
    ASSETS,
    CRYPTO,
    NAME,
    STOCKS,
    Asset,
    InvalidTickError,
    Tick,
    field_texts,
    make_tick,
)

JSON_ENDINGS = (".jsonl", ".json", ".ndjson")
CSV_ENDING = ".csv"
SET_AT_SENDING = "ingest_time"
"""The one field that a recording cannot give: it says when the tick was sent to the topic."""

_UTF8_MARK = b"\xef\xbb\xbf"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MILLISECONDS = 10**11
_FIRST_MICROSECONDS = 10**14
_ZONED_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})"
)
_MILLISECOND = timedelta(milliseconds=1)
_LONGEST_WAIT = 3600.0
_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)


@dataclass(frozen=True)
class Recording:
    """What to read and how.

    `columns` is for CSV and names the column of each tick field to read, as in `{"event_time":
    "timestamp_ms"}`; when it is empty, the columns named like tick fields are read. `constants` holds the
    text of the fields that the recording lacks. Without either, `version` is 1 and `source` is `file:` and
    the name of the file.
    """

    path: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rejected:
    """A line that is no tick: its bytes without the newline, why, and its symbol when that can be told."""

    raw: bytes
    reason: str
    key: str | None


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def known_fields(*assets: Asset) -> list[str]:
    """The tick fields that a recording of `assets` can give."""
    names = dict.fromkeys(name for asset in assets for name in asset.tick.rules())
    return [name for name in names if name != SET_AT_SENDING]


def parse_columns(text: str | None) -> dict[str, str]:
    """The columns in `text`, as in `event_time=timestamp_ms,price=price`: tick field to column name.

    Raises:
        LabError: not of that form, a field named twice, or no field of a tick.
    """
    columns: dict[str, str] = {}
    for pair in (text or "").split(",") if text and text.strip() else []:
        name, equals, column = (part.strip() for part in pair.partition("="))
        if not (name and equals and column):
            raise LabError(
                f"{pair.strip()!r} names no column.",
                "Write FIELD=COLUMN, as in event_time=timestamp_ms,price=price.",
            )
        if name in columns:
            raise LabError(f"The tick field {name} has two columns.", "Name it once.")
        columns[name] = column
    _refuse_unknown(columns, known_fields(*ASSETS))
    return columns


def check_recording(recording: Recording, asset: Asset) -> None:
    """Look at the file and its first tick before anything is sent.

    Raises:
        LabError: the file cannot be read, is empty, lacks a column or field, or its first line is no tick.
    """
    path = recording.path
    _check_file(path)
    _refuse_unknown({**recording.columns, **recording.constants}, known_fields(asset))
    if _is_csv(path):
        _check_columns(recording, asset)
    elif recording.columns:
        raise LabError(f"{path} is JSON and has no columns.", "Leave the columns out, or give a CSV file.")
    first = next(read_ticks(recording, asset), None)
    if first is None:
        raise LabError(f"{path} holds no ticks.", "Give a recording with at least one.")
    if isinstance(first, Rejected):
        line = "row" if _is_csv(path) else "line"
        raise LabError(
            f"The first {line} of {path} is no {asset.name} tick: {first.reason}.",
            f"Correct the {line}, or give a recording of {asset.name} ticks.",
        )


def read_ticks(
    recording: Recording, asset: Asset, clock: Callable[[], datetime] = utc_now
) -> Iterator[Tick | Rejected]:
    """One pass over the file, in its order, with the recorded event times and `clock()` as the ingest time.

    An event time in CSV is ISO 8601 with its offset from UTC, or a whole number since 1970: seconds below
    10**11, else milliseconds. Microseconds and nanoseconds (10**14 and above) are rejected. Numbers keep the
    digits they have in the file. Blank lines at the end are no lines.

    Raises:
        LabError: the file cannot be read, lacks a named column, or is cut short or damaged.
    """
    ticks = 0
    with _reading(recording.path, lambda: ticks):
        for item in _items(recording, asset, clock):
            ticks += isinstance(item, Tick)
            yield item


def replay(
    recording: Recording,
    asset: Asset,
    *,
    speed: float | None,
    shift_to_now: bool,
    repeat: bool,
    stopped: threading.Event,
) -> Iterator[Tick | Rejected]:
    """The recording as a live feed, in the order of the file, until its end or until `stopped` is set.

    Args:
        recording: what to replay.
        asset: what it is a recording of.
        speed: 1 as recorded, 10 ten times as fast, None without any waiting.
        shift_to_now: move all event times by the same amount, so that the first tick happens now.
        repeat: begin again at the end, with event times that go on from there. Faster than recorded they run
            ahead of the clock, and a tick more than `ticks.MAX_AHEAD` ahead is refused further down.
        stopped: ends the replay, also in the middle of a wait.

    Raises:
        LabError: the speed is not above zero; or as in `read_ticks`.
    """
    if speed is not None and not speed > 0:
        raise LabError(f"A recording cannot be replayed at speed {speed:g}.", "Give a speed above zero.")
    return _replay(recording, asset, speed=speed, shift_to_now=shift_to_now, repeat=repeat, stopped=stopped)


def asset_of(path: Path) -> Asset:
    """What the file records: stocks when its header or first JSON object has a field that only stocks have.

    Raises:
        LabError: the file cannot be read, or it holds no JSON object.
    """
    _check_file(path)
    only_stocks = STOCKS.tick.rules().keys() - Tick.rules().keys()
    return STOCKS if only_stocks & set(_first_names(path)) else CRYPTO


def feed_files(path: Path) -> dict[str, Path]:
    """The recording of each kind of asset, by the asset's name, in a folder or in a single file.

    In a folder they are called `crypto_ticks` and `stock_ticks`, with the ending of a recording.

    Raises:
        LabError: there is none, or there are two for one kind.
    """
    if not path.is_dir():
        return {asset_of(path).name: path}
    found = {asset.name: _files_called(f"{asset.name}_ticks", path) for asset in ASSETS}
    for files in found.values():
        if len(files) > 1:
            raise LabError(
                f"{path} holds {' and '.join(file.name for file in files)}: one recording too many.",
                "Keep one.",
            )
    if not any(found.values()):
        raise LabError(
            f"{path} holds no recording.",
            "It should hold crypto_ticks.jsonl or stock_ticks.jsonl (or .csv, or .gz).",
        )
    return {name: files[0] for name, files in found.items() if files}


def _replay(
    recording: Recording,
    asset: Asset,
    *,
    speed: float | None,
    shift_to_now: bool,
    repeat: bool,
    stopped: threading.Event,
) -> Iterator[Tick | Rejected]:
    shift = timedelta(0)
    start: tuple[float, datetime] | None = None
    while True:
        ticks, earliest, latest = 0, datetime.max.replace(tzinfo=UTC), _EPOCH
        for item in read_ticks(recording, asset):
            if stopped.is_set():
                return
            if isinstance(item, Rejected):
                yield item
                continue
            recorded = item.event_time
            ticks, earliest, latest = ticks + 1, min(earliest, recorded), max(latest, recorded)
            if start is None:
                shift = (utc_now() - recorded) // _MILLISECOND * _MILLISECOND if shift_to_now else shift
                start = monotonic(), recorded + shift
            event_time = recorded + shift
            if speed is not None and _stopped_before(
                start[0] + (event_time - start[1]).total_seconds() / speed, stopped
            ):
                return
            if speed is None and not shift:
                yield item
            else:
                yield item.model_copy(update={"event_time": event_time, SET_AT_SENDING: utc_now()})
        if not repeat or not ticks:
            return
        shift += _length(earliest, latest, ticks)


def _stopped_before(due: float, stopped: threading.Event) -> bool:
    while (seconds := due - monotonic()) > 0:
        if stopped.wait(min(seconds, _LONGEST_WAIT)):
            return True
    return False


def _length(earliest: datetime, latest: datetime, ticks: int) -> timedelta:
    """How much later a recording begins again: its span and the mean gap between its ticks, in milliseconds.

    Rounded up, because ticks travel with milliseconds: no time of one round may come again in the next.
    """
    span = latest - earliest
    gap = span / (ticks - 1) if span else timedelta(seconds=1)
    return -(-(span + max(gap, _MILLISECOND)) // _MILLISECOND) * _MILLISECOND


def _items(recording: Recording, asset: Asset, clock: Callable[[], datetime]) -> Iterator[Tick | Rejected]:
    constants = _constants(recording)
    lines = _lines(recording.path)
    parse: Callable[[bytes], dict[str, str | None]] = field_texts
    convert: Callable[[str], str] = str
    if _is_csv(recording.path):
        header = _header(recording.path, next(lines, b""))
        positions = _positions(recording, header)
        parse, convert = (lambda raw: _csv_fields(raw, len(header), positions)), _utc_event_time
    for raw in lines:
        fields: dict[str, str | None] = {}
        try:
            fields = parse(raw)
            if event_time := fields.get("event_time"):
                fields["event_time"] = convert(event_time)
            yield make_tick(asset, {**constants, **fields, SET_AT_SENDING: clock()})
        except InvalidTickError as error:
            yield Rejected(raw, str(error), _key({**constants, **fields}.get("symbol")))


def _constants(recording: Recording) -> dict[str, str]:
    return {"version": "1", "source": _source(recording.path), **recording.constants}


def _source(path: Path) -> str:
    fitting = (char if re.fullmatch(NAME.pattern, f"x{char}") else "_" for char in path.name)
    return f"file:{''.join(fitting)}"[:64]


def _key(symbol: str | None) -> str | None:
    return symbol if symbol and re.fullmatch(NAME.pattern, symbol) else None


def _csv_fields(raw: bytes, width: int, positions: Mapping[str, int]) -> dict[str, str | None]:
    """The text of each field of one CSV row; a field whose cell is empty is missing.

    Raises:
        InvalidTickError: not a row of `width` cells in UTF-8.
    """
    if not raw.strip():
        raise InvalidTickError("empty value")
    try:
        cells = next(csv.reader([raw.decode("utf-8")], strict=True))
    except UnicodeDecodeError:
        raise InvalidTickError("not UTF-8") from None
    except csv.Error:
        raise InvalidTickError("not a CSV row") from None
    if len(cells) != width:
        raise InvalidTickError(f"not a CSV row: {len(cells)} cells under {width} columns")
    return {name: text for name, position in positions.items() if (text := cells[position].strip())}


def _utc_event_time(text: str) -> str:
    """`text` as the contract wants it; the rule is left to refuse what is neither a zoned time nor an epoch.

    Raises:
        InvalidTickError: an epoch in a unit finer than milliseconds.
    """
    if text.isascii() and text.isdigit():
        if len(text) > 15 or int(text) >= _FIRST_MICROSECONDS:
            raise InvalidTickError("event_time: finer than milliseconds since 1970")
        unit = 1000 if int(text) < _FIRST_MILLISECONDS else 1
        return (_EPOCH + timedelta(milliseconds=int(text) * unit)).isoformat()
    if not _ZONED_TIME.fullmatch(text):
        return text
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return text


def _is_gzip(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _is_csv(path: Path) -> bool:
    """Whether the file is CSV, by its name; else it is JSON Lines.

    Raises:
        LabError: it is neither.
    """
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(CSV_ENDING):
        return True
    if name.endswith(JSON_ENDINGS):
        return False
    raise LabError(
        f"The name of {path} does not tell what is in it.",
        f"A recording ends in {', '.join(JSON_ENDINGS)} or {CSV_ENDING}, and in .gz when it is compressed.",
    )


def _files_called(name: str, folder: Path) -> list[Path]:
    names = (f"{name}{ending}{gz}" for ending in (*JSON_ENDINGS, CSV_ENDING) for gz in ("", ".gz"))
    return [folder / name for name in names if (folder / name).is_file()]


def _check_file(path: Path) -> None:
    with _reading(path):
        if path.is_dir():
            raise LabError(f"{path} is a folder.", "Name one recording in it.")
        if not path.exists():
            raise LabError(f"There is no file {path}.", "Check the path; it is relative to the current folder.")
        _is_csv(path)
        with path.open("rb") as file:
            start = file.read(2)
    if not start:
        raise LabError(f"{path} is empty.", "Give a recording with at least one tick.")
    if _is_gzip(path) and start != b"\x1f\x8b":
        raise LabError(f"{path} is not compressed with gzip.", "Take .gz off its name.")


@contextmanager
def _reading(path: Path, ticks: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """Turns what goes wrong with the file itself into a LabError."""
    try:
        yield
    except _DAMAGE:
        raise LabError(
            f"{path} is cut short or damaged after {ticks()} ticks.",
            "Copy or download it again; `gzip -t` must accept it.",
        ) from None
    except OSError as error:
        raise LabError(
            f"{path} cannot be read: {error.strerror or error}.",
            "Check that it is there and that you may read it.",
        ) from None


def _lines(path: Path) -> Iterator[bytes]:
    """The lines without their newlines, and without the blank ones at the end."""
    blank: list[bytes] = []
    first = True
    # Not a larger buffer around gzip.open: at a cut it would swallow the good lines before it.
    with cast(BinaryIO, gzip.open(path, "rb") if _is_gzip(path) else path.open("rb")) as file:
        for line in file:
            raw = line.removesuffix(b"\n").removesuffix(b"\r")
            if first:
                raw, first = raw.removeprefix(_UTF8_MARK), False
            if not raw.strip():
                blank.append(raw)
                continue
            if blank:
                yield from blank
                blank.clear()
            yield raw


def _header(path: Path, raw: bytes) -> list[str]:
    try:
        names = next(csv.reader([raw.decode("utf-8", "replace")], strict=True))
    except csv.Error:
        raise LabError(f"The first line of {path} is no CSV header.", "It must name the columns.") from None
    return [name.strip() for name in names]


def _positions(recording: Recording, header: list[str]) -> dict[str, int]:
    """Where in a row each field stands."""
    fields = known_fields(*ASSETS)
    columns = recording.columns or {name: name for name in header if name in fields}
    for column in columns.values():
        if header.count(column) != 1:
            count = "no column" if column not in header else "more than one column"
            raise LabError(
                f"{recording.path} has {count} {column}.",
                f"Its columns are {', '.join(header)}: name one of them.",
            )
    return {name: header.index(column) for name, column in columns.items()}


def _check_columns(recording: Recording, asset: Asset) -> None:
    with _reading(recording.path):
        header = _header(recording.path, next(_lines(recording.path), b""))
    given = {*_positions(recording, header), *_constants(recording), SET_AT_SENDING}
    missing = [name for name in asset.tick.rules() if name in asset.tick.required() - given]
    if missing:
        raise LabError(
            f"{recording.path} gives no {', '.join(missing)}.",
            f"Name a column for each (there are {', '.join(header)}), or give a constant.",
        )


def _first_names(path: Path) -> Iterable[str]:
    with _reading(path):
        if _is_csv(path):
            return _header(path, next(_lines(path), b""))
        for raw in _lines(path):
            try:
                return field_texts(raw)
            except InvalidTickError:
                continue
    raise LabError(f"{path} holds no JSON object.", "A recording has one on each line.")


def _refuse_unknown(names: Iterable[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise LabError(f"{name!r} is no field that can be given.", f"The fields are {', '.join(known)}.")
