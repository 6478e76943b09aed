"""Kafka → PostgreSQL in plain Python: the same rows, dead letters and candles as the Spark path.

The order is what counts: first the database commits, then the offsets are committed. A crash in between brings the
same records again, and the key of the tables leaves them out.
"""

import functools
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError

from lab_utils import db_utils, kafka_utils
from lab_utils.errors import LabError
from lab_utils.streaming.csv_batch import Record, csv_batch
from lab_utils.streaming.postgres_sink import PostgresSink, store_records
from lab_utils.streaming.topic_watch import TopicWatch

log = logging.getLogger(__name__)

GROUP = "plain-consumer"
POLL_MS = 500
MAX_RECORDS = 5_000


def consume(
    stopped: threading.Event,
    *,
    once: bool,
    group: str = GROUP,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Store records until `stopped` is set or, with `once`, until all that were there at the start are in.

    Returns:
        How many records were read.

    Raises:
        LabError: a server is not there, a topic was created again, or records that the group has not stored are gone.
    """
    db_utils.check_topics(kafka_utils.topic_ids())
    goal = kafka_utils.end_offsets() if once else None
    consumer = kafka_utils.make_consumer(*kafka_utils.TOPICS, group_id=group, max_poll_records=MAX_RECORDS)
    sink = PostgresSink("consumer")
    watch = TopicWatch()
    count = 0
    try:
        _check_that_nothing_is_gone(consumer, group)
        while not stopped.is_set():
            watch.look()
            records = [record for part in consumer.poll(timeout_ms=POLL_MS).values() for record in part]
            if records:
                sink.write(functools.partial(store_records, batch=csv_batch(map(_record, records)), all_candles=True))
                _commit(consumer)
                count += len(records)
                if on_progress is not None:
                    on_progress(count)
            if goal is not None and _has_read(consumer, goal):
                break
    finally:
        consumer.close()
        sink.close()
    return count


def _commit(consumer: Any) -> None:
    try:
        consumer.commit()
    except KafkaError as error:  # the records come again, and are left out by their key
        log.warning("event=offset_commit_failed error=%r", str(error))


def _check_that_nothing_is_gone(consumer: Any, group: str) -> None:
    """See that Kafka still has the next record of each partition: the consumer would go on at the earliest one there is.

    Raises:
        LabError: it does not.
    """
    places = [TopicPartition(*place) for place in kafka_utils.end_offsets()]
    earliest = consumer.beginning_offsets(places)
    committed = {place: consumer.committed(place) for place in places}  # 0 is one, too: of a partition that was empty
    if any(next_one is not None and next_one < earliest[place] for place, next_one in committed.items()):
        raise LabError(
            f"Records that the group {group} has not stored are gone from Kafka (retention).",
            "Empty topics, groups and tables together: lab reset",
        )


def _has_read(consumer: Any, goal: dict[tuple[str, int], int]) -> bool:
    """Whether the group has: another member, which began earlier, may have some of the partitions, or all."""
    assigned = consumer.assignment()

    def reached(place: TopicPartition) -> int:
        return int(consumer.position(place) if place in assigned else consumer.committed(place) or 0)

    return all(reached(TopicPartition(*place)) >= end for place, end in goal.items())


def _record(record: Any) -> Record:
    taken = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return Record(record.topic, record.partition, record.offset, taken, record.value, record.headers)
