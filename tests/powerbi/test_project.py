"""The Power BI project passes every check there is without Power BI, and each kind of fault is caught by one of them."""

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab_utils.settings import ROOT
from tests.powerbi import project, validators

COMMITTED = ROOT / "powerbi"
MODEL = "market.SemanticModel/definition"
PAGE = "market.Report/definition/pages/market"

Views = dict[str, dict[str, str]]
Schemas = dict[str, Any]


def test_every_name_in_the_project_meets_one_in_the_model_and_in_the_database(views: Views) -> None:
    assert project.problems(COMMITTED, views) == []


def test_the_model_shows_every_view_and_every_column_that_the_reader_may_see(views: Views) -> None:
    tables = project.read_model(COMMITTED).tables.values()
    shown = {table.view: {each["sourceColumn"] for each in table.columns.values()} for table in tables}
    assert shown == {view: set(columns) for view, columns in views.items()}


def test_the_files_are_as_the_schemas_of_microsoft_say(schemas: Schemas) -> None:
    assert validators.schema_problems(COMMITTED, schemas) == []


def test_the_checker_of_reports_has_neither_an_error_nor_a_warning(npm: Path) -> None:
    assert validators.report_problems(COMMITTED, npm) == []


def test_the_parser_of_m_reads_every_source_and_parameter(npm: Path) -> None:
    texts = project.read_model(COMMITTED).m_texts()
    assert len(texts) == 7 and all(texts.values())
    assert validators.m_problems(texts, npm) == []


def test_the_report_asks_few_questions_at_a_time() -> None:
    """Each visual is a query at each refresh of the page."""
    assert 4 <= len(list((COMMITTED / PAGE / "visuals").iterdir())) <= 5
    assert "'PT5S'" in (COMMITTED / PAGE / "page.json").read_text(encoding="utf-8")


def test_no_file_holds_a_password_or_a_path_of_a_machine() -> None:
    texts = [file.read_text(encoding="utf-8") for file in COMMITTED.rglob("*") if file.is_file()]
    assert len(texts) == 24
    assert not [text for text in texts if re.search(r"(?i)password|/home/|/root/|[A-Z]:\\", text)]


# --- Faults -------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Fault:
    """A change of one text in one file, and who must catch it."""

    caught_by: str
    file: str
    old: str
    new: str
    says: str

    def put_into(self, folder: Path) -> None:
        path = folder / self.file
        text = path.read_text(encoding="utf-8")
        assert self.old in text
        path.write_text(text.replace(self.old, self.new, 1), encoding="utf-8")


OURS, SCHEMA, CHECKER, PARSER = "our own check", "the schemas", "the checker of reports", "the parser of M"
TREND = f"{PAGE}/visuals/trend/visual.json"
CANDLES, TRENDS = f"{MODEL}/tables/candles.tmdl", f"{MODEL}/tables/trends.tmdl"

FAULTS = {
    "unknown role": Fault(CHECKER, TREND, '"Category"', '"Kategory"', "PBIR_"),
    "unknown visual": Fault(CHECKER, TREND, '"lineChart"', '"candlestick"', "PBIR_VISUAL_TYPE_UNKNOWN"),
    "unknown formatting": Fault(CHECKER, TREND, '"title": [', '"titel": [', "titel"),
    "off the page": Fault(CHECKER, TREND, '"x": 780', '"x": 1780', "PBIR_"),
    "unknown page key": Fault(
        SCHEMA, f"{PAGE}/page.json", '"displayName"', '"refresh": 5,\n  "displayName"', "refresh"
    ),
    "visual nowhere": Fault(SCHEMA, TREND, '"y": 20,\n', "", "'y' is a required property"),
    "other schema": Fault(SCHEMA, TREND, "visualContainer/2.0.0", "visualContainer/9.0.0", "9.0.0"),
    "model as artifact": Fault(SCHEMA, "market.pbip", '"report": {', '"dataset": {', "dataset"),
    "M without its end": Fault(PARSER, CANDLES, "\t\t\t\tin\n", "", "candles: "),
    "M with a comma": Fault(PARSER, CANDLES, "[Data]\n", "[Data],\n", "comma"),
    "unknown parameter": Fault(OURS, CANDLES, "(PgServer,", "(PgSever,", "candles has no source"),
    "unknown view": Fault(OURS, CANDLES, 'Item="candles"', 'Item="candels"', "bi.candels"),
    "unknown source column": Fault(OURS, CANDLES, "sourceColumn: volume", "sourceColumn: amount", "candles[volume]"),
    "wrong type": Fault(OURS, CANDLES, "dataType: int64", "dataType: double", "candles[tick_count]"),
    "unknown type": Fault(OURS, CANDLES, "dataType: int64", "dataType: integer", "candles[tick_count]"),
    "import": Fault(OURS, CANDLES, "mode: directQuery", "mode: import", "not one partition of DirectQuery"),
    "unknown column in DAX": Fault(OURS, TRENDS, "trends[average_5]", "trends[average_6]", "trends[average_6]"),
    "column that is missing": Fault(OURS, TREND, '"Property": "minute_utc"', '"Property": "minute"', "trends[minute]"),
    "unknown key of a field": Fault(OURS, TREND, '"nativeQueryRef"', '"nativeRef"', "a projection of"),
    "spaces": Fault(OURS, CANDLES, "\t\tdataType", "        dataType", "indented with spaces"),
    "unknown property": Fault(OURS, CANDLES, "summarizeBy:", "sumarizeBy:", "no property sumarizeBy"),
    "table that is not listed": Fault(OURS, f"{MODEL}/model.tmdl", "ref table trends\n", "", "lists the tables"),
    "loose relationship": Fault(
        OURS, f"{MODEL}/relationships.tmdl", "trends.pair", "trends.pairs", "a relationship ends at trends.pairs"
    ),
    "model elsewhere": Fault(
        OURS, "market.Report/definition.pbir", "../market.SemanticModel", "../other.SemanticModel", "leads to no model"
    ),
    "unknown page": Fault(
        OURS, "market.Report/definition/pages/pages.json", '"market"\n  ]', '"home"\n  ]', "pages.json lists"
    ),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(COMMITTED, tmp_path / "powerbi")


@pytest.fixture
def ask(npm: Path, schemas: Schemas, views: Views) -> Callable[[str, Path], list[str]]:
    """What one of the checks says against a project."""
    checks: dict[str, Callable[[Path], list[str]]] = {
        OURS: lambda folder: project.problems(folder, views),
        SCHEMA: lambda folder: validators.schema_problems(folder, schemas),
        CHECKER: lambda folder: validators.report_problems(folder, npm),
        PARSER: lambda folder: validators.m_problems(project.read_model(folder).m_texts(), npm),
    }
    return lambda name, folder: checks[name](folder)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught(name: str, copy: Path, ask: Callable[[str, Path], list[str]]) -> None:
    fault = FAULTS[name]
    fault.put_into(copy)
    found = ask(fault.caught_by, copy)
    assert [line for line in found if fault.says in line], found


@pytest.mark.parametrize("kind", project.ITEMS)
def test_a_missing_platform_file_is_caught(kind: str, copy: Path) -> None:
    (copy / f"market.{kind}" / ".platform").unlink()
    assert project.problems(copy) == [f"market.{kind} has no .platform"]


def test_a_second_partition_is_caught(copy: Path) -> None:
    file = copy / CANDLES
    text = file.read_text(encoding="utf-8")
    file.write_text(text + text[text.index("\tpartition") :].replace("candles = m", "more = m"), encoding="utf-8")
    assert project.problems(copy) == ["candles is not one partition of DirectQuery"]


def test_the_connection_file_is_one_connection_without_a_user() -> None:
    """There is no schema for it; this is the form that Power BI's documentation shows."""
    content = json.loads((COMMITTED / "market.pbids").read_text(encoding="utf-8"))
    assert content == {
        "version": "0.1",
        "connections": [
            {
                "details": {
                    "protocol": "postgresql",
                    "address": {"server": "localhost:5432", "database": "lab"},
                },
                "options": {},
                "mode": "DirectQuery",
            }
        ],
    }
