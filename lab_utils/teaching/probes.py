"""What the broker says and what the tables hold: the ground truth for checks, asked for without the student's code."""

import contextlib
import dataclasses
import time
from collections.abc import Sequence
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from lab_utils import db_utils, kafka_utils
from lab_utils.errors import LabError
from lab_utils.servers import kafka_server

READ_SECONDS = 20.0


@dataclasses.dataclass(frozen=True)
class Seen:
    """One record as it lies in the log."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    """Milliseconds since 1970."""


class Broker:
    """Questions to the running broker. Clients are made at the first question and closed at the end of the check."""

    def __init__(self) -> None:
        self._closing: list[Any] = []

    @property
    def address(self) -> str:
        """`host:port` of the running broker."""
        return kafka_server.bootstrap_servers()

    def admin(self) -> Any:
        """A fresh admin client, for the answer or the check."""
        from kafka import KafkaAdminClient

        return self._kept(KafkaAdminClient(bootstrap_servers=self.address, bootstrap_timeout_ms=10_000))

    def producer(self, **options: Any) -> Any:
        """A fresh producer with the lab's settings."""
        return self._kept(kafka_utils.make_producer(**options))

    def consumer(self, *topics: str, **options: Any) -> Any:
        """A fresh consumer with the lab's settings."""
        return self._kept(kafka_utils.make_consumer(*topics, **options))

    def watched_producer(self, **options: Any) -> tuple[Any, list[Any]]:
        """A fresh producer, and the list to which it adds the future of each record that is sent with it.

        A future that is not done when the answer returns is a record that is lost if the program ends there. Closing
        the producer would not tell: it may still send what is in its buffer.
        """
        producer = self.producer(**options)
        sent: list[Any] = []
        send = producer.send

        def watched(*arguments: Any, **named: Any) -> Any:
            future = send(*arguments, **named)
            sent.append(future)
            return future

        producer.send = watched
        return producer, sent

    def _kept(self, client: Any) -> Any:
        self._closing.append(client)
        return client

    def close(self) -> None:
        """Close all clients, without waiting for records that nobody flushed."""
        for client in self._closing:
            with contextlib.suppress(KafkaError):
                if hasattr(client, "flush"):
                    # Even close(timeout=0) flushes, raises what that raises, and then stays open: its thread goes on,
                    # and __del__ tries again and prints a traceback into whatever cell runs by then.
                    client.flush = _nothing
                    client.close(timeout=0)
                else:
                    client.close()

    def topics(self) -> set[str]:
        """The names of all topics."""
        with kafka_utils.admin() as admin:
            return set(admin.list_topics())

    def require_topic(self, topic: str, repair: str) -> None:
        """See that a topic is there that the answer does not make itself.

        Raises:
            LabError: it is missing; that is no fault of the answer.
        """
        if topic not in self.topics():
            raise LabError(f"The topic {topic} is missing.", repair)

    def create_topic(self, topic: str, partitions: int, **configs: str) -> None:
        """Create a topic for a check and wait until it can be used. `_` in the name of a setting stands for a dot."""
        named = {name.replace("_", "."): value for name, value in configs.items()}
        with kafka_utils.admin() as admin:
            admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1, "configs": named}})
            admin.wait_for_topics([topic])

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        with kafka_utils.admin() as admin:
            return len(admin.describe_topics([topic])[0]["partitions"])

    def setting(self, topic: str, name: str) -> str | None:
        """A setting of a topic, as the broker applies it."""
        from kafka.admin import ConfigResource, ConfigResourceType

        with kafka_utils.admin() as admin:
            resource = ConfigResource(ConfigResourceType.TOPIC, topic)
            found = admin.describe_configs([resource], config_filter="all")["topic"][topic]
        return str(found[name]["value"]) if name in found else None

    def end_offsets(self, topic: str) -> dict[int, int]:
        """Partition → the offset of the next record, in the order of the partitions."""
        return {partition: offset for (_, partition), offset in sorted(kafka_utils.end_offsets([topic]).items())}

    def send(self, topic: str, records: Sequence[tuple[int, bytes | None, bytes, int]]) -> list[Seen]:
        """Write records (partition, key, value, milliseconds since 1970) and say where they lie."""
        producer = kafka_utils.make_producer()
        try:
            futures = [
                producer.send(topic, key=key, value=value, partition=partition, timestamp_ms=moment)
                for partition, key, value, moment in records
            ]
            places = [future.get(READ_SECONDS) for future in futures]
        finally:
            producer.close()
        return [
            Seen(place.partition, place.offset, key, value, moment)
            for place, (_, key, value, moment) in zip(places, records, strict=True)
        ]

    def records(self, topic: str) -> list[Seen]:
        """All records of a topic, by partition and offset.

        Raises:
            LabError: they could not be read in time.
        """
        ends = self.end_offsets(topic)
        consumer = kafka_utils.make_consumer()
        try:
            places = [TopicPartition(topic, partition) for partition in ends]
            consumer.assign(places)
            consumer.seek_to_beginning(*places)
            found: list[Seen] = []
            deadline = time.monotonic() + READ_SECONDS
            while any(consumer.position(place) < ends[place.partition] for place in places):
                if time.monotonic() > deadline:
                    raise LabError(f"The records of {topic} could not be read in time.", "See `lab status`.")
                for batch in consumer.poll(timeout_ms=200).values():
                    found += [Seen(r.partition, r.offset, r.key, r.value, r.timestamp) for r in batch]
        finally:
            consumer.close()
        return sorted(found, key=lambda seen: (seen.partition, seen.offset))

    def committed(self, group: str, topic: str) -> dict[int, int | None]:
        """Partition → the offset that a group has committed."""
        consumer = KafkaConsumer(bootstrap_servers=self.address, group_id=group, enable_auto_commit=False)
        try:
            return {
                partition: consumer.committed(TopicPartition(topic, partition))
                for partition in sorted(self.end_offsets(topic))
            }
        finally:
            consumer.close()

    def commit(self, group: str, topic: str, offsets: dict[int, int]) -> None:
        """Commit offsets for a group that has no members."""
        from kafka.structs import OffsetAndMetadata

        consumer = KafkaConsumer(bootstrap_servers=self.address, group_id=group, enable_auto_commit=False)
        try:
            wanted = {
                TopicPartition(topic, partition): OffsetAndMetadata(offset, "", -1)
                for partition, offset in offsets.items()
            }
            consumer.assign(list(wanted))
            consumer.commit(wanted)
        finally:
            consumer.close()


def _nothing(timeout: float | None = None) -> None:
    """Takes the place of `flush` in a producer that is thrown away."""


class Tables:
    """Questions to PostgreSQL, as the reader of the dashboards."""

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with db_utils.cursor("lab_reader") as cursor:
            cursor.execute(query, tuple(parameters))
            return list(cursor.fetchall())

    def count(self, table: str) -> int:
        """How many rows a table has.

        Raises:
            LabError: there is no such table.
        """
        from psycopg2 import sql

        if not self.exists(table):
            raise LabError(f"The table {table} is missing.", "Create the lab's tables with: lab up")
        with db_utils.cursor("lab_reader") as cursor:
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
            return int(cursor.fetchone()[0])

    def exists(self, table: str) -> bool:
        """Whether there is a table or view of that name."""
        return bool(self.rows("SELECT to_regclass(%s) IS NOT NULL", [table])[0][0])
