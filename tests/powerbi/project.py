"""The Power BI project as text: what its model and its report name, and where the names do not meet.

Microsoft's parsers look at one file each. What reaches from file to file, and from a file into the database, is here:
a visual that shows a column which the model does not have, a column that no view has. The reader of TMDL knows the
keywords that this project uses, and calls any other a problem.
"""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

NAME = r"(?:'(?:[^']|'')+'|\w+)"
OBJECT = re.compile(rf"^(?P<kind>\w+)(?: (?P<name>{NAME}))?(?: = ?(?P<value>.*)| =)?$")
REFERENCE = re.compile(rf"ref (\w+) ({NAME})")
KNOWN: dict[str, set[str]] = {
    "database": {"compatibilityLevel"},
    "model": {
        *("culture", "defaultPowerBIDataSourceVersion", "discourageImplicitMeasures", "sourceQueryCulture"),
        *("dataAccessOptions", "legacyRedirects", "returnErrorValuesAsNull"),
    },
    "relationship": {"fromColumn", "toColumn"},
    "measure": {"formatString"},
    "column": {"dataType", "isHidden", "formatString", "summarizeBy", "sourceColumn"},
    "partition": {"mode", "source"},
    "table": set(),
    "expression": set(),
    "annotation": set(),
}
"""Which properties the objects of this project's TMDL have."""

DATABASE_TYPES = {
    "string": "text",
    "double": "double precision",
    "int64": "bigint",
    "dateTime": "timestamp without time zone",
}
VISUAL_KEYS = {"visualType", "query", "objects", "visualContainerObjects", "drillFilterOtherVisuals"}
PROJECTION_KEYS = {"field", "queryRef", "nativeQueryRef"}
ITEMS = ("Report", "SemanticModel")


@dataclasses.dataclass
class Table:
    """A table of the model."""

    name: str
    columns: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    """The properties of each."""
    measures: dict[str, str] = dataclasses.field(default_factory=dict)
    """The DAX of each."""
    partitions: list[dict[str, str]] = dataclasses.field(default_factory=list)

    @property
    def m(self) -> str:
        """The M text that says where its rows are."""
        return self.partitions[0]["source"] if self.partitions else ""

    @property
    def view(self) -> str | None:
        """The view that it asks, as `bi.candles`."""
        found = re.search(r'\[Schema="(\w+)",Item="(\w+)"\]', self.m)
        return f"{found[1]}.{found[2]}" if found else None


@dataclasses.dataclass
class Model:
    """What the TMDL files say."""

    tables: dict[str, Table] = dataclasses.field(default_factory=dict)
    expressions: dict[str, str] = dataclasses.field(default_factory=dict)
    """The M text of each parameter."""
    relationships: list[dict[str, str]] = dataclasses.field(default_factory=list)
    refs: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)

    def m_texts(self) -> dict[str, str]:
        """All the M there is, by the name of its table or parameter."""
        return {name: table.m for name, table in self.tables.items()} | self.expressions


@dataclasses.dataclass
class _Object:
    kind: str
    name: str
    depth: int
    properties: dict[str, str]


def unquoted(name: str) -> str:
    return name[1:-1].replace("''", "'") if name.startswith("'") else name


def read_model(project: Path) -> Model:
    """Read all TMDL of a project."""
    model = Model()
    for file in sorted((project / "market.SemanticModel").rglob("*.tmdl")):
        _read_tmdl(file, model)
    return model


def _read_tmdl(file: Path, model: Model) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    above: list[_Object] = []
    table: Table | None = None
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        where = f"{file.name}:{number}"
        depth = len(line) - len(line.lstrip("\t"))
        text = line.strip()
        if not text or text.startswith("///"):
            continue
        if line[depth].isspace():
            model.problems.append(f"{where} is indented with spaces")
            continue
        above = [each for each in above if each.depth < depth]
        holder = above[-1] if above else None
        if holder is not None and (pair := re.match(r"^(\w+)(?:: (.*)|( =)|)$", text)):
            body, number = _body(lines, number, depth) if pair[3] else (pair[2] or "true", number)
            if pair[1] not in KNOWN[holder.kind]:
                model.problems.append(f"{where}: a {holder.kind} has no property {pair[1]}")
            holder.properties[pair[1]] = body
            continue
        if reference := REFERENCE.fullmatch(text):
            model.refs.append((reference[1], unquoted(reference[2])))
            continue
        found = OBJECT.match(text)
        if found is None or found["kind"] not in KNOWN:
            model.problems.append(f"{where} is not understood: {text}")
            continue
        made = _Object(found["kind"], unquoted(found["name"] or ""), depth, {})
        above.append(made)
        value = found["value"] or ""
        if text.endswith(" ="):
            value, number = _body(lines, number, depth)
        table = _add(model, table, made, value)


def _body(lines: list[str], number: int, depth: int) -> tuple[str, int]:
    """The lines of an expression: those that are two or more levels deeper than what they belong to."""
    body = []
    while number < len(lines) and (not lines[number].strip() or lines[number].startswith("\t" * (depth + 2))):
        body.append(lines[number][depth + 2 :])
        number += 1
    return "\n".join(body).strip(), number


def _add(model: Model, table: Table | None, made: _Object, value: str) -> Table | None:
    match made.kind:
        case "table":
            table = model.tables[made.name] = Table(made.name)
        case "expression":
            model.expressions[made.name] = value
        case "relationship":
            model.relationships.append(made.properties)
        case "column" if table is not None:
            table.columns[made.name] = made.properties
        case "measure" if table is not None:
            table.measures[made.name] = value
        case "partition" if table is not None:
            table.partitions.append(made.properties)
    return table


# --- What does not meet -------------------------------------------------------------------------------------


def problems(project: Path, views: Mapping[str, Mapping[str, str]] | None = None) -> list[str]:
    """What is wrong in a project, one sentence each.

    Args:
        project: the folder of `market.pbip`.
        views: the columns of each view and their types, as `{"bi.candles": {"open": "double precision"}}`; None
            without a database.
    """
    model = read_model(project)
    return [
        *model.problems,
        *_item_problems(project),
        *_model_problems(model),
        *(_database_problems(model, views) if views is not None else ()),
        *_report_problems(project, model),
    ]


def _item_problems(project: Path) -> Iterator[str]:
    for kind in ITEMS:
        file = project / f"market.{kind}" / ".platform"
        if not file.is_file():
            yield f"market.{kind} has no .platform"
        elif _json(file)["metadata"]["type"] != kind:
            yield f"{file} is of another type"
    for artifact in _json(project / "market.pbip")["artifacts"]:
        if list(artifact) != ["report"] or not (project / artifact["report"]["path"] / "definition.pbir").is_file():
            yield f"market.pbip names {artifact}"
    report = project / "market.Report"
    by_path = _json(report / "definition.pbir")["datasetReference"].get("byPath", {}).get("path")
    if not by_path or not (report / by_path / "definition.pbism").is_file():
        yield f"definition.pbir leads to no model: {by_path}"


def _model_problems(model: Model) -> Iterator[str]:
    named = [name for kind, name in model.refs if kind == "table"]
    if sorted(named) != sorted(model.tables):
        yield f"model.tmdl lists the tables {named}"
    named = [name for kind, name in model.refs if kind == "expression"]
    if sorted(named) != sorted(model.expressions):
        yield f"model.tmdl lists the expressions {named}"
    for each in model.relationships:
        for end in ("fromColumn", "toColumn"):
            name, _, column = each.get(end, "").partition(".")
            if column not in _columns(model, name):
                yield f"a relationship ends at {each.get(end)}"
    for table in model.tables.values():
        yield from _table_problems(model, table)


def _table_problems(model: Model, table: Table) -> Iterator[str]:
    if [each.get("mode") for each in table.partitions] != ["directQuery"]:
        yield f"{table.name} is not one partition of DirectQuery"
    source = re.search(r"PostgreSQL\.Database\((\w+), (\w+)\)", table.m)
    if source is None or not set(source.groups()) <= set(model.expressions):
        yield f"{table.name} has no source with parameters of the model"
    for name, properties in table.columns.items():
        if properties.get("dataType") not in DATABASE_TYPES or "sourceColumn" not in properties:
            yield f"{table.name}[{name}] has no known type or no source: {properties}"
    for name, dax in table.measures.items():
        for other, field in re.findall(r"(\w+)\[([^\]]+)\]", dax):
            if field not in _columns(model, other):
                yield f"the measure {name} names {other}[{field}]"
        if dax.count("(") != dax.count(")") or not dax:
            yield f"the measure {name} has unequal parentheses"


def _database_problems(model: Model, views: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for table in model.tables.values():
        columns = views.get(table.view or "")
        if columns is None:
            yield f"{table.name} asks {table.view}, which the database does not have"
            continue
        for name, properties in table.columns.items():
            found = columns.get(properties.get("sourceColumn", ""))
            if found is None or found != DATABASE_TYPES.get(properties.get("dataType", "")):
                yield f"{table.name}[{name}] is {properties}, and in {table.view} {found}"


def _report_problems(project: Path, model: Model) -> Iterator[str]:
    pages = project / "market.Report" / "definition" / "pages"
    listed = _json(pages / "pages.json")
    there = sorted(file.parent.name for file in pages.glob("*/page.json"))
    if sorted(listed["pageOrder"]) != there or listed["activePageName"] not in there:
        yield f"pages.json lists {listed['pageOrder']}, and there are {there}"
    for file in (*pages.glob("*/page.json"), *pages.glob("*/visuals/*/visual.json")):
        if _json(file)["name"] != file.parent.name:
            yield f"{file.parent.name} calls itself {_json(file)['name']}"
    for file in sorted(pages.glob("*/visuals/*/visual.json")):
        yield from (f"the visual {file.parent.name} {what}" for what in _visual_problems(_json(file)["visual"], model))


def _visual_problems(visual: dict[str, Any], model: Model) -> Iterator[str]:
    if unknown := set(visual) - VISUAL_KEYS:
        yield f"has {sorted(unknown)}"
    for role, content in visual["query"]["queryState"].items():
        for projection in content["projections"]:
            if set(projection) != PROJECTION_KEYS:
                yield f"has a projection of {sorted(projection)} for {role}"
                continue
            ((kind, field),) = projection["field"].items()
            table, name = field["Expression"]["SourceRef"]["Entity"], field["Property"]
            measures = model.tables[table].measures if table in model.tables else {}
            known = {"Column": _columns(model, table), "Measure": measures}.get(kind, {})
            if name not in known:
                yield f"shows the {kind} {table}[{name}]"
            if projection["queryRef"] != f"{table}.{name}":
                yield f"calls {table}[{name}] {projection['queryRef']}"


def _columns(model: Model, table: str) -> Mapping[str, Any]:
    return model.tables[table].columns if table in model.tables else {}


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))
