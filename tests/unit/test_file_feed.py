"""The feed `file:PATH`: what it reads, what it refuses before it starts, and how it paces a replay."""

import gzip
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_utils.errors import LabError
from lab_utils.feeds import file_feed
from lab_utils.feeds.file_feed import (
    Recording,
    Rejected,
    asset_of,
    check_recording,
    feed_files,
    parse_columns,
    read_ticks,
    replay,
)
from lab_utils.ticks import CRYPTO, STOCKS, Asset, StockTick, Tick

NOW = datetime(2026, 11, 24, 3, 14, 6, 123_000, tzinfo=UTC)
RECORDED = datetime(2026, 11, 2, 14, 30, tzinfo=UTC)
HEADER = "symbol,currency,price,size,event_time"
ROW = "BTC,USD,73838.870,0.5,2026-11-02T14:30:00Z"


def record(seconds: float = 0, **changes: Any) -> dict[str, Any]:
    """The fields of a tick that was recorded so long after the first."""
    return {
        "symbol": "BTC",
        "currency": "USD",
        "price": "73838.870",
        "size": None,
        "event_time": (RECORDED + timedelta(seconds=seconds)).isoformat(),
        "ingest_time": "2026-11-02T14:31:00Z",
        "source": "simulated",
        "version": 1,
        **changes,
    }


def lines(*records: dict[str, Any] | str) -> str:
    return "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in records)


def write(path: Path, content: str | bytes) -> Path:
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)
    return path


def recording(tmp_path: Path, *records: dict[str, Any] | str) -> Recording:
    return Recording(write(tmp_path / "ticks.jsonl", lines(*records)))


def csv_recording(tmp_path: Path, content: str | bytes, **given: dict[str, str]) -> Recording:
    return Recording(write(tmp_path / "ticks.csv", content), **given)


def read(recording: Recording, asset: Asset = CRYPTO) -> list[Tick | Rejected]:
    return list(read_ticks(recording, asset, lambda: NOW))


def only_tick(recording: Recording, asset: Asset = CRYPTO) -> Tick:
    [tick] = read(recording, asset)
    assert isinstance(tick, Tick), tick
    return tick


def only_rejected(recording: Recording) -> Rejected:
    [rejected] = read(recording)
    assert isinstance(rejected, Rejected), rejected
    return rejected


def reasons(items: list[Tick | Rejected]) -> list[str | None]:
    """The reason of each rejected line, None for a tick."""
    return [item.reason if isinstance(item, Rejected) else None for item in items]


# ---------------------------------------------------------------- columns in words


def test_columns_are_pairs_of_field_and_column() -> None:
    assert parse_columns("event_time=timestamp_ms, size = amount") == {
        "event_time": "timestamp_ms",
        "size": "amount",
    }


@pytest.mark.parametrize("text", [None, "", "  "])
def test_no_text_names_no_columns(text: str | None) -> None:
    assert parse_columns(text) == {}


@pytest.mark.parametrize("text", ["price", "price=", "=price", "price=p,", ",", "price=p,,size=s"])
def test_text_that_is_no_list_of_pairs_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(LabError, match="FIELD=COLUMN"):
        parse_columns(text)


def test_a_field_that_no_tick_has_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LabError, match=r"'prize'.*symbol, currency, price.*change_pct"):
        parse_columns("prize=p")


def test_a_field_named_twice_is_refused() -> None:
    with pytest.raises(LabError, match="price has two columns"):
        parse_columns("price=a,price=b")


def test_the_ingest_time_is_no_column_because_it_is_set_at_sending() -> None:
    with pytest.raises(LabError, match="ingest_time"):
        parse_columns("ingest_time=received")


# ---------------------------------------------------------------- JSON Lines


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.ndjson", "a.JSONL", "a.jsonl.gz", "a.b.ndjson.GZ"])
def test_json_lines_are_known_by_the_name_of_the_file(tmp_path: Path, name: str) -> None:
    data = lines(record()).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.lower().endswith(".gz") else data)
    assert only_tick(Recording(path)).symbol == "BTC"


def test_a_tick_keeps_its_event_time_and_gets_a_new_ingest_time(tmp_path: Path) -> None:
    tick = only_tick(recording(tmp_path, record()))
    assert (tick.event_time, tick.ingest_time) == (RECORDED, NOW)


def test_the_recorded_ingest_time_need_not_be_there(tmp_path: Path) -> None:
    fields = record()
    del fields["ingest_time"]
    assert only_tick(recording(tmp_path, fields)).ingest_time == NOW


def test_a_json_number_keeps_its_digits(tmp_path: Path) -> None:
    line = json.dumps(record()).replace('"73838.870"', "73838.8700000000000001")
    assert str(only_tick(recording(tmp_path, line)).price) == "73838.8700000000000001"


def test_constants_fill_in_what_a_line_lacks_and_nothing_else(tmp_path: Path) -> None:
    lacking = record()
    del lacking["currency"]
    path = recording(tmp_path, lacking, record(currency="EUR")).path
    ticks = read(Recording(path, constants={"currency": "CHF"}))
    assert [tick.currency for tick in ticks if isinstance(tick, Tick)] == ["CHF", "EUR"]


def test_a_line_that_is_no_tick_is_handed_on_with_its_bytes_and_reason(tmp_path: Path) -> None:
    rejected = read(recording(tmp_path, record(), '{"cut": ', record(price=0)))
    assert rejected[1] == Rejected(b'{"cut": ', "not a JSON object", None)
    assert reasons(rejected)[2] == ("price: not a positive number with at most 20 digits before and 18 after the point")


def test_the_key_of_a_rejected_line_is_its_symbol(tmp_path: Path) -> None:
    assert only_rejected(recording(tmp_path, record(symbol="ETH", version=2))).key == "ETH"


def test_a_symbol_that_is_no_name_is_no_key(tmp_path: Path) -> None:
    assert only_rejected(recording(tmp_path, record(symbol="\ud800"))).key is None


def test_bytes_that_are_not_utf8_are_kept_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", b'{"symbol":"Z\xfcrich"}\r\n')
    assert only_rejected(Recording(path)) == Rejected(b'{"symbol":"Z\xfcrich"}', "not UTF-8", None)


def test_blank_lines_at_the_end_are_no_lines(tmp_path: Path) -> None:
    assert only_tick(recording(tmp_path, record(), "", "  ", "\r"))


def test_a_blank_line_in_the_middle_is_an_empty_value(tmp_path: Path) -> None:
    assert reasons(read(recording(tmp_path, record(), "", record()))) == [None, "empty value", None]


def test_the_last_line_needs_no_newline(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", lines(record(), record(1)).rstrip("\n"))
    assert len(read(Recording(path))) == 2


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path, newline: bytes) -> None:
    data = b"\xef\xbb\xbf" + lines(record()).encode().replace(b"\n", newline)
    assert only_tick(Recording(write(tmp_path / "a.jsonl", data)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary().filter(lambda raw: raw.strip() and not set(raw) & set(b"\r\n")), max_size=5))
def test_whatever_a_file_holds_each_line_is_handed_on(tmp_path: Path, raws: list[bytes]) -> None:
    path = write(tmp_path / "a.jsonl", b"{}\n" + b"".join(raw + b"\n" for raw in raws))
    assert [item.raw for item in read(Recording(path))[1:] if isinstance(item, Rejected)] == raws


# ---------------------------------------------------------------- CSV


@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "a.csv.gz"])
def test_csv_columns_named_like_fields_are_read_as_they_are(tmp_path: Path, name: str) -> None:
    tick = only_tick(Recording(write(tmp_path / name, f"{HEADER}\n{ROW}\n")))
    assert (tick.symbol, tick.price, tick.size) == ("BTC", Decimal("73838.870"), Decimal("0.5"))


def test_a_csv_number_keeps_its_digits(tmp_path: Path) -> None:
    assert str(only_tick(csv_recording(tmp_path, f"{HEADER}\n{ROW}\n")).price) == "73838.870"


def test_columns_and_constants_describe_a_foreign_file(tmp_path: Path) -> None:
    tick = only_tick(
        csv_recording(
            tmp_path,
            "trade_id,timestamp_ms,price,amount\n1,1570752011620,0.00141342,23.0\n",
            columns=parse_columns("event_time=timestamp_ms,price=price,size=amount"),
            constants={"symbol": "XRP", "currency": "ETH"},
        )
    )
    assert (tick.symbol, tick.currency, str(tick.size)) == ("XRP", "ETH", "23.0")
    assert tick.event_time == datetime(2019, 10, 11, 0, 0, 11, 620_000, tzinfo=UTC)


def test_where_columns_are_named_no_others_are_read(tmp_path: Path) -> None:
    columns = {"symbol": "symbol", "currency": "currency", "price": "price", "event_time": "event_time"}
    assert only_tick(csv_recording(tmp_path, f"{HEADER}\n{ROW}\n", columns=columns)).size is None


def test_the_version_is_1_and_the_source_is_the_file_unless_given(tmp_path: Path) -> None:
    tick = only_tick(csv_recording(tmp_path, f"{HEADER}\n{ROW}\n"))
    assert (tick.version, tick.source) == (1, "file:ticks.csv")


def test_a_constant_source_is_used(tmp_path: Path) -> None:
    tick = only_tick(csv_recording(tmp_path, f"{HEADER}\n{ROW}\n", constants={"source": "exchange"}))
    assert tick.source == "exchange"


@pytest.mark.parametrize(
    ("name", "source"),
    [("Börse, (1).csv", "file:B_rse_ _1_.csv"), ("x" * 90 + ".csv", "file:" + "x" * 59)],
)
def test_the_name_of_the_file_is_made_to_fit_a_source(tmp_path: Path, name: str, source: str) -> None:
    assert only_tick(Recording(write(tmp_path / name, f"{HEADER}\n{ROW}\n"))).source == source


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("1793629800", RECORDED),
        ("1793629800120", RECORDED + timedelta(milliseconds=120)),
        ("99999999999", None),
        ("100000000000", datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)),
        ("2026-11-02T14:30:00Z", RECORDED),
        ("2026-11-02 14:30:00+00:00", RECORDED),
        ("2026-11-02T20:00:00+05:30", RECORDED),
        ("2026-11-02T14:30:00.123456Z", RECORDED + timedelta(microseconds=123_456)),
        ("2026-11-02T14:30:00", None),
        ("2026-11-01T24:00:00+00:00", None),
        ("2026-02-30T14:30:00+01:00", None),
        ("1793629800.5", None),
        ("-5", None),
        ("", None),
    ],
)
def test_a_csv_event_time_is_iso_8601_or_an_epoch(tmp_path: Path, text: str, time: datetime | None) -> None:
    [item] = read(csv_recording(tmp_path, f"{HEADER}\nBTC,USD,5,,{text}\n"))
    assert (item.event_time if isinstance(item, Tick) else None) == time


@pytest.mark.parametrize("text", ["100000000000000", "1793629800120000", "1793629800120000000", "9" * 5000])
def test_a_csv_epoch_finer_than_milliseconds_is_rejected(tmp_path: Path, text: str) -> None:
    rejected = only_rejected(csv_recording(tmp_path, f"{HEADER}\nBTC,USD,5,,{text}\n"))
    assert (rejected.reason, rejected.key) == ("event_time: finer than milliseconds since 1970", "BTC")


def test_an_epoch_in_json_is_rejected_because_the_contract_has_none(tmp_path: Path) -> None:
    assert only_rejected(recording(tmp_path, record(event_time=1793629800120))).reason.startswith("event_time:")


def test_an_empty_cell_is_a_missing_field(tmp_path: Path) -> None:
    assert only_rejected(csv_recording(tmp_path, f"{HEADER}\n,USD,5,,1793629800\n")).reason == "symbol: missing"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("BTC,USD", "not a CSV row: 2 cells under 5 columns"),
        (ROW + ",more", "not a CSV row: 6 cells under 5 columns"),
        ('"BTC,USD,5,,1793629800', "not a CSV row"),
        ('"BTC"x,USD,5,,1793629800', "not a CSV row"),
    ],
)
def test_a_row_that_does_not_fit_the_header_is_rejected(tmp_path: Path, row: str, reason: str) -> None:
    assert read(csv_recording(tmp_path, f"{HEADER}\n{row}\n{ROW}\n"))[0] == Rejected(row.encode(), reason, None)


def test_a_row_after_a_rejected_one_is_read(tmp_path: Path) -> None:
    assert reasons(read(csv_recording(tmp_path, f'{HEADER}\n"BTC,USD\n{ROW}\n'))) == ["not a CSV row", None]


def test_a_csv_row_that_is_not_utf8_is_rejected_by_itself(tmp_path: Path) -> None:
    content = f"{HEADER}\n{ROW}\n".encode() + b"Z\xfcrich,USD,5,,1793629800\n" + f"{ROW}\n".encode()
    assert reasons(read(csv_recording(tmp_path, content))) == [None, "not UTF-8", None]


def test_a_blank_row_in_the_middle_is_an_empty_value(tmp_path: Path) -> None:
    assert reasons(read(csv_recording(tmp_path, f"{HEADER}\n{ROW}\n\n{ROW}\n\n"))) == [
        None,
        "empty value",
        None,
    ]


def test_the_key_of_a_rejected_row_may_be_a_constant(tmp_path: Path) -> None:
    rejected = only_rejected(
        csv_recording(tmp_path, "price,event_time\nfive,1793629800\n", constants={"symbol": "XRP", "currency": "ETH"})
    )
    assert rejected.key == "XRP"


def test_quotes_and_spaces_around_a_cell_are_not_part_of_it(tmp_path: Path) -> None:
    content = ' symbol , currency,"price",event_time\n"BTC", USD ,"5.10",1793629800\n'
    tick = only_tick(csv_recording(tmp_path, content))
    assert (tick.symbol, tick.currency, str(tick.price)) == ("BTC", "USD", "5.10")


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert only_tick(csv_recording(tmp_path, f"\ufeff{HEADER}\r\n{ROW}\r\n"))


def test_a_csv_of_stocks_has_the_figures_of_the_day(tmp_path: Path) -> None:
    path = csv_recording(tmp_path, f"{HEADER},high\n{ROW},73900.5\n")
    tick = only_tick(path, STOCKS)
    assert isinstance(tick, StockTick)
    assert tick.high == Decimal("73900.5")


# ---------------------------------------------------------------- damaged files


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.99])
def test_a_cut_gzip_says_after_how_many_ticks(tmp_path: Path, kept: float) -> None:
    path = write(tmp_path / "a.jsonl.gz", lines(*(record(n, price=str(n * n + 1)) for n in range(3000))))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    read_before: list[Tick | Rejected] = []
    with pytest.raises(LabError, match=r"cut short or damaged after (\d+) ticks") as caught:
        read_before.extend(read_ticks(Recording(path), CRYPTO))
    assert f" {len(read_before)} ticks" in caught.value.what
    assert read_before


def test_a_corrupted_gzip_is_damaged(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl.gz", lines(*(record(n) for n in range(3000))))
    data = bytearray(path.read_bytes())
    data[-6] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(LabError, match="damaged after 3000 ticks"):
        read(Recording(path))


def test_a_file_that_went_away_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot be read"):
        read(Recording(tmp_path / "gone.jsonl"))


# ---------------------------------------------------------------- before anything is sent


def refusal(recording: Recording, asset: Asset = CRYPTO) -> str:
    with pytest.raises(LabError) as caught:
        check_recording(recording, asset)
    return str(caught.value)


def test_a_good_recording_passes_the_check(tmp_path: Path) -> None:
    check_recording(recording(tmp_path, record(), "{"), CRYPTO)


def test_a_good_csv_passes_the_check(tmp_path: Path) -> None:
    check_recording(csv_recording(tmp_path, f"{HEADER}\n{ROW}\n"), CRYPTO)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "There is no file" in refusal(Recording(tmp_path / "gone.jsonl"))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in refusal(Recording(tmp_path))


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = recording(tmp_path, record())
    monkeypatch.setattr(Path, "open", forbidden)
    assert "cannot be read: Permission denied" in refusal(path)


@pytest.mark.parametrize("name", ["ticks.txt", "ticks", "ticks.gz", "ticks.parquet", "csv"])
def test_another_format_is_refused_with_the_known_endings(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"x")
    assert ".jsonl, .json, .ndjson or .csv" in refusal(Recording(path))


def test_a_file_that_is_only_called_gz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ticks.jsonl.gz"
    path.write_text(lines(record()))
    assert "not compressed" in refusal(Recording(path))


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_file_is_refused(tmp_path: Path, content: str) -> None:
    reason = refusal(Recording(write(tmp_path / "ticks.jsonl", content)))
    assert "is empty" in reason or "holds no ticks" in reason


def test_an_empty_gzip_is_refused(tmp_path: Path) -> None:
    assert "holds no ticks" in refusal(Recording(write(tmp_path / "ticks.jsonl.gz", "")))


def test_a_csv_with_nothing_but_a_header_is_refused(tmp_path: Path) -> None:
    assert "holds no ticks" in refusal(csv_recording(tmp_path, f"{HEADER}\n"))


def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    reason = refusal(csv_recording(tmp_path, f"{HEADER}\n{ROW}\n", columns={"price": "close"}))
    assert "no column close" in reason
    assert "symbol, currency, price, size, event_time" in reason


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    assert "more than one column price" in refusal(csv_recording(tmp_path, f"{HEADER},price\n{ROW},6\n"))


def test_fields_in_neither_columns_nor_constants_are_refused(tmp_path: Path) -> None:
    reason = refusal(csv_recording(tmp_path, "price,when\n5,1793629800\n", constants={"symbol": "XRP"}))
    assert "gives no currency, event_time." in reason


def test_a_constant_that_no_such_tick_has_is_refused(tmp_path: Path) -> None:
    path = recording(tmp_path, record()).path
    assert "'open'" in refusal(Recording(path, constants={"open": "5"}), CRYPTO)


def test_columns_for_a_json_file_are_refused(tmp_path: Path) -> None:
    path = recording(tmp_path, record()).path
    assert "has no columns" in refusal(Recording(path, columns={"price": "p"}))


@pytest.mark.parametrize(("line", "reason"), [("[", "not a JSON object"), ("{}", "symbol: missing")])
def test_a_first_line_that_is_no_tick_is_refused_with_the_reason(tmp_path: Path, line: str, reason: str) -> None:
    assert reason in refusal(recording(tmp_path, line, record()))


def test_a_first_row_that_is_no_tick_is_refused_with_the_reason(tmp_path: Path) -> None:
    assert "first row" in refusal(csv_recording(tmp_path, f"{HEADER}\nBTC,USD,0,,1793629800\n"))


def test_a_gzip_damaged_from_the_start_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv.gz", f"{HEADER}\n{ROW}\n")
    path.write_bytes(path.read_bytes()[:12])
    assert "damaged after 0 ticks" in refusal(Recording(path))


# ---------------------------------------------------------------- replay


class Clock(threading.Event):
    """A `stopped` whose waiting takes no time but moves the clock, and which notes how long was waited."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.seconds = 1000.0
        self.waits: list[float] = []
        monkeypatch.setattr(file_feed, "monotonic", lambda: self.seconds)
        monkeypatch.setattr(file_feed, "utc_now", lambda: NOW + timedelta(seconds=self.seconds - 1000))

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(round(timeout, 6))
        self.seconds += timeout
        return self.is_set()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def played(
    recording: Recording,
    stopped: threading.Event,
    speed: float | None = None,
    *,
    shift_to_now: bool = False,
    repeat: bool = False,
) -> Iterator[Tick | Rejected]:
    return replay(recording, CRYPTO, speed=speed, shift_to_now=shift_to_now, repeat=repeat, stopped=stopped)


def event_times(items: Iterator[Tick | Rejected]) -> list[datetime]:
    return [item.event_time for item in items if isinstance(item, Tick)]


def seconds_after(start: datetime, times: list[datetime]) -> list[float]:
    return [(time - start).total_seconds() for time in times]


def test_at_speed_max_nothing_waits(tmp_path: Path, clock: Clock) -> None:
    times = event_times(played(recording(tmp_path, record(0), record(3600)), clock))
    assert seconds_after(RECORDED, times) == [0, 3600]
    assert clock.waits == []


@pytest.mark.parametrize(("speed", "waits"), [(1, [2, 3]), (10, [0.2, 0.3]), (0.5, [4, 6])])
def test_a_tick_is_sent_when_it_is_due(tmp_path: Path, clock: Clock, speed: float, waits: list[float]) -> None:
    list(played(recording(tmp_path, record(0), record(2), record(5)), clock, speed))
    assert clock.waits == waits


def test_time_that_the_receiver_took_is_not_waited_again(tmp_path: Path, clock: Clock) -> None:
    for _ in played(recording(tmp_path, record(0), record(2), record(5)), clock, 1):
        clock.seconds += 1.5
    assert clock.waits == [0.5, 1.5]


def test_a_receiver_that_fell_behind_catches_up_without_waiting(tmp_path: Path, clock: Clock) -> None:
    for _ in played(recording(tmp_path, record(0), record(2), record(5)), clock, 1):
        clock.seconds += 60
    assert clock.waits == []


def test_a_tick_out_of_order_stays_in_its_place_and_waits_for_nothing(tmp_path: Path, clock: Clock) -> None:
    times = event_times(played(recording(tmp_path, record(0), record(4), record(1), record(5)), clock, 1))
    assert seconds_after(RECORDED, times) == [0, 4, 1, 5]
    assert clock.waits == [4, 1]


def test_a_gap_of_months_is_waited_in_pieces(tmp_path: Path, clock: Clock) -> None:
    days = 90
    list(played(recording(tmp_path, record(0), record(days * 86400)), clock, 1))
    assert sum(clock.waits) == days * 86400
    assert max(clock.waits) <= 3600


def test_the_ingest_time_is_when_the_tick_is_sent(tmp_path: Path, clock: Clock) -> None:
    ticks = list(played(recording(tmp_path, record(0), record(2)), clock, 1))
    sent = [tick.ingest_time for tick in ticks if isinstance(tick, Tick)]
    assert seconds_after(NOW, sent) == [0, 2]


def test_rejected_lines_are_handed_on_in_their_place(tmp_path: Path, clock: Clock) -> None:
    items = list(played(recording(tmp_path, "{", record(0), "[", record(2)), clock, 1))
    assert reasons(items) == ["not a JSON object", None, "not a JSON object", None]


def test_shifted_ticks_begin_now_and_keep_their_distances(tmp_path: Path, clock: Clock) -> None:
    times = event_times(played(recording(tmp_path, record(0), record(2.5), record(1)), clock, shift_to_now=True))
    assert seconds_after(NOW, times) == [0, 2.5, 1]


def test_a_faster_replay_keeps_the_distances_between_event_times(tmp_path: Path, clock: Clock) -> None:
    times = event_times(played(recording(tmp_path, record(0), record(10)), clock, 10, shift_to_now=True))
    assert seconds_after(NOW, times) == [0, 10]


def test_a_shift_is_in_whole_milliseconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_feed, "utc_now", lambda: NOW + timedelta(microseconds=999))
    times = event_times(played(recording(tmp_path, record(0)), threading.Event(), shift_to_now=True))
    assert times == [NOW]


def test_a_repeat_goes_on_after_the_span_and_the_mean_gap(tmp_path: Path, clock: Clock) -> None:
    items = played(recording(tmp_path, record(0), record(1), record(4)), clock, repeat=True)
    assert seconds_after(RECORDED, event_times(islice(items, 7))) == [0, 1, 4, 6, 7, 10, 12]


def test_a_repeat_is_paced_like_the_first_round(tmp_path: Path, clock: Clock) -> None:
    list(islice(played(recording(tmp_path, record(0), record(1), record(4)), clock, 1, repeat=True), 6))
    assert clock.waits == [1, 3, 2, 1, 3]


def test_a_repeat_can_be_shifted_to_now(tmp_path: Path, clock: Clock) -> None:
    items = played(recording(tmp_path, record(0), record(2)), clock, shift_to_now=True, repeat=True)
    assert seconds_after(NOW, event_times(islice(items, 4))) == [0, 2, 4, 6]


@pytest.mark.parametrize(
    "offsets", [[0], [0, 0], [0, 0.0001, 0.0002], [5, 0, 3], [0, 0.0005, 0.001], [0.3, 0.1, 7.7777]]
)
def test_no_event_time_comes_again_in_a_later_round(tmp_path: Path, clock: Clock, offsets: list[float]) -> None:
    """Compared in milliseconds, as ticks travel."""
    count = len(offsets)
    items = played(recording(tmp_path, *map(record, offsets)), clock, repeat=True)
    rounds = seconds_after(RECORDED, event_times(islice(items, 3 * count)))
    milliseconds = [int(seconds * 1000 + 1e-6) for seconds in rounds]
    assert max(milliseconds[:count]) < min(milliseconds[count : 2 * count])
    assert max(milliseconds[count : 2 * count]) < min(milliseconds[2 * count :])


def test_a_file_without_a_tick_is_not_repeated(tmp_path: Path, clock: Clock) -> None:
    assert len(list(played(recording(tmp_path, "{", "["), clock, repeat=True))) == 2


def test_nothing_is_sent_when_it_is_stopped_before_the_start(tmp_path: Path) -> None:
    stopped = threading.Event()
    stopped.set()
    assert list(played(recording(tmp_path, record()), stopped)) == []


def test_a_stop_ends_an_endless_replay_at_full_speed(tmp_path: Path) -> None:
    stopped = threading.Event()
    items = played(recording(tmp_path, record(0), record(1)), stopped, repeat=True)
    first = list(islice(items, 5))
    stopped.set()
    assert len(first) == 5
    assert list(items) == []


def test_a_stop_ends_a_long_wait_at_once(tmp_path: Path) -> None:
    stopped = threading.Event()
    items = played(recording(tmp_path, record(0), record(3600)), stopped, 1)
    assert next(items)
    timer = threading.Timer(0.05, stopped.set)
    timer.start()
    assert list(items) == []
    timer.join()


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_a_speed_that_is_none_is_refused_at_once(tmp_path: Path, speed: float) -> None:
    with pytest.raises(LabError, match="above zero"):
        played(recording(tmp_path, record()), threading.Event(), speed)


# ---------------------------------------------------------------- which file is for what


def test_a_field_that_only_stocks_have_tells_a_recording_of_stocks(tmp_path: Path) -> None:
    assert asset_of(recording(tmp_path, record(previous_close=None)).path) is STOCKS


def test_any_other_recording_is_of_coins(tmp_path: Path) -> None:
    assert asset_of(recording(tmp_path, record()).path) is CRYPTO


def test_the_first_line_that_is_an_object_tells_the_asset(tmp_path: Path) -> None:
    assert asset_of(recording(tmp_path, "cut", record(open=1), record()).path) is STOCKS


def test_the_header_of_a_csv_tells_the_asset(tmp_path: Path) -> None:
    assert asset_of(csv_recording(tmp_path, f"{HEADER},open\n").path) is STOCKS
    assert asset_of(csv_recording(tmp_path, f"{HEADER},volume_24h\n").path) is CRYPTO


def test_a_file_without_an_object_tells_nothing(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no JSON object"):
        asset_of(recording(tmp_path, "cut", "[]").path)


def test_a_folder_gives_the_recordings_that_are_there(tmp_path: Path) -> None:
    crypto = write(tmp_path / "crypto_ticks.csv.gz", HEADER)
    assert feed_files(tmp_path) == {"crypto": crypto}
    stock = write(tmp_path / "stock_ticks.jsonl", lines(record()))
    assert feed_files(tmp_path) == {"crypto": crypto, "stock": stock}


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "ticks.jsonl", lines(record()))
    with pytest.raises(LabError, match="holds no recording"):
        feed_files(tmp_path)


def test_two_recordings_of_one_kind_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "crypto_ticks.jsonl", lines(record()))
    write(tmp_path / "crypto_ticks.jsonl.gz", lines(record()))
    with pytest.raises(LabError, match=r"crypto_ticks\.jsonl and crypto_ticks\.jsonl\.gz"):
        feed_files(tmp_path)


def test_a_file_is_the_recording_of_its_own_asset(tmp_path: Path) -> None:
    path = recording(tmp_path, record(open=1)).path
    assert feed_files(path) == {"stock": path}


def test_a_path_where_nothing_is_gives_no_recording(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="There is no file"):
        feed_files(tmp_path / "gone")
