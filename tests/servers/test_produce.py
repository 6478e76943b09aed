"""`lab produce` on a real broker: what a recording holds is in the topic, keyed, in order and to the digit."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lab_utils import kafka_utils
from lab_utils.ticks import CRYPTO, STOCKS, Asset
from tests.labs import Lab

TRADES = """trade_id,timestamp_ms,price,amount
1,1570752000123,0.00140112,12.5
2,1570752000999,0.0014011,0.30
3,1570752060000,abc,1
4,1570752061000,1.40e-3,7
"""
MAPPED = ("--columns", "event_time=timestamp_ms,price=price,size=amount", "--symbol", "XRP", "--currency", "ETH")


def records(*topics: str) -> list[Any]:
    """All records of the topics, in the order of each partition."""
    goal = {part: end for part, end in kafka_utils.end_offsets(topics).items() if end}
    consumer = kafka_utils.make_consumer(*topics)
    found: list[Any] = []
    try:
        while len(found) < sum(goal.values()):
            found += [record for part in consumer.poll(timeout_ms=1000).values() for record in part]
    finally:
        consumer.close()
    return sorted(found, key=lambda record: (record.topic, record.partition, record.offset))


def test_a_csv_with_other_column_names_arrives_to_the_digit(running_lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "trades.csv").write_text(TRADES)
    feed = f"file:{tmp_path / 'trades.csv'}"
    done = running_lab.run("produce", "crypto", "--feed", feed, *MAPPED, "--speed", "max", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"acknowledged": 4, "rejected": 1, "undelivered": 0}
    ticks = records(CRYPTO.topic)
    assert {record.key for record in ticks} == {b"XRP"}
    values = [json.loads(record.value, parse_float=Decimal) for record in ticks]
    assert [str(value["price"]) for value in values] == ["0.00140112", "0.0014011", "0.00140"]
    assert [value["event_time"] for value in values] == [
        "2019-10-11T00:00:00.123Z",
        "2019-10-11T00:00:00.999Z",
        "2019-10-11T00:01:01.000Z",
    ]
    (dead,) = records(CRYPTO.dead_letter_topic)
    assert (dead.key, dead.value) == (b"XRP", b"3,1570752060000,abc,1")
    assert dict(dead.headers)["reason"].startswith(b"price: not a positive number")


@pytest.mark.parametrize(
    ("module", "asset"), [("producer_crypto", CRYPTO), ("producer_stocks", STOCKS)], ids=["crypto", "stocks"]
)
def test_a_producer_runs_as_a_module_and_keeps_each_symbols_order(running_lab: Lab, module: str, asset: Asset) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"lab_utils.producers.{module}", "--speed", "max", "--json"],
        env=running_lab.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sent = records(asset.topic)
    assert len(sent) == json.loads(done.stdout)["acknowledged"] > 10_000
    places: dict[bytes, set[int]] = {}
    for record in sent:
        places.setdefault(record.key, set()).add(record.partition)
    assert len(places) == 5
    assert all(len(partitions) == 1 for partitions in places.values())
