"""`lab dead-letters`: what a producer could not use is listed, shown, repaired and sent once."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab_utils import cli, dead_letters, kafka_utils
from lab_utils.errors import LabError
from lab_utils.ticks import CRYPTO, STOCKS
from lab_utils.torture.campaign import empty_everything
from lab_utils.waiting import wait_until
from tests.labs import Lab
from tests.servers.records import Message, at, contents, send, tick_json
from tests.servers.test_consumer import consume_once
from tests.servers.test_produce import records

NO_PRICE = tick_json(price="abc")
NO_CURRENCY = tick_json("ETH", currency="")
RUBBISH = b'"rubbish, \xff'


@pytest.fixture
def bad_lab(running_lab: Lab, tmp_path: Path) -> Lab:
    """A lab whose producer met three bad lines between two good ones."""
    feed = tmp_path / "feed.jsonl"
    lines = [tick_json(), NO_PRICE, NO_CURRENCY, NO_CURRENCY, RUBBISH, tick_json(event_time=at(1))]
    feed.write_bytes(b"\n".join(lines) + b"\n")
    done = running_lab.run("produce", "crypto", "--feed", f"file:{feed}", "--speed", "max", "--json")
    assert json.loads(done.stdout) == {"acknowledged": 6, "rejected": 4, "undelivered": 0}, done.stderr
    return running_lab


def lab(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and complaints of a command, run in this process."""
    code = cli.main(["dead-letters", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    code, printed, _ = lab(capsys, "list", "--json")
    assert code == 0
    return [json.loads(line) for line in printed.splitlines()]


def name_of(capsys: pytest.CaptureFixture[str], raw: bytes) -> str:
    return next(str(one["name"]) for one in listed(capsys) if one.get("raw") == raw.decode())


def test_they_are_listed_by_reason_with_their_number(bad_lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    counted = dead_letters.counts(dead_letters.read_all(), set())
    assert [(reason.split(":")[0], count, sent) for reason, count, sent, _ in counted] == [
        ("currency", 2, 0),
        ("not UTF-8", 1, 0),
        ("price", 1, 0),
    ]
    code, printed, _ = lab(capsys, "list")
    assert code == 0
    assert "currency: not a" in printed
    assert all(newest in printed for *_, newest in counted)
    code, printed, _ = lab(capsys, "list", "--each")
    assert printed.count("crypto_topic.dlq:") == 4


def test_one_is_shown_with_its_headers_and_its_bytes(bad_lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = lab(capsys, "show", name_of(capsys, NO_PRICE))
    assert code == 0
    assert NO_PRICE.decode() in printed.splitlines()
    assert "source: producer" in printed
    assert "exception: InvalidTickError" in printed
    assert "key: BTC" in printed
    rubbish = next(one["name"] for one in listed(capsys) if "raw_base64" in one)
    assert '"rubbish, \\xff' in lab(capsys, "show", rubbish)[1]


def test_a_repaired_one_is_sent_once_however_often_it_is_replayed(
    bad_lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    name = name_of(capsys, NO_PRICE)
    for expected in ("1 sent, 0 had been replayed before.", "0 sent, 1 had been replayed before."):
        code, printed, _ = lab(capsys, "replay", name, "--set", "price=0.000000012345")
        assert (code, printed.strip()) == (0, expected)
    (sent,) = [record for record in records(CRYPTO.topic) if record.headers]
    assert dict(sent.headers) == {"replayed-from": name.encode(), "repaired": b"price"}
    value = json.loads(sent.value, parse_float=str)
    assert (sent.key, value["symbol"], value["event_time"]) == (b"BTC", "BTC", at(0)[:-4] + "Z")
    assert float(value["price"]) == 1.2345e-08
    assert [one["replayed"] for one in listed(capsys) if one["name"] == name] == [True]
    consume_once(bad_lab)
    found = contents()
    assert len(found.ticks) == 3
    assert len(found.dead_letters) == 4


def test_a_replay_is_known_in_partitions_that_were_added_later(
    bad_lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    del bad_lab
    try:
        with kafka_utils.admin() as admin:
            admin.create_partitions({CRYPTO.topic: 12})
        wait_until(lambda: len(kafka_utils.end_offsets([CRYPTO.topic])) == 12, 20, "the new partitions")
        replay = ("replay", "--reason", "currency", "--set", "currency=EUR", "--set", "symbol=XRP")
        assert lab(capsys, *replay)[1].strip() == "2 sent, 0 had been replayed before."
        ends = kafka_utils.end_offsets([CRYPTO.topic])
        assert sum(end for (_, partition), end in ends.items() if partition >= kafka_utils.PARTITIONS) == 2
        assert lab(capsys, *replay)[1].strip() == "0 sent, 2 had been replayed before."
    finally:
        empty_everything()


def test_all_of_one_reason_are_repaired_at_once(bad_lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = lab(capsys, "replay", "--reason", "currency", "--set", "currency=EUR", "--json")
    assert (code, len(json.loads(printed)["sent"])) == (0, 2)
    sent = [json.loads(record.value) for record in records(CRYPTO.topic) if record.headers]
    assert [(value["symbol"], value["currency"]) for value in sent] == [("ETH", "EUR")] * 2


def test_a_file_that_was_edited_is_sent_and_may_be_sent_again(
    bad_lab: Lab, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(lab(capsys, "list", "--json")[1].replace("abc", "7.50"))
    code, printed, complaints = lab(capsys, "replay", "--from", str(file))
    assert (code, printed.strip()) == (1, "1 sent, 0 had been replayed before.")
    assert complaints.count("is still no tick: currency: not a short name") == 2
    assert lab(capsys, "replay", "--from", str(file))[1].strip() == "0 sent, 1 had been replayed before."
    (sent,) = [record for record in records(CRYPTO.topic) if record.headers]
    assert json.loads(sent.value, parse_float=str)["price"] == "7.50"


def test_what_is_still_no_tick_stays_and_is_named(bad_lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    before = len(records(CRYPTO.topic))
    code, printed, complaints = lab(capsys, "replay", "--all")
    assert (code, printed.strip()) == (1, "0 sent, 0 had been replayed before.")
    assert complaints.count("is still no tick:") == 4
    assert len(records(CRYPTO.topic)) == before


def test_a_record_that_is_no_json_can_be_given_all_its_fields(
    running_lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    send([Message(STOCKS.dead_letter_topic, b"AAPL;1;2", b"AAPL", (("reason", b"not a JSON object"),))])
    given = ("--set", "price=1", "--set", "currency=USD", "--set", f"event_time={at(0)}")
    assert lab(capsys, "replay", "--all", *given)[0] == 0
    (sent,) = records(STOCKS.topic)
    value = json.loads(sent.value)
    assert (value["symbol"], value["source"], value["version"]) == ("AAPL", "replay", 1)


def test_without_dead_letters_nothing_is_done(running_lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab(capsys, "list")[1].strip() == "There are no dead letters."
    assert lab(capsys, "replay", "--all")[1].strip() == "0 sent, 0 had been replayed before."


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "crypto_topic.dlq:0:99"), "There is no dead letter crypto_topic.dlq:0:99."),
        (("replay",), "Which dead letters?"),
        (("replay", "--all", "--reason", "x"), "Which dead letters?"),
        (("replay", "--all", "--set", "prise=1"), "'prise=1' sets no field of a tick."),
        (("replay", "--from", "nowhere.jsonl"), "nowhere.jsonl cannot be read"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    running_lab: Lab, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    code, printed, complaints = lab(capsys, *arguments)
    assert (code, printed, len(complaints.splitlines())) == (1, "", 2)
    assert says in complaints


def test_a_line_that_is_no_dead_letter_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"name": "a", "raw": "b"}\n\n{"raw": "b"}\n')
    with pytest.raises(LabError, match="Line 2 of"):
        dead_letters.read_repairs(tmp_path / "bad.jsonl")
