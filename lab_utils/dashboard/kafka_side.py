"""What Kafka holds at this moment: where each partition ends, and its newest record."""

import contextlib
import dataclasses
import time
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError

from lab_utils import kafka_utils
from lab_utils.servers import kafka_server

ANSWER_MS = 2000
READ_SECONDS = 0.3

Place = tuple[str, int]
"""Topic and partition."""


@dataclasses.dataclass(frozen=True)
class Topics:
    """The lab's topics at one moment."""

    ends: dict[Place, int]
    """The offset that the next record will get."""
    newest: float | None
    """When the broker took the newest record, in seconds since 1970; None when there is none."""

    @property
    def records(self) -> int:
        """How many were ever written."""
        return sum(self.ends.values())


class KafkaSide:
    """One consumer for all looks; it belongs to no group, so nobody's offsets move."""

    def __init__(self) -> None:
        self._consumer: Any = None
        self._address = ""
        self._times: dict[Place, tuple[int, float]] = {}
        """Where each partition ended, and when its last record came."""

    def look(self) -> Topics:
        """The topics now.

        Raises:
            LabError: the broker does not run, or does not answer within two seconds.
        """
        address = kafka_server.bootstrap_servers()
        if address != self._address:
            self.close()
        try:
            if self._consumer is None:
                self._consumer = kafka_utils.make_consumer(
                    bootstrap_timeout_ms=ANSWER_MS,
                    request_timeout_ms=ANSWER_MS,
                    reconnect_backoff_max_ms=500,
                    fetch_max_wait_ms=50,
                    max_partition_fetch_bytes=65_536,
                )
                self._address = address
            return self._look()
        except KafkaError as error:
            self.close()
            raise kafka_utils.no_answer(address, error) from None

    def _look(self) -> Topics:
        places = [
            TopicPartition(topic, partition)
            for topic in kafka_utils.TOPICS
            for partition in sorted(self._consumer.partitions_for_topic(topic) or ())
        ]
        answer = self._consumer.end_offsets(places, timeout_ms=ANSWER_MS)
        ends = {(place.topic, place.partition): end for place, end in answer.items()}
        grown = {place: end for place, end in ends.items() if end and self._times.get(place, (0, 0))[0] != end}
        if grown:
            self._read_last(grown)
        times = [self._times[place][1] for place, end in ends.items() if end]
        return Topics(ends, max(filter(None, times), default=None))

    def _read_last(self, ends: dict[Place, int]) -> None:
        self._consumer.assign([TopicPartition(*place) for place in ends])
        for place, end in ends.items():
            self._consumer.seek(TopicPartition(*place), end - 1)
        missing = set(ends)
        deadline = time.monotonic() + READ_SECONDS
        while missing and time.monotonic() < deadline:
            for partition, records in self._consumer.poll(timeout_ms=50).items():
                place, last = (partition.topic, partition.partition), records[-1]
                self._times[place] = last.offset + 1, last.timestamp / 1000
                missing.discard(place)
        for place in missing:  # a record that retention has deleted need not be asked for again
            self._times[place] = ends[place], self._times.get(place, (0, 0.0))[1]

    def close(self) -> None:
        """Close the consumer; the next look opens another."""
        if self._consumer is not None:
            with contextlib.suppress(KafkaError):
                self._consumer.close()
        self._consumer, self._address = None, ""
