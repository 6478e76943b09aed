"""What the page of a driver tells of its tasks, and how they are drawn; no Spark is started."""

from datetime import UTC, datetime, timedelta

import pytest

from lab_utils.errors import LabError
from lab_utils.teaching.pictures import task_bars
from lab_utils.teaching.spark_tasks import Task, rows_of, span, task_of

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)

TOLD = {  # by Spark 4.2.0, shortened
    "taskId": 39,
    "index": 3,
    "attempt": 1,
    "partitionId": 3,
    "launchTime": "2026-11-26T15:43:00.205GMT",
    "duration": 1982,
    "executorId": "0",
    "status": "SUCCESS",
    "taskMetrics": {"executorDeserializeTime": 5, "executorRunTime": 1952, "executorCpuTime": 346116457},
}


def _task(number: int, executor: str, began: float, seconds: float, status: str = "SUCCESS") -> Task:
    return Task(0, number, 0, executor, status, NOON + timedelta(seconds=began), seconds, 0.0, "")


def test_a_task_has_the_time_that_its_executor_had_it() -> None:
    task = task_of(7, TOLD)
    assert task.began == datetime(2026, 11, 26, 15, 43, 0, 205_000, tzinfo=UTC)
    assert (task.stage, task.number, task.attempt, task.executor) == (7, 3, 1, "0")
    assert (task.seconds, task.busy_seconds) == (1.957, 0.346116457)


def test_a_task_whose_executor_was_lost_has_no_metrics() -> None:
    lost = {name: value for name, value in TOLD.items() if name != "taskMetrics"}
    task = task_of(7, {**lost, "status": "FAILED", "errorMessage": "ExecutorLostFailure"})
    assert (task.seconds, task.busy_seconds, task.error) == (1.982, 0, "ExecutorLostFailure")


def test_a_task_that_has_just_begun_has_no_duration() -> None:
    assert (
        task_of(7, {name: value for name, value in TOLD.items() if name not in {"taskMetrics", "duration"}}).seconds
        == 0
    )


def test_each_task_stands_in_a_slot_that_was_free() -> None:
    tasks = [_task(0, "driver", 0, 2), _task(1, "driver", 0, 1), _task(2, "driver", 1, 3), _task(3, "5", 0.5, 1)]
    assert [(name, task.number) for name, task in rows_of(tasks)] == [
        ("driver, slot 1", 0),
        ("driver, slot 2", 1),
        ("executor 5", 3),
        ("driver, slot 2", 2),
    ]
    assert span(tasks) == 4


def test_a_picture_of_tasks_tells_those_that_failed_from_the_others() -> None:
    done, failed = task_bars([_task(0, "0", 0, 2), _task(1, "1", 1, 1, "FAILED"), _task(1, "0", 2, 1)], "three").data
    assert (done.y, done.x, done.base, done.text) == (("executor 0",) * 2, (2, 1), (0, 2), ("0", "1"))
    assert (failed.y, failed.x, failed.base) == (("executor 1",), (1,), (1,))


def test_pictures_to_be_compared_have_the_same_axis() -> None:
    axes = [task_bars([_task(0, "0", 0, 2)], "", until=until).layout.xaxis.range for until in (1, 5)]
    assert axes == [(0, 2.04), (0, 5.1)]


def test_no_task_is_no_picture() -> None:
    with pytest.raises(LabError, match="no task"):
        task_bars([], "none")
