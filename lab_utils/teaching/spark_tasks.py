"""What the tasks of Spark did: on which executor, when and how long, as the driver's own page tells it.

The page, its addresses and fields: https://spark.apache.org/docs/4.0.0/monitoring.html#rest-api
"""

import dataclasses
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx

from lab_utils.waiting import wait_until

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PAGE = {"spark.ui.enabled": "true", "spark.ui.port": "0", "spark.ui.liveUpdate.period": "0ms"}
"""For `get_spark`: the driver has its page, on any free port of this machine alone. It tells of each beginning of a task
at once; by default some of those within a tenth of a second are left out until something else happens."""

ANSWER_SECONDS = 60
LATE_SECONDS = 60
"""The page hears of the end of a task a moment after it."""
ALL = 100_000
"""A list of tasks has 20 unless one asks for more."""


@dataclasses.dataclass(frozen=True)
class Task:
    """One attempt to do one part of a stage."""

    stage: int
    number: int
    """Which part: tasks that read Kafka have one for each partition."""
    attempt: int
    """From 0: a task that failed is tried again."""
    executor: str
    """`driver` where Spark is local."""
    status: str
    """RUNNING, SUCCESS, FAILED or KILLED."""
    began: datetime
    """In UTC."""
    seconds: float
    """How long the executor had it, or has had it so far: without its way there, and without that of its result."""
    busy_seconds: float
    """How much of it a core worked for it; known at its end."""
    error: str

    @property
    def ended(self) -> datetime:
        """In UTC."""
        return self.began + timedelta(seconds=self.seconds)


def ask(spark: "SparkSession", path: str, **parameters: object) -> Any:
    """What the driver's page answers at `path` below its application, such as `/executors`."""
    context = spark.sparkContext
    address = f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}{path}"
    answer = httpx.get(address, params=parameters, timeout=ANSWER_SECONDS, trust_env=False)  # type: ignore[arg-type]
    return answer.raise_for_status().json()


def tasks(spark: "SparkSession", since: datetime | None = None) -> list[Task]:
    """All tasks that the page remembers, in the order of their beginning; those that began at `since` or later."""
    return _of_stages(spark, ask(spark, "/stages"), since)


def tasks_of(spark: "SparkSession", action: Callable[[], object]) -> list[Task]:
    """Do something with Spark; the tasks that it took."""
    context, group = spark.sparkContext, uuid.uuid4().hex
    context.setJobGroup(group, "tasks_of")
    try:
        action()
    finally:
        context.setLocalProperty("spark.jobGroup.id", None)  # type: ignore[arg-type]
        context.setLocalProperty("spark.job.description", None)  # type: ignore[arg-type]

    def finished() -> list[Task]:
        jobs = [job for job in ask(spark, "/jobs") if job.get("jobGroup") == group]
        numbers = {number for job in jobs for number in job["stageIds"]}
        stages = [stage for stage in ask(spark, "/stages") if stage["stageId"] in numbers]
        found = _of_stages(spark, stages, None)
        is_over = bool(jobs) and all(job["status"] != "RUNNING" for job in jobs)
        return found if is_over and not any(task.status == "RUNNING" for task in found) else []

    return wait_until(finished, LATE_SECONDS, "the page to know the end of all tasks")


def _of_stages(spark: "SparkSession", stages: Sequence[Mapping[str, Any]], since: datetime | None) -> list[Task]:
    found = []
    for stage in stages:
        if stage["status"] not in {"PENDING", "SKIPPED"}:
            path = f"/stages/{stage['stageId']}/{stage['attemptId']}/taskList"
            found += [task_of(stage["stageId"], told) for told in ask(spark, path, length=ALL)]
    recent = [task for task in found if since is None or task.began >= since]
    return sorted(recent, key=lambda task: (task.began, task.stage, task.number))


def task_of(stage: int, told: Mapping[str, Any]) -> Task:
    """A task as the page tells it."""
    metrics = told.get("taskMetrics", {})
    had_it = sum(metrics.get(name, 0) for name in ("executorDeserializeTime", "executorRunTime"))
    return Task(
        stage,
        told["index"],
        told["attempt"],
        told["executorId"],
        told["status"],
        datetime.fromisoformat(told["launchTime"].removesuffix("GMT") + "+00:00"),
        (had_it or told.get("duration", 0)) / 1000,
        metrics.get("executorCpuTime", 0) / 1e9,
        told.get("errorMessage", ""),
    )


def span(those: Sequence[Task]) -> float:
    """Seconds from the beginning of the first to the end of the last."""
    return (max(task.ended for task in those) - min(task.began for task in those)).total_seconds()


def rows_of(those: Sequence[Task]) -> list[tuple[str, Task]]:
    """Each task with the row of a picture: its executor, and where that has several slots, a slot that was free."""
    ends: dict[str, list[datetime]] = {}
    placed = []
    for task in sorted(those, key=lambda task: (task.began, task.number)):
        slots = ends.setdefault(task.executor, [])
        free = next((slot for slot, end in enumerate(slots) if end <= task.began), len(slots))
        slots[free:] = [task.ended, *slots[free + 1 :]]
        placed.append((task, free))
    names = {
        (executor, slot): f"{_name(executor)}{f', slot {slot + 1}' if len(slots) > 1 else ''}"
        for executor, slots in ends.items()
        for slot in range(len(slots))
    }
    return [(names[task.executor, slot], task) for task, slot in placed]


def _name(executor: str) -> str:
    return "driver" if executor == "driver" else f"executor {executor}"
