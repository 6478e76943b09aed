"""`lab powerbi`: files with the address of this machine, and steps without a secret."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lab_utils import db_utils, powerbi
from lab_utils.errors import LabError
from lab_utils.servers import postgres_server
from tests.labs import Lab
from tests.powerbi import project


@pytest.fixture
def lab(session_lab: Lab, tmp_path: Path) -> Lab:
    """The running stack, with a folder of the learner's own."""
    return session_lab.with_environment(LAB_WORK_DIR=str(tmp_path / "work"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "work" / "powerbi"


def said(lab: Lab) -> str:
    done = lab.run("powerbi")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def address(folder: Path) -> str:
    content: dict[str, Any] = json.loads((folder / "market.pbids").read_text(encoding="utf-8"))
    return str(content["connections"][0]["details"]["address"]["server"])


def test_both_files_name_the_port_of_this_machine(lab: Lab, folder: Path, views: dict[str, dict[str, str]]) -> None:
    said(lab)
    server = f"localhost:{postgres_server.port()}"
    assert address(folder) == server
    assert project.read_model(folder).expressions["PgServer"].startswith(f'"{server}" meta [')
    assert project.problems(folder, views) == []


def test_the_committed_files_name_the_default_port(tmp_path: Path) -> None:
    shutil.copytree(powerbi.TEMPLATES, tmp_path / "powerbi")
    assert address(tmp_path / "powerbi") == "localhost:5432"
    assert project.read_model(tmp_path / "powerbi").expressions["PgServer"].startswith('"localhost:5432" meta [')
    assert project.read_model(tmp_path / "powerbi").expressions["PgDatabase"].startswith(f'"{db_utils.DATABASE}" meta')


def test_five_steps_say_where_the_password_stands_and_not_what_it_is(lab: Lab, folder: Path) -> None:
    words = said(lab)
    assert [line.split()[0] for line in words.splitlines()[:5]] == ["1.", "2.", "3.", "4.", "5."]
    assert str(folder / "market.pbip") in words and "lab_reader" in words
    assert f"the text behind lab_reader in {lab.state_dir / 'secrets.json'}" in words
    written = "".join(file.read_text(encoding="utf-8") for file in folder.rglob("*") if file.is_file())
    for role in postgres_server.ROLES:
        assert postgres_server.password(role) not in words + written


def test_a_password_of_the_users_own_is_named_by_its_setting(lab: Lab) -> None:
    chosen = postgres_server.password("lab_reader")
    words = said(lab.with_environment(LAB_READER_PASSWORD=chosen))
    assert "what LAB_READER_PASSWORD in .env says" in words and chosen not in words


def test_a_program_gets_the_paths_as_json(lab: Lab, folder: Path) -> None:
    told = json.loads(lab.run("powerbi", "--json").stdout)
    assert told == {
        "connection": str(folder / "market.pbids"),
        "project": str(folder / "market.pbip"),
        "server": address(folder),
    }


def test_a_project_that_was_changed_keeps_the_change_and_gets_the_address(lab: Lab, folder: Path) -> None:
    said(lab)
    page = folder / "market.Report/definition/pages/market/page.json"
    page.write_text(page.read_text(encoding="utf-8").replace('"Market"', '"Mine"'), encoding="utf-8")
    parameters = folder / powerbi.PARAMETERS
    parameters.write_text(
        powerbi.with_server(parameters.read_text(encoding="utf-8"), "localhost:1"), encoding="utf-8-sig"
    )
    assert "Your project was there already; only its address is set" in said(lab)
    assert '"Mine"' in page.read_text(encoding="utf-8")
    assert project.read_model(folder).expressions["PgServer"].startswith(f'"{address(folder)}" meta [')


@pytest.mark.parametrize("text", ["", 'expression Server = "localhost:5432" meta []\n'])
def test_a_project_without_the_parameter_is_explained_and_left(lab: Lab, folder: Path, text: str) -> None:
    said(lab)
    (folder / powerbi.PARAMETERS).write_text(text, encoding="utf-8")
    done = lab.run("powerbi")
    assert done.returncode == 1
    assert "Error: The parameter PgServer is not in " in done.stderr and "then run: lab powerbi" in done.stderr
    assert (folder / powerbi.PARAMETERS).read_text(encoding="utf-8") == text


def test_a_database_without_the_views_names_the_command_that_makes_them(session_lab: Lab) -> None:
    with db_utils.cursor("lab_owner") as cursor:
        cursor.execute("ALTER SCHEMA bi RENAME TO away")
    try:
        with pytest.raises(LabError, match=r"The views for Power BI are missing\. Make them with: lab up"):
            powerbi.write()
    finally:
        with db_utils.cursor("lab_owner") as cursor:
            cursor.execute("ALTER SCHEMA away RENAME TO bi")
