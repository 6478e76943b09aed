"""A second lab of a lesson: what it shares with the learner's own, and what it does not."""

from pathlib import Path

import pytest

from lab_utils.settings import settings
from lab_utils.teaching import another_lab


def test_another_lab_has_its_own_state_and_ports_and_shares_downloads_and_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KAFKA_BOOTSTRAP", "somewhere:9092")
    own = settings()
    with another_lab(tmp_path / "second"):
        second = settings()
    assert second.state_dir == tmp_path / "second"
    assert second.kafka_port != own.kafka_port and second.postgres_port != own.postgres_port
    assert second.kafka_bootstrap is None, "its servers are its own, whatever the lab's are"
    assert (second.jars_dir, second.work_dir, second.course_dir) == (own.jars_dir, own.work_dir, own.course_dir)
    assert settings() == own


def test_the_lab_is_the_learners_own_again_after_an_error(tmp_path: Path) -> None:
    own = settings()
    with pytest.raises(RuntimeError), another_lab(tmp_path):
        raise RuntimeError
    assert settings() == own
