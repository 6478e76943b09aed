"""Students' copies of the exercises, through the command line, without servers."""

import json
from pathlib import Path

import pytest

from lab_utils.cli import main
from lab_utils.settings import ROOT, settings
from lab_utils.teaching import records
from lab_utils.teaching.outcomes import Outcome


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lab's own course, with a work folder of the test's own."""
    monkeypatch.setenv("LAB_WORK_DIR", str(tmp_path / "work"))
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "work"


SHIPPED = ROOT / "exercises" / "01_kafka.ipynb"


def test_start_copies_the_exercises(work: Path) -> None:
    assert main(["exercise", "start", "01"]) == 0
    assert (work / "01_kafka.ipynb").read_bytes() == SHIPPED.read_bytes()


def test_start_never_overwrites_work(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["exercise", "start", "1"])
    (work / "01_kafka.ipynb").write_text("mine")
    assert main(["exercise", "start", "01"]) == 0
    assert (work / "01_kafka.ipynb").read_text() == "mine"
    assert "was there already" in capsys.readouterr().out


def test_reset_keeps_the_work_under_another_name(work: Path) -> None:
    for text in ("first", "second"):
        main(["exercise", "start", "01"])
        (work / "01_kafka.ipynb").write_text(text)
        assert main(["exercise", "reset", "01"]) == 0
    assert (work / "01_kafka.ipynb").read_bytes() == SHIPPED.read_bytes()
    assert [(work / f"01_kafka.before-reset-{number}.ipynb").read_text() for number in (1, 2)] == ["first", "second"]


def test_resetting_an_untouched_copy_leaves_no_second_one(work: Path) -> None:
    main(["exercise", "start", "01"])
    main(["exercise", "reset", "01"])
    assert [path.name for path in work.iterdir()] == ["01_kafka.ipynb"]


def test_an_unknown_unit_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exercise", "start", "77"]) == 1
    assert "There is no unit 77. There is: 00_welcome, 01_kafka" in " ".join(capsys.readouterr().err.split()).replace(
        "Error: ", ""
    )


def test_the_list_names_units_and_copies(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["exercise", "start", "01"])
    capsys.readouterr()
    assert main(["exercise", "list", "--json"]) == 0
    units = json.loads(capsys.readouterr().out)
    assert [unit["unit"] for unit in units][:2] == ["00_welcome", "01_kafka"]
    assert main(["exercise", "list"]) == 0
    assert "01_kafka.ipynb" in capsys.readouterr().out


def test_progress_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    records.record_check("00.1", Outcome.PASS, "a")
    assert main(["progress"]) == 0
    said = capsys.readouterr().out
    assert "✓ Passed" in said
    assert "Next: 00.2" in said


def test_the_built_notebooks_are_checked_by_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "--check"]) == 0
    assert "as their sources say" in capsys.readouterr().out


def test_reset_of_a_unit_asks_first(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reset", "01"]) == 1
    assert "lab reset 01 --yes" in capsys.readouterr().err
    assert not work.exists()


def test_reset_of_a_unit_without_servers_restores_the_rest(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = settings().state_dir / "unit01"
    checkpoint = settings().checkpoints_dir / "unit01_candles"
    for path in (folder, checkpoint, settings().checkpoints_dir / "ticks"):
        path.mkdir(parents=True)
    assert main(["reset", "01", "--yes"]) == 0
    assert not folder.exists()
    assert not checkpoint.exists()
    assert (settings().checkpoints_dir / "ticks").exists(), "the pipeline's own checkpoint stays"
    assert (work / "01_kafka.ipynb").exists()
    assert "no topics: Kafka is not running." in capsys.readouterr().out
