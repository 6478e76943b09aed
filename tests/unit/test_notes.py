"""What a running producer says of itself, and what is left of one that was killed."""

import os
import time
from pathlib import Path

import pytest

from lab_utils.producers.notes import SILENT_SECONDS, Note, NoteFile, running_producers
from lab_utils.ticks import CRYPTO, STOCKS


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    return tmp_path / "producers"


def test_producers_that_run_are_known_until_they_end() -> None:
    with NoteFile(CRYPTO) as coins, NoteFile(STOCKS) as shares:
        coins.write(10, 2, 1_764_000_000.5)
        shares.write(0, 0, None)
        coins.write(11, 1, 1_764_000_001.5)
        assert running_producers() == [Note("crypto", 11, 1, 1_764_000_001.5), Note("stock", 0, 0, None)]
    assert running_producers() == []


def test_a_producer_that_fell_silent_runs_no_more_and_its_file_goes_with_the_next_one(folder: Path) -> None:
    left = folder / "crypto-1.json"
    with NoteFile(CRYPTO) as killed:
        killed.write(5, 0, 1.0)
        os.link(folder / f"crypto-{os.getpid()}.json", left)
    then = time.time() - SILENT_SECONDS - 1
    os.utime(left, (then, then))
    assert running_producers() == []
    with NoteFile(STOCKS) as shares:
        shares.write(1, 0, 1.0)
        assert [note.asset for note in running_producers()] == ["stock"]
        assert not left.exists()


def test_a_file_that_is_no_note_is_passed_over(folder: Path) -> None:
    with NoteFile(CRYPTO) as coins:
        coins.write(1, 0, 1.0)
        (folder / "crypto-2.json").write_text("{")
        (folder / "crypto-3.json").write_text('{"asset": "crypto"}')
        (folder / "crypto-4.json").write_text("[]")
        assert [note.received for note in running_producers()] == [1]
