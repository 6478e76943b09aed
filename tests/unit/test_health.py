"""What the monitor says of a pipeline, in words."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lab_utils.dashboard.health import Finding, Hop, Lag, Pipeline, findings, table_of_lags

WELL = Pipeline(
    at=datetime(2026, 11, 25, 12, 0, tzinfo=UTC),
    hops=(Hop("API", 100, "from the APIs", 10.0, 0.4), Hop("Kafka", 100, "records", 10.0, 0.2)),
    lags=(Lag("ticks", "crypto_topic", 0, 100, 97), Lag("candles", "crypto_topic", 0, 100, 60)),
    producers=("crypto", "stock"),
    is_streaming=True,
    spark_age=0.8,
    in_per_second=10.0,
    out_per_second=10.0,
    latency_ms=(420, 1280),
)


def test_a_pipeline_that_runs_is_said_to_be_well() -> None:
    (found,) = findings(WELL)
    assert found == Finding(
        "All is well: half of the ticks are in their table within 0.4 s, 95 of 100 within 1.3 s.", is_trouble=False
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"is_streaming": False}, "Spark is not running; 3 records wait for it. Start it with: lab stream"),
        (
            {"is_streaming": False, "lags": (Lag("ticks", "crypto_topic", 0, 100, 99),)},
            "Spark is not running; 1 record waits for it. Start it with: lab stream",
        ),
        ({"is_streaming": False, "lags": ()}, "Spark is not running. Start it with: lab stream"),
        (
            {"spark_age": 40.0},
            "Spark runs, but a query has ended no batch for 40 s. Look at its terminal, or after lab start at: lab logs stream",
        ),
        ({"producers": ()}, "No producer runs, so nothing new comes. Start one with: lab produce crypto"),
        ({"hops": (Hop("API", 9, age=150.0),)}, "The APIs have sent nothing for 2 min."),
        ({"recent_dead_letters": 1}, "1 record was refused in the last minute; why is in the table dead_letters."),
        ({"recent_dead_letters": 20}, "20 records were refused in the last minute; why is in the table dead_letters."),
        ({"away": ("Kafka is not running. Start it with: lab up",)}, "Kafka is not running. Start it with: lab up"),
    ],
)
def test_a_trouble_is_named(changes: dict[str, Any], says: str) -> None:
    assert findings(replace(WELL, **changes)) == [Finding(says)]


@pytest.mark.parametrize(
    ("out", "says"),
    [
        (
            80.0,
            "Spark is behind by 1,600 records: 40 in a second, 80 out. It will have caught up in 40 s.",
        ),
        (30.0, "Spark is behind by 1,600 records: 40 in a second, 30 out. It falls further behind."),
    ],
)
def test_spark_that_is_behind_is_said_to_catch_up_or_not(out: float, says: str) -> None:
    lags = (Lag("ticks", "crypto_topic", 0, 2000, 1000), Lag("ticks", "stock_topic", 0, 700, 100))
    assert findings(replace(WELL, lags=lags, in_per_second=40.0, out_per_second=out)) == [Finding(says)]


def test_what_came_in_the_last_seconds_is_not_behind() -> None:
    lags = (Lag("ticks", "crypto_topic", 0, 100, 51),)
    assert not findings(replace(WELL, lags=lags))[0].is_trouble


def test_spark_that_starts_is_no_trouble() -> None:
    found = findings(replace(WELL, is_starting=True, spark_age=30.0, latency_ms=None))
    assert found == [Finding("Spark is starting.", is_trouble=False)]


def test_producers_hold_what_a_broker_that_is_away_cannot_take() -> None:
    away = ("Kafka is not running. Start it with: lab up",)
    words = [found.words for found in findings(replace(WELL, away=away, held_by_producers=1234, lags=()))]
    assert words == [away[0], "The producers hold 1,234 records until Kafka is back."]


def test_a_hop_that_cannot_be_asked_is_away() -> None:
    assert Hop("Kafka").words() == ["away", "", ""]
    assert Hop("Kafka", 1234, "records", 7.25, 130.0).words() == ["1,234 records", "7.2 a second", "newest 2 min ago"]


def test_what_spark_has_read_since_we_asked_is_no_lag() -> None:
    assert Lag("ticks", "crypto_topic", 0, 10, 12).records == 0


def test_the_table_of_lags_has_a_column_for_each_query() -> None:
    assert table_of_lags([*WELL.lags, Lag("ticks", "crypto_topic.dlq", 0, 2, 1)]) == [
        ["topic", "partition", "next offset", "waits for candles", "waits for ticks"],
        ["crypto_topic", "0", "100", "40", "3"],
        ["crypto_topic.dlq", "0", "2", "", "1"],
    ]
