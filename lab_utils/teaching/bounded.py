"""Run a student's streaming transformation on a bounded stream: all that is there, once, in a checkpoint of its own."""

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_utils.errors import LabError
from lab_utils.waiting import WaitTimeout, wait_until

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def stream_of(spark: "SparkSession", batches: Sequence[Sequence[str]], folder: Path) -> "DataFrame":
    """A stream of text lines (`value`), one batch of them a micro-batch: late data is late, as in real life."""
    source = folder / "source"
    source.mkdir()
    for number, lines in enumerate(batches):
        path = source / f"{number:04}.txt"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        # The file source reads in order of the time of change.
        _set_time(path, 1_700_000_000 + number)
    return spark.readStream.format("text").option("maxFilesPerTrigger", 1).load(str(source))


def _set_time(path: Path, seconds: int) -> None:
    import os

    os.utime(path, (seconds, seconds))


def run_bounded(
    stream: "DataFrame",
    transform: "Callable[[DataFrame], DataFrame]",
    folder: Path,
    *,
    mode: str = "append",
    seconds: float = 60,
) -> list[Any]:
    """The rows that `transform` makes of all that `stream` holds now.

    Args:
        stream: a streaming DataFrame.
        transform: the answer.
        folder: an empty folder for the checkpoint (`trial.folder()`).
        mode: append, update or complete.
        seconds: how long it may take.

    Raises:
        LabError: it did not end in time.
        StreamingQueryException: the query failed.
    """
    name = f"check_{uuid.uuid4().hex}"
    query = (
        transform(stream)
        .writeStream.format("memory")
        .queryName(name)
        .outputMode(mode)
        .option("checkpointLocation", str(folder / "checkpoint"))
        .trigger(availableNow=True)
        .start()
    )
    try:
        wait_until(lambda: not query.isActive, seconds, "the stream to end")
        if (failure := query.exception()) is not None:
            raise failure
        return stream.sparkSession.table(name).collect()
    except WaitTimeout:
        raise LabError(
            f"The stream did not end within {seconds:g} s.", "Run the cell again; see `lab status` for the load."
        ) from None
    finally:
        query.stop()
        stream.sparkSession.catalog.dropTempView(name)
