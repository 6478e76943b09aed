"""Send what a feed yields, keep it while Kafka is away, and count what the broker acknowledged.

kafka-python holds what it cannot send yet, without a bound. The bound is here: when so much is held, the next
record of the feed is not asked for until the broker has taken some. A record that Kafka has not acknowledged within
`LAB_KAFKA_PATIENCE_SECONDS` is given up and counted. It is never sent a second time from here: that would be another
record for the broker, which knows its own producer's repeats only.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import monotonic
from typing import Any

from kafka.errors import KafkaError

from lab_utils import kafka_utils
from lab_utils.feeds.file_feed import Rejected
from lab_utils.producers import notes
from lab_utils.settings import settings
from lab_utils.ticks import Asset, Tick, tick_json

log = logging.getLogger(__name__)

FLUSH_SECONDS = 30
"""At the end: for how long the broker may acknowledge nothing before what is left is given up."""
AWAY_SECONDS = 3.0
"""A broker that has acknowledged nothing for so long, with records waiting, is called away."""
_LOOK_SECONDS = 0.5
_OVERHEAD = 100
"""Bytes that a held record takes besides key, value and headers."""


class Delivery:
    """What became of the records of one producer. Callbacks run on the producer's own thread, hence the lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._held: OrderedDict[int, tuple[int, float]] = OrderedDict()
        """Of each record without an answer: its size, and when it was sent."""
        self.held_bytes = 0
        self.sent = 0
        self.acknowledged = 0
        self.rejected = 0
        """Of the acknowledged, those that went to the dead-letter topic."""
        self.failed = 0
        self.first_error: str | None = None
        self._answered_at = monotonic()
        self._away_since: float | None = None
        self.received_at: float | None = None
        """When the last record came from the feed, in seconds since 1970."""

    def hold(self, size: int) -> int:
        """One more record is on its way; its number."""
        with self._lock:
            self.sent += 1
            self.received_at = time.time()
            self._held[self.sent] = size, monotonic()
            self.held_bytes += size
            return self.sent

    def succeeded(self, _metadata: object, *, rejected: bool, number: int = 0) -> None:
        """The broker has one more record."""
        with self._lock:
            self.acknowledged += 1
            self.rejected += rejected
            self._let_go(number)
            self._answered_at = monotonic()
            if self._away_since is not None:
                seconds = monotonic() - self._away_since
                self._away_since = None
                log.warning("event=broker_back after_s=%.1f held_records=%d", seconds, len(self._held))

    def failed_with(self, error: BaseException, *, number: int = 0) -> None:
        """The broker did not take a record, and the producer has given up on it."""
        with self._lock:
            self.failed += 1
            self._let_go(number)
            if self.first_error is None:
                self.first_error = f"{type(error).__name__}: {error}"
                log.error("event=delivery_failed error=%r", self.first_error)

    def _let_go(self, number: int) -> None:
        size, _ = self._held.pop(number, (0, 0.0))
        self.held_bytes -= size
        self._changed.notify_all()

    def look(self) -> None:
        """Say once that the broker is away, when it has not answered for long."""
        with self._lock:
            if self._away_since is not None or not self._held:
                return
            _, sent_at = next(iter(self._held.values()))
            waiting_since = max(sent_at, self._answered_at)
            if monotonic() - waiting_since >= AWAY_SECONDS:
                self._away_since = waiting_since
                log.warning(
                    "event=broker_away held_records=%d patience_s=%d",
                    len(self._held),
                    settings().kafka_patience_seconds,
                )

    def await_room(self, most: int, stopped: threading.Event | None) -> None:
        """Wait until less than `most` bytes are held, or `stopped` is set."""
        with self._lock:
            if self.held_bytes < most:
                return
            log.warning("event=buffer_full held_records=%d held_bytes=%d", len(self._held), self.held_bytes)
            while self.held_bytes >= most:
                if stopped is not None and stopped.is_set():
                    return
                self._changed.wait(_LOOK_SECONDS)
            log.warning("event=buffer_has_room held_records=%d", len(self._held))

    @property
    def undelivered(self) -> int:
        """Records that were sent and never acknowledged."""
        return self.sent - self.acknowledged

    def as_dict(self) -> dict[str, int]:
        """The counts, for a summary."""
        return {
            "acknowledged": self.acknowledged,
            "rejected": self.rejected,
            "undelivered": self.undelivered,
        }


def deliver(
    asset: Asset,
    feed: Iterable[Tick | Rejected],
    on_progress: Callable[[Delivery], None] | None = None,
    stopped: threading.Event | None = None,
) -> Delivery:
    """Send ticks to the topic of `asset`, keyed by symbol, and what is no tick to its dead-letter topic.

    Returns when the feed ends and the broker has answered for each record, or for none in `FLUSH_SECONDS`.

    Args:
        asset: what the feed tells of.
        feed: is asked for its next record only when there is room for it.
        on_progress: called after each record.
        stopped: when it is set, the feed is expected to end.

    Raises:
        LabError: the broker does not run, or as the feed raises.
    """
    delivery = Delivery()
    producer = kafka_utils.make_producer(
        delivery_timeout_ms=settings().kafka_patience_seconds * 1000,
        reconnect_backoff_max_ms=2000,  # the default, 30 s, is how long a broker that is back would be waited for
    )
    most = settings().producer_buffer_mb * 1_000_000
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(asset, delivery, ended), name="broker-watch", daemon=True)
    watcher.start()
    try:
        for item in feed:
            _send(producer, asset, item, delivery)
            if on_progress is not None:
                on_progress(delivery)
            delivery.await_room(most, stopped)
    finally:
        # Also when the feed raised: what was accepted until then is delivered.
        _finish(producer, delivery)
        ended.set()
        watcher.join()
        log.info("event=producer_ended topic=%s %s", asset.topic, delivery.as_dict())
    return delivery


def _finish(producer: Any, delivery: Delivery) -> None:
    """Wait for the answers that are missing; what has none in time is counted as undelivered, not an error."""
    acknowledged = -1
    while delivery.acknowledged > acknowledged:
        acknowledged = delivery.acknowledged
        try:
            producer.flush(timeout=FLUSH_SECONDS)
        except KafkaError as error:
            log.error("event=flush_failed error=%s undelivered=%d", type(error).__name__, delivery.undelivered)
        else:
            break
    with suppress(KafkaError):  # close waits for the same answers once more
        producer.close(timeout=1 if delivery.undelivered else FLUSH_SECONDS)


def _watch(asset: Asset, delivery: Delivery, ended: threading.Event) -> None:
    with notes.NoteFile(asset) as note_file:
        while not ended.wait(_LOOK_SECONDS):
            delivery.look()
            note_file.write(delivery.sent, delivery.undelivered, delivery.received_at)


def _send(producer: Any, asset: Asset, item: Tick | Rejected, delivery: Delivery) -> None:
    topic, key, value, headers = asset.topic, None, b"", []
    rejected = not isinstance(item, Tick)
    if isinstance(item, Tick):
        key, value = item.symbol.encode(), tick_json(item)
    else:
        # JSON may name half of a character (\ud800), which has no bytes.
        key = item.key.encode(errors="replace") if item.key else None
        topic, value = asset.dead_letter_topic, item.raw
        headers = [
            ("reason", item.reason.encode(errors="replace")),
            ("source", b"producer"),
            ("exception", b"InvalidTickError"),
        ]
    number = delivery.hold(len(value) + len(key or b"") + _OVERHEAD)
    try:
        future = producer.send(topic, key=key, value=value, headers=headers)
    except KafkaError as error:  # too large for the broker, or its topics are not to be had
        delivery.failed_with(error, number=number)
        return
    future.add_callback(lambda metadata: delivery.succeeded(metadata, rejected=rejected, number=number))
    future.add_errback(lambda error: delivery.failed_with(error, number=number))
