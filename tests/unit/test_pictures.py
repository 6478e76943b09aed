"""Pictures that need no server."""

import json
from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.teaching.pictures import Span, checkpoint_bars, draw_copies, draw_spans


def _write(folder: Path, place: str, offsets: dict[str, int]) -> None:
    file = folder / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"v1\n{json.dumps({'ticks': offsets})}", encoding="utf-8")


def test_a_checkpoint_shows_what_each_batch_reads_and_whether_it_was_done(tmp_path: Path) -> None:
    _write(tmp_path, "sources/0/0", {"0": 0, "1": 5})
    _write(tmp_path, "offsets/0", {"0": 10, "1": 5})
    _write(tmp_path, "offsets/1", {"1": 25, "0": 12, "2": 3})
    _write(tmp_path, "offsets/.1.crc", {})
    (tmp_path / "commits").mkdir()
    (tmp_path / "commits" / "0").touch()
    first, second = checkpoint_bars(tmp_path).data
    assert (first.name, second.name) == ("batch 0: done", "batch 1: planned, not done")
    assert first.y == ("ticks, partition 0", "ticks, partition 1", "ticks, partition 2")
    assert (first.base, first.x) == ((0, 5, 0), (10, 0, 0))
    assert (second.base, second.x) == ((10, 5, 0), (2, 20, 3)), "a partition that is new begins at its start"


def test_a_checkpoint_without_a_batch_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="holds no batch"):
        checkpoint_bars(tmp_path)


def test_each_time_that_somebody_had_something_is_a_piece_of_its_row() -> None:
    spans = [Span("b", 0, 2, "ann"), Span("a", 1, 4, "ben"), Span("b", 2, 3, None), Span("b", 3, 4, "ben")]
    figure = draw_spans("title", spans, {"killed": 2})
    pieces = {bar.name: (bar.y, bar.base, bar.x) for bar in figure.data}
    assert pieces == {"ann": (("b",), (0,), (2,)), "ben": (("a", "b"), (1, 3), (3, 1)), "nobody": (("b",), (2,), (1,))}
    assert figure.layout.yaxis.categoryarray == ("b", "a"), "the first row is drawn on top"
    assert [note.text for note in figure.layout.annotations] == ["killed"]


def test_each_copy_leads_or_is_in_sync_or_is_not() -> None:
    partitions = [
        {"partition_index": 1, "leader_id": -1, "replica_nodes": [3], "isr_nodes": []},
        {"partition_index": 0, "leader_id": 2, "replica_nodes": [1, 2, 3], "isr_nodes": [2, 1]},
    ]
    places = {kind.name: tuple(zip(kind.x, kind.y, strict=True)) for kind in draw_copies("title", partitions).data}
    assert places == {
        "leads": (("broker 2", "partition 0"),),
        "in sync": (("broker 1", "partition 0"),),
        "not in sync": (("broker 3", "partition 1"), ("broker 3", "partition 0")),
    }
