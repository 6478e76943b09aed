"""Pictures that need no server."""

import json
from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.teaching.pictures import checkpoint_bars


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
