"""The producer that the torture kills: sends numbered messages and notes each one that Kafka acknowledged.

It reads its orders from standard input, a line each: `go`, and `pause`, which it answers with a line when everything
sent so far is acknowledged. Acknowledgements are appended to a file at once, so that a kill loses none of them.
"""

import argparse
import contextlib
import os
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from kafka.errors import KafkaError

from lab_utils import kafka_utils
from lab_utils.torture.messages import message

SLICE = 0.02
"""Seconds between two looks at the clock."""
FLUSH_SECONDS = 120


def main() -> None:
    """Send until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--first", type=int, required=True, help="number of the first message")
    parser.add_argument("--rate", type=int, required=True, help="messages a second")
    parser.add_argument("--begin", type=datetime.fromisoformat, required=True, help="event time of message 0")
    parser.add_argument("--acknowledged", type=Path, required=True, help="file of the numbers Kafka has taken")
    given = parser.parse_args()
    producer = kafka_utils.make_producer(linger_ms=2)
    noted = os.open(given.acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    flowing, ended, lock = threading.Event(), threading.Event(), threading.Lock()
    flowing.set()

    def obey() -> None:
        for order in sys.stdin:
            if order.strip() == "go":
                flowing.set()
            else:
                flowing.clear()
                with lock, contextlib.suppress(KafkaError):  # what was not acknowledged is not noted either
                    producer.flush(timeout=FLUSH_SECONDS)
                print("paused", flush=True)
        ended.set()

    threading.Thread(target=obey, daemon=True).start()
    number, due = given.first, time.monotonic()
    while not ended.is_set():
        if not flowing.wait(0.1):
            due = time.monotonic()
            continue
        with lock:
            for _ in range(max(1, round(given.rate * SLICE))):
                _send(producer, number, given.begin, noted)
                number += 1
        due += SLICE
        time.sleep(max(0.0, due - time.monotonic()))
    producer.close()


def _send(producer: Any, number: int, begin: datetime, noted: int) -> None:
    made = message(number, begin)
    line = b"%d\n" % number
    sent = producer.send(made.topic, key=made.key, value=made.value, headers=list(made.headers))
    sent.add_callback(lambda _metadata: os.write(noted, line))


if __name__ == "__main__":
    main()
