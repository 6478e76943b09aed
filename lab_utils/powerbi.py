"""The connection file and the project for Power BI, with the address of this machine's PostgreSQL in them."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

from lab_utils import db_utils
from lab_utils.errors import LabError
from lab_utils.servers import postgres_server
from lab_utils.settings import ROOT, settings

TEMPLATES = ROOT / "powerbi"
CONNECTION = "market.pbids"
PROJECT = "market.pbip"
PARTS = (PROJECT, "market.Report", "market.SemanticModel")
"""What Power BI Desktop needs beside each other."""
PARAMETERS = Path("market.SemanticModel", "definition", "expressions.tmdl")
SERVER = re.compile(r'^(expression PgServer = )"[^"\n]*"', re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Written:
    """What Power BI Desktop is to open, and what it will ask for."""

    connection: Path
    project: Path
    server: str
    password_place: str
    """Where the password of lab_reader stands, in words."""
    is_kept: bool
    """Whether a project was there already; then only its address was set."""


def write() -> Written:
    """Write both into the learner's folder `work/powerbi`, for the address that PostgreSQL has now.

    A project that is there already keeps what was changed in it.

    Raises:
        LabError: PostgreSQL does not run, or has no views for Power BI yet.
    """
    # By this name Windows reaches a server in WSL2 as well.
    here = f"localhost:{postgres_server.port()}"
    server = postgres_server.address() if postgres_server.is_elsewhere() else here
    if not db_utils.has_schema():
        raise LabError("The views for Power BI are missing.", "Make them with: lab up")
    folder = settings().work_dir / "powerbi"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [part for part in PARTS if not (folder / part).exists()]
    for part in missing:
        _copy(TEMPLATES / part, folder / part)
    parameters = folder / PARAMETERS
    parameters.write_text(with_server(_read(parameters), server), encoding="utf-8", newline="\n")
    connection = folder / CONNECTION
    connection.write_text(connection_file(server), encoding="utf-8", newline="\n")
    return Written(connection, folder / PROJECT, server, postgres_server.password_place("lab_reader"), not missing)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        # What Power BI Desktop keeps for itself beside an opened project stays where it was made.
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(".pbi"))
    else:
        shutil.copyfile(source, target)


def _read(parameters: Path) -> str:
    try:
        return parameters.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, UnicodeDecodeError):
        raise _unusable(parameters) from None


def with_server(parameters: str, server: str) -> str:
    """The text of `expressions.tmdl` with another address in the parameter PgServer.

    Raises:
        LabError: there is no such parameter.
    """
    changed, count = SERVER.subn(rf'\g<1>"{server}"', parameters)
    if count != 1:
        raise _unusable(settings().work_dir / "powerbi" / PARAMETERS)
    return changed


def _unusable(parameters: Path) -> LabError:
    return LabError(
        f"The parameter PgServer is not in {parameters}.",
        f"Rename the folder {settings().work_dir / 'powerbi'}, then run: lab powerbi",
    )


def connection_file(server: str) -> str:
    """The text of a `.pbids` file for this address. It has no room for a user or a password."""
    content = json.loads((TEMPLATES / CONNECTION).read_text(encoding="utf-8"))
    content["connections"][0]["details"]["address"]["server"] = server
    return json.dumps(content, indent=2) + "\n"


def steps(written: Written) -> list[str]:
    """What to do on Windows, one sentence or two a step."""
    return [
        "In Power BI Desktop: File > Options and settings > Options > Preview features. Switch on what is there of "
        "“Power BI Project (.pbip)”, “TMDL” and “PBIR”, and start it again.",
        f"Double-click {written.project} for the report, or {written.connection} to begin with an empty one and "
        "choose the views of the schema bi yourself.",
        "When it asks for a sign-in, choose Database on the left. User name: lab_reader. "
        f"Password: {written.password_place}.",
        "It warns that the connection is not encrypted: choose OK. "
        + (
            f"What it asks {written.server} and is told goes over the network as it is."
            if postgres_server.is_elsewhere()
            else "The connection does not leave this machine."
        ),
        "Let ticks flow with: lab start. Should the page not change by itself: click beside the visuals, then "
        "Format > Page refresh > On, every 5 seconds.",
    ]
