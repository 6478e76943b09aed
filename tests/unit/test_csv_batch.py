"""Any record as the CSV line that COPY reads."""

from datetime import UTC, datetime

import pytest

from lab_utils.streaming.csv_batch import Record, csv_batch
from lab_utils.ticks import CRYPTO


def line_of(*headers: tuple[str, bytes | None], value: bytes | None = b"rubbish") -> str:
    """The line of a record of a dead-letter topic."""
    record = Record(CRYPTO.dead_letter_topic, 2, 7, datetime(2026, 11, 2, tzinfo=UTC), value, headers)
    return csv_batch([record]).lines["dead_letters"].decode()


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
    assert line_of(*headers) == f'crypto_topic.dlq,2,7,\\x{b"rubbish".hex()},"{reason}"\n'


def test_a_dead_letter_without_a_value_has_an_empty_field() -> None:
    assert line_of(value=None) == 'crypto_topic.dlq,2,7,,"dead letter without a reason"\n'
