"""Send what a feed yields, and count what the broker acknowledged."""

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from lab_utils import kafka_utils
from lab_utils.feeds.file_feed import Rejected
from lab_utils.ticks import Asset, Tick, tick_json

log = logging.getLogger(__name__)

FLUSH_SECONDS = 30


class Delivery:
    """What became of the records of one producer. Callbacks run on the producer's own thread, hence the lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.sent = 0
        self.acknowledged = 0
        self.rejected = 0
        """Of the acknowledged, those that went to the dead-letter topic."""
        self.failed = 0
        self.first_error: str | None = None

    def succeeded(self, _metadata: object, *, rejected: bool) -> None:
        """The broker has one more record."""
        with self._lock:
            self.acknowledged += 1
            self.rejected += rejected

    def failed_with(self, error: BaseException) -> None:
        """The broker did not take a record, and the producer has given up on it."""
        with self._lock:
            self.failed += 1
            if self.first_error is None:
                self.first_error = f"{type(error).__name__}: {error}"
                log.error("event=delivery_failed error=%r", self.first_error)

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
    asset: Asset, feed: Iterable[Tick | Rejected], on_progress: Callable[[Delivery], None] | None = None
) -> Delivery:
    """Send ticks to the topic of `asset`, keyed by symbol, and what is no tick to its dead-letter topic.

    Returns when the feed ends and the broker has answered for each record.

    Raises:
        LabError: the broker does not run.
    """
    delivery = Delivery()
    producer = kafka_utils.make_producer()
    try:
        for item in feed:
            _send(producer, asset, item, delivery)
            if on_progress is not None:
                on_progress(delivery)
    finally:
        # Also when the feed raised: what was accepted until then is delivered.
        try:
            producer.flush(timeout=FLUSH_SECONDS)
        finally:
            producer.close(timeout=FLUSH_SECONDS)
        log.info("event=producer_ended topic=%s %s", asset.topic, delivery.as_dict())
    return delivery


def _send(producer: Any, asset: Asset, item: Tick | Rejected, delivery: Delivery) -> None:
    delivery.sent += 1
    if isinstance(item, Tick):
        future = producer.send(asset.topic, key=item.symbol.encode(), value=tick_json(item))
    else:
        future = producer.send(
            asset.dead_letter_topic,
            key=item.key.encode() if item.key else None,
            value=item.raw,
            headers=[
                ("reason", item.reason.encode()),
                ("source", b"producer"),
                ("exception", b"InvalidTickError"),
            ],
        )
    rejected = not isinstance(item, Tick)
    future.add_callback(lambda metadata: delivery.succeeded(metadata, rejected=rejected))
    future.add_errback(delivery.failed_with)
