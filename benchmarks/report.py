"""Results of a benchmark as a table on the terminal, as JSON, as a picture, and in docs/performance.md."""

import dataclasses
import json
import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.table import Table

from lab_utils.settings import ROOT, settings

DOCUMENT = ROOT / "docs" / "performance.md"


@dataclasses.dataclass(frozen=True)
class Report:
    """One benchmark's results as text: a title row and rows of cells, and what else is to be known."""

    name: str
    command: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    raw: Sequence[Mapping[str, Any]]
    notes: tuple[str, ...] = ()

    def table(self) -> Table:
        """For the terminal."""
        shown = Table(*self.columns, title=self.command)
        for row in self.rows:
            shown.add_row(*row)
        return shown

    def markdown(self) -> str:
        """For the documentation."""
        lines = [f"`{self.command}`, {datetime.now(UTC):%Y-%m-%d}, {machine()}:", ""]
        lines += [_line(self.columns), _line(["---"] * len(self.columns)), *map(_line, self.rows)]
        if self.notes:
            lines += ["", *self.notes]
        return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def machine() -> str:
    """What the figures were measured on."""
    cores, memory = psutil.cpu_count(), psutil.virtual_memory().total / 2**30
    load = os.getloadavg()[2] if hasattr(os, "getloadavg") else float("nan")
    return f"{platform.system()}, {cores} cores, {memory:.0f} GB, load average {load:.1f} over the last 15 minutes"


def save(report: Report, folder: Path, draw: Callable[[Any], None]) -> None:
    """Write `NAME.json` and `NAME.svg` into a folder; `draw` gets matplotlib's axes."""
    result = {"command": report.command, "at": datetime.now(UTC).isoformat(), "machine": machine()}
    (folder / f"{report.name}.json").write_text(json.dumps({**result, "results": report.raw}, indent=2))
    # Set before the import: matplotlib would make a folder in the home of the user.
    os.environ["MPLCONFIGDIR"] = str(settings().state_dir / "matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    draw(figure.subplots())
    figure.savefig(folder / f"{report.name}.svg")


def document(report: Report) -> None:
    """Put the results into docs/performance.md, in place of those of the run before."""
    begin, end = f"<!-- {report.name} -->", f"<!-- end of {report.name} -->"
    text = DOCUMENT.read_text()
    block = f"{begin}\n{report.markdown()}\n{end}"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    DOCUMENT.write_text(pattern.sub(lambda _found: block, text))
