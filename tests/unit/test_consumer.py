"""The plain consumer's verdict on one record, as the CSV line that COPY reads."""

from typing import Any

import pytest
from kafka.consumer.fetcher import ConsumerRecord

from lab_utils.consumers.postgres_consumer import csv_line
from lab_utils.ticks import CRYPTO


def dead_letter(*headers: tuple[str, bytes | None], value: bytes | None = b"rubbish") -> Any:
    """A record of a dead-letter topic."""
    fields = dict.fromkeys(ConsumerRecord._fields)
    place = {"topic": CRYPTO.dead_letter_topic, "partition": 2, "offset": 7, "timestamp": 1_700_000_000_000}
    return ConsumerRecord(**{**fields, **place, "value": value, "headers": list(headers)})


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param([("source", b"x"), ("reason", b"price: missing")], "price: missing", id="a reason"),
        pytest.param([], "dead letter without a reason", id="no headers"),
        pytest.param([("reason", None)], "dead letter without a reason", id="a header without a value"),
        pytest.param([("reason", b"")], "", id="an empty reason"),
        pytest.param([("reason", b"\xff")], "\N{REPLACEMENT CHARACTER}", id="a reason that is no text"),
        pytest.param([("reason", b'a "b"\0')], 'a ""b""', id="quotes and a zero byte"),
    ],
)
def test_a_dead_letter_keeps_the_reason_in_its_headers(headers: list[tuple[str, bytes | None]], reason: str) -> None:
    assert csv_line(dead_letter(*headers)) == (
        "dead_letters",
        f'crypto_topic.dlq,2,7,\\x{b"rubbish".hex()},"{reason}"\n',
    )


def test_a_dead_letter_without_a_value_has_an_empty_field() -> None:
    assert csv_line(dead_letter(value=None))[1] == 'crypto_topic.dlq,2,7,,"dead letter without a reason"\n'
