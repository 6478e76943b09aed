"""Settings come from `.env` and the environment, and a bad one is named."""

from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.settings import ROOT, Settings, settings


@pytest.fixture(autouse=True)
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `.env` of the test's own, and no LAB_ variables."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"LAB_{name.upper()}", raising=False)
    path = tmp_path / ".env"
    monkeypatch.setitem(Settings.model_config, "env_file", path)
    return path


def test_without_an_env_file_everything_has_a_value() -> None:
    assert (settings().kafka_port, settings().postgres_port) == (9092, 5432)
    assert settings().state_dir == ROOT / ".lab"


def test_the_env_file_is_read(env_file: Path) -> None:
    env_file.write_text("# ports\nLAB_KAFKA_PORT=19092\n")
    assert settings().kafka_port == 19092


def test_the_environment_wins_over_the_env_file(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("LAB_KAFKA_PORT=19092\n")
    monkeypatch.setenv("LAB_KAFKA_PORT", "29092")
    assert settings().kafka_port == 29092


def test_they_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for port in ("29092", "39092"):
        monkeypatch.setenv("LAB_KAFKA_PORT", port)
        found.append(settings().kafka_port)
    monkeypatch.delenv("LAB_KAFKA_PORT")
    assert [*found, settings().kafka_port] == [29092, 39092, 9092]


def test_other_peoples_variables_in_the_env_file_do_no_harm(env_file: Path) -> None:
    env_file.write_text("AWS_REGION=eu-west-1\nLAB_OF_ANOTHER_KIND=1\n")
    assert settings().kafka_port == 9092


@pytest.mark.parametrize("name", ["LAB_KAFKA_PORT", "LAB_POSTGRES_PORT", "LAB_JUPYTER_PORT"])
@pytest.mark.parametrize("value", ["", "0", "1023", "65500", "65536", "9092.5", "x"])
def test_a_bad_port_is_refused_by_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(LabError, match=f"The setting {name} is not usable"):
        settings()


def test_the_last_port_leaves_room_for_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_KAFKA_PORT", "65400")
    assert settings().kafka_port + 101 < 65536


def test_an_env_file_that_is_not_utf_8_is_a_sentence(env_file: Path) -> None:
    env_file.write_bytes("LAB_KAFKA_PORT=9092 # größer".encode("latin-1"))
    with pytest.raises(LabError, match=r"The file \.env cannot be read"):
        settings()


def test_folders_are_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_STATE_DIR", "somewhere/else")
    assert settings().state_dir == Path("somewhere/else").resolve()
    assert settings().state_dir.is_absolute()


def test_logs_and_checkpoints_lie_in_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    assert settings().logs_dir.parent == settings().checkpoints_dir.parent == tmp_path


def test_a_password_does_not_show_when_the_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_OWNER_PASSWORD", "hush")
    assert "hush" not in f"{settings()!r} {settings()}"


def test_a_folder_is_below_the_checkout_wherever_the_lab_is_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAB_STATE_DIR", "elsewhere")
    monkeypatch.chdir(tmp_path)
    assert settings().state_dir == ROOT / "elsewhere"
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    assert settings().state_dir == tmp_path


def test_the_example_names_every_setting_a_learner_may_change() -> None:
    named = {line.split("=")[0].lstrip("#") for line in (ROOT / ".env.example").read_text().splitlines()}
    for field in Settings.model_fields:
        assert f"LAB_{field.upper()}" in named
