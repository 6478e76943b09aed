"""From sending an event to its row being visible, at several rates, for each way through the lab."""

import dataclasses
import json
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from kafka import TopicPartition

from benchmarks import stack
from benchmarks.child import await_rows, running
from benchmarks.traffic import send_steadily
from lab_utils import db_utils, kafka_utils
from lab_utils.servers import kafka_server
from lab_utils.settings import settings
from lab_utils.streaming.pipeline import read_topics
from lab_utils.streaming.session import get_spark
from lab_utils.ticks import CRYPTO
from lab_utils.waiting import wait_until

RATES = (100, 1_000, 10_000)
WARM_UP_SECONDS = 20
OUT_TOPIC = "bench_out"
REAL_TIME_SLOTS = kafka_utils.PARTITIONS + 1
"""Real-time mode keeps one task running for each partition; with fewer slots it leaves partitions unread, without an error."""


@dataclasses.dataclass(frozen=True)
class Latency:
    """Milliseconds from sending to visible, of all messages at one rate."""

    path: str
    rate: int
    messages: int
    p50: float
    p99: float
    worst: float


def measure(rates: Sequence[int], seconds: float, say: Callable[[str], None]) -> list[Latency]:
    """Each path at each rate for `seconds`."""
    found = []
    for path, command in (("micro-batches (lab stream)", "stream"), ("plain consumer (lab consume)", "consume")):
        stack.empty_topics()
        with running(command):
            send_steadily(rates[0], 1, "first")
            await_rows("first", 1)
            send_steadily(1_000, WARM_UP_SECONDS, "warm-up")
            for rate in rates:
                found.append(_to_table(path, rate, seconds))
                say(str(found[-1]))
    found += _real_time(rates, seconds, say)
    return found


def _to_table(path: str, rate: int, seconds: float) -> Latency:
    source = f"rate-{rate}"
    count = send_steadily(rate, seconds, source)
    await_rows(source, count)
    with db_utils.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - ingest_time) * 1000 "
            f"FROM {CRYPTO.table} WHERE source = %s",
            (source,),
        )
        return _summary(path, rate, [float(value) for (value,) in cursor.fetchall()])


def _summary(path: str, rate: int, milliseconds: list[float]) -> Latency:
    cuts = statistics.quantiles(milliseconds, n=100, method="inclusive")
    worst = max(milliseconds)
    return Latency(path, rate, len(milliseconds), round(cuts[49], 1), round(cuts[98], 1), round(worst, 1))


def _real_time(rates: Sequence[int], seconds: float, say: Callable[[str], None]) -> list[Latency]:
    """Kafka → Kafka in Spark's real-time mode, which cannot feed a foreachBatch sink."""
    path = "real-time mode (Kafka to Kafka)"
    stack.empty_topics()
    _make_out_topic()
    spark = get_spark("bench", **{"spark.master": f"local[{REAL_TIME_SLOTS}]"})
    found = []
    try:
        query = (
            read_topics(spark, (CRYPTO.topic,))
            .select("key", "value")
            .writeStream.format("kafka")
            .option("kafka.bootstrap.servers", kafka_server.bootstrap_servers())
            .option("topic", OUT_TOPIC)
            .option("checkpointLocation", str(settings().checkpoints_dir / "real_time"))
            .outputMode("update")
            .trigger(realTime="30 seconds")  # type: ignore[call-overload]  # pyspark's stubs do not know it yet
            .start()
        )
        count = send_steadily(1_000, WARM_UP_SECONDS, "warm-up")
        _await_copies(count)
        for rate in rates:
            before = _copied()
            sent = send_steadily(rate, seconds, f"rate-{rate}")
            _await_copies(before + sent)
            found.append(_summary(path, rate, _copied_latencies(f"rate-{rate}")))
            say(str(found[-1]))
        query.stop()
    finally:
        spark.stop()
    return found


def _make_out_topic() -> None:
    with kafka_utils.admin() as client:
        settings_of = {"num_partitions": kafka_utils.PARTITIONS, "replication_factor": 1}
        if OUT_TOPIC not in client.list_topics():
            client.create_topics({OUT_TOPIC: {**settings_of, "configs": kafka_utils.TOPIC_SETTINGS}})
            client.wait_for_topics([OUT_TOPIC])


def _await_copies(count: int) -> None:
    wait_until(lambda: _copied() >= count, 120, "real-time mode to copy", every=0.5)


def _copied() -> int:
    return sum(kafka_utils.end_offsets([OUT_TOPIC]).values())


def _copied_latencies(source: str) -> list[float]:
    """From the time in the message to the time at which the broker took the copy."""
    consumer: Any = kafka_utils.make_consumer()
    found = []
    try:
        ends = {TopicPartition(*place): end for place, end in kafka_utils.end_offsets([OUT_TOPIC]).items()}
        consumer.assign(list(ends))
        consumer.seek_to_beginning()
        while any(consumer.position(place) < end for place, end in ends.items()):
            for records in consumer.poll(timeout_ms=1000).values():
                for record in records:
                    tick = json.loads(record.value)
                    if tick["source"] == source:
                        sent = datetime.fromisoformat(tick["ingest_time"]).astimezone(UTC)
                        found.append(record.timestamp - sent.timestamp() * 1000)
    finally:
        consumer.close()
    return found
