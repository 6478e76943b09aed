"""Run one student's notebook to its end, whatever its cells do: `python -m lab_utils.teaching.run_cells IN OUT`.

A process of its own, started by `lab grade`. What came of the checks is written to OUT after each cell, so that a
notebook that must be killed keeps the marks it had until then.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from lab_utils.teaching.cards import MIME

CELL_SECONDS = int(os.environ.get("LAB_GRADE_CELL_SECONDS", "60"))
MAX_OUTPUT = 200_000
"""Characters that a cell may print; the rest is dropped."""


class PatientClient(NotebookClient):  # type: ignore[misc]
    """Goes on after a cell that raises or takes too long, and keeps little of what a cell prints."""

    _printed = 0

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Drop text once a cell has printed enough; all other messages are handled as ever."""
        if msg["msg_type"] == "stream":
            self._printed += len(msg["content"]["text"])
            if self._printed > MAX_OUTPUT:
                return None
        elif msg["msg_type"] in {"display_data", "execute_result"} and MIME not in msg["content"]["data"]:
            self._printed += sum(len(str(part)) for part in msg["content"]["data"].values())
            if self._printed > MAX_OUTPUT:
                return None
        return super().process_message(msg, cell, cell_index)


def run(source: Path, output: Path) -> None:
    """Run the cells of `source`; write what came of the checks, how it ended and which cells were stopped."""
    notebook = nbformat.read(source, as_version=4)
    saved = _cards(notebook.cells)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = PatientClient(
        notebook,
        timeout=CELL_SECONDS,
        interrupt_on_timeout=True,
        allow_errors=True,
        kernel_name="python3",
        resources={"metadata": {"path": str(source.parent)}},
    )
    ended = "to the end"
    stopped: list[int] = []
    with client.setup_kernel():
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            client._printed = 0
            try:
                client.execute_cell(cell, number)
            except DeadKernelError:
                ended = "the kernel ended"
            except CellTimeoutError:
                ended = "a cell did not end"
            except Exception as error:
                ended = f"{type(error).__name__}: {error}"
            if any(shown.get("ename") == "KeyboardInterrupt" for shown in cell.outputs):
                stopped.append(number + 1)
            _write(output, {"cards": _cards(notebook.cells), "saved": saved, "ended": ended, "stopped": stopped})
            if ended != "to the end":
                break


def _cards(cells: list[Any]) -> list[dict[str, Any]]:
    return [
        dict(output["data"][MIME])
        for cell in cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if MIME in output.get("data", {})
    ]


def _write(output: Path, result: dict[str, Any]) -> None:
    new = output.with_suffix(".new")
    new.write_text(json.dumps(result))
    new.replace(output)


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))
