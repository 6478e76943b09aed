"""What becomes of Spark's own word on a batch: a row, and four panels."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from lab_utils.dashboard.progress import PHASES, Progress, figure
from lab_utils.streaming.progress import COLUMNS, progress_row

AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def told(**changes: Any) -> dict[str, Any]:
    """A StreamingQueryProgress as Spark 4.2 writes it, shortened."""
    return {
        "id": "0cd07b0c-6e3f-41b6-8c6b-ae1c3b0ec9be",
        "runId": "a4e6b1a8-1f3c-4a53-93d0-9e1f6c5a0f11",
        "name": "candles",
        "timestamp": "2026-11-25T12:00:00.000Z",
        "batchId": 7,
        "numInputRows": 40,
        "inputRowsPerSecond": 20.0,
        "processedRowsPerSecond": 80.5,
        "durationMs": {"addBatch": 300, "triggerExecution": 500},
        "eventTime": {"max": "2026-11-25T11:59:59.000Z", "watermark": "2026-11-25T11:49:58.000Z"},
        "stateOperators": [
            {"numRowsTotal": 12, "memoryUsedBytes": 900, "numRowsDroppedByWatermark": 2},
            {"numRowsTotal": 1, "memoryUsedBytes": 100, "numRowsDroppedByWatermark": 0},
        ],
        "sources": [{"endOffset": {"crypto_topic": {"0": 17, "1": 4}}}, {"endOffset": {"stock_topic": {"0": 3}}}],
        **changes,
    }


def row(**changes: Any) -> dict[str, Any]:
    return dict(zip(COLUMNS, progress_row(told(**changes)), strict=True))


def test_a_batch_becomes_a_row() -> None:
    found = row()
    assert json.loads(found.pop("phases")) == {"addBatch": 300, "triggerExecution": 500}
    assert json.loads(found.pop("offsets")) == {"crypto_topic": {"0": 17, "1": 4}, "stock_topic": {"0": 3}}
    assert found == {
        "query": "candles",
        "run_id": "a4e6b1a8-1f3c-4a53-93d0-9e1f6c5a0f11",
        "batch_id": 7,
        "at": AT,
        "input_rows": 40,
        "input_per_second": 20.0,
        "processed_per_second": 80.5,
        "watermark": AT - timedelta(minutes=10, seconds=2),
        "state_rows": 13,
        "state_bytes": 1000,
        "late_rows": 2,
    }


@pytest.mark.parametrize("event_time", [{}, {"watermark": "1970-01-01T00:00:00.000Z"}])
def test_before_the_first_event_there_is_no_watermark(event_time: dict[str, str]) -> None:
    assert row(eventTime=event_time)["watermark"] is None


@pytest.mark.parametrize("rate", ["NaN", "Infinity", None])
def test_a_rate_that_spark_could_not_divide_is_none(rate: str | None) -> None:
    assert row(processedRowsPerSecond=rate)["processed_per_second"] is None


def test_a_source_without_offsets_yet_has_none() -> None:
    assert json.loads(row(sources=[{"endOffset": None}])["offsets"]) == {}


def test_a_query_without_state_has_zeros() -> None:
    found = row(stateOperators=[])
    assert (found["state_rows"], found["state_bytes"], found["late_rows"]) == (0, 0, 0)


def progress(*steps: tuple[str, int, float]) -> Progress:
    """Steps of (query, seconds, rows a second)."""
    frame = pd.DataFrame(
        [
            {
                "query": query,
                "at": pd.Timestamp(AT) + pd.Timedelta(seconds=seconds),
                "input_per_second": rate,
                "processed_per_second": 10 * rate,
                "watermark": pd.Timestamp(AT) + pd.Timedelta(seconds=seconds - 600),
                "state_rows": 10.0,
                "state_megabytes": 0.1,
                **{phase: 20.0 + place for place, phase in enumerate(PHASES)},
            }
            for query, seconds, rate in steps
        ]
    )
    return Progress(frame, frame["at"].max() if len(frame) else None)


def test_the_panels_show_rates_phases_watermark_and_state() -> None:
    drawn = figure(progress(("ticks", 0, 5.0), ("ticks", 3, 7.0), ("candles", 0, 5.0), ("candles", 3, 7.0)))
    by_name = {trace.name: trace for trace in drawn.data}
    assert list(by_name["in"].y) == [5.0, 7.0]
    assert list(by_name["Spark could"].y) == [50.0, 70.0]
    assert [list(by_name[phase].y) for phase in PHASES] == [[20.0 + place] * 2 for place in range(len(PHASES))]
    assert list(by_name["watermark"].y) == [600.0, 600.0]
    assert list(by_name["state"].y) == [10.0, 10.0]
    assert list(by_name["in"].x) == ["2026-11-25 12:00:00.000000", "2026-11-25 12:00:03.000000"]


def test_a_line_breaks_where_spark_was_silent() -> None:
    drawn = figure(progress(("ticks", 0, 5.0), ("ticks", 60, 7.0)))
    first, gap, last = drawn.data[0].y
    assert (first, pd.isna(gap), last) == (5.0, True, 7.0)


def test_without_a_batch_the_panels_are_empty() -> None:
    empty = progress(("ticks", 0, 1.0)).batches.iloc[:0]
    assert all(not len(trace.y) for trace in figure(Progress(empty, None)).data)
