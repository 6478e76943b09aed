"""Show a report, a hint, a solution or the progress: as HTML in a notebook, as text everywhere else.

The HTML takes its colours from JupyterLab's theme, so that it is readable in the light and in the dark one, needs
nothing from the network, and says each outcome in words as well as in colour.
"""

import dataclasses
import html
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from lab_utils.teaching.outcomes import Outcome, Report

MIME = "application/vnd.market-stream-lab.check+json"
"""Beside the HTML: the same for programs (`lab grade`, the tests), which must not read it from a picture."""


@dataclasses.dataclass(frozen=True)
class Look:
    """How an outcome is shown."""

    mark: str
    words: str
    colour: str
    """Of the bar at the left; it has contrast enough on white and on JupyterLab's dark grey."""


LOOKS = {
    Outcome.PASS: Look("✓", "Passed", "#2e9e5b"),
    Outcome.FAIL: Look("✗", "Not right yet", "#d9534f"),
    Outcome.ERROR: Look("!", "Your code raised an exception", "#d9534f"),
    Outcome.NOT_ATTEMPTED: Look("○", "Not attempted", "#8a8f98"),
    Outcome.BLOCKED: Look("■", "Blocked by an earlier exercise", "#c98a1b"),
    Outcome.ENVIRONMENT: Look("⚙", "Not your answer: the environment", "#3b82c4"),
}

_TEXT = "color:var(--jp-ui-font-color1,CanvasText)"
_SOFT = "color:var(--jp-ui-font-color2,CanvasText);font-size:0.92em"
_MONO = (
    "font-family:var(--jp-code-font-family,monospace);font-size:0.92em;white-space:pre-wrap;overflow-wrap:anywhere;"
    "background:var(--jp-layout-color2,rgba(128,128,128,0.15));color:var(--jp-content-font-color1,CanvasText);"
    "padding:4px 8px;margin:4px 0;border-radius:3px"
)


@dataclasses.dataclass(frozen=True)
class Card:
    """Something to show, in three forms."""

    title: str
    lines: tuple[tuple[str, str], ...]
    """(kind, text); the kinds are `text`, `soft` and `code`."""
    colour: str = "#3b82c4"
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    data: Mapping[str, Any] | None = None

    def html(self) -> str:
        """The card as HTML; whatever comes from a student is escaped."""
        attributes = "".join(f' data-{name}="{html.escape(value)}"' for name, value in self.attributes.items())
        body = "".join(_html_line(kind, text) for kind, text in self.lines)
        return (
            f'<section class="lab-card" role="group" aria-label="{html.escape(self.title)}"{attributes} '
            f'style="border:1px solid var(--jp-border-color2,rgba(128,128,128,0.4));border-left:5px solid {self.colour};'
            f'border-radius:4px;padding:8px 14px;margin:4px 0;max-width:60em;{_TEXT}">'
            f'<div style="font-weight:600">{html.escape(self.title)}</div>{body}</section>'
        )

    def text(self) -> str:
        """The card as plain text."""
        body = [("    " + text.replace("\n", "\n    ")) if kind == "code" else f"  {text}" for kind, text in self.lines]
        return "\n".join([self.title, *body])

    def bundle(self) -> dict[str, Any]:
        """The card for Jupyter."""
        made: dict[str, Any] = {"text/html": self.html(), "text/plain": self.text()}
        if self.data is not None:
            made[MIME] = dict(self.data)
        return made


def _html_line(kind: str, text: str) -> str:
    escaped = html.escape(text)
    if kind == "code":
        return f'<pre style="{_MONO}">{escaped}</pre>'
    with_code = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped)
    return f'<div style="margin-top:4px;{_SOFT if kind == "soft" else _TEXT}">{with_code}</div>'


def report_card(report: Report, extra: Mapping[str, Any] | None = None) -> Card:
    """The card of a check."""
    look = LOOKS[report.outcome]
    lines: list[tuple[str, str]] = []
    if report.passed_stages and report.outcome is not Outcome.PASS:
        lines.append(
            ("soft", f"Fine on what was tried so far: {', '.join(report.passed_stages)}. Stopped at: {report.stage}.")
        )
    elif report.stage:
        lines.append(("soft", f"Stopped at: {report.stage}."))
    if report.outcome is Outcome.PASS and report.passed_stages:
        lines.append(("soft", f"Checked: {', '.join(report.passed_stages)}."))
    if report.message:
        lines.append(("text", report.message))
    if report.given:
        lines += [("soft", "It was given:"), ("code", report.given)]
    if report.traceback:
        lines.append(("code", report.traceback))
    if report.repair:
        lines += [("soft", "To repair it:"), ("code", report.repair)]
    if report.next_step:
        lines.append(("soft", report.next_step))
    data = {
        "exercise": report.exercise_id,
        "outcome": str(report.outcome),
        "stage": report.stage,
        "message": report.message,
        **(extra or {}),
    }
    return Card(
        f"{look.mark} {report.exercise_id} {report.title}: {look.words}",
        tuple(lines),
        look.colour,
        {"outcome": str(report.outcome), "exercise": report.exercise_id},
        data,
    )


def countdown_card(exercise_id: str, what: str, seconds_left: float) -> Card:
    """What is shown while a check waits."""
    return Card(
        f"… {exercise_id}: waiting for {what}, {seconds_left:.0f} s left",
        (),
        LOOKS[Outcome.NOT_ATTEMPTED].colour,
        {"outcome": "WAITING", "exercise": exercise_id},
    )


def table_card(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], note: str) -> Card:
    """A small table, as monospaced lines that read alike in a notebook and in a terminal."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]]
    return Card(title, (("code", "\n".join(line.rstrip() for line in lines)), ("soft", note)))


def in_notebook() -> bool:
    """Whether a kernel shows what is displayed."""
    # Without this name it is being imported at this moment, by another thread: no kernel shows anything then.
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_ipython() if get_ipython is not None else None
    return shell is not None and getattr(shell, "kernel", None) is not None


def show(card: Card) -> None:
    """Show a card: displayed in a notebook, printed elsewhere."""
    if in_notebook():
        from IPython.display import display

        display(card.bundle(), raw=True)
    else:
        print(card.text())


class Countdown:
    """The place where a waiting check shows how long it will wait, and then its result."""

    SILENT_SECONDS = 1.0
    """A check that ends sooner shows no countdown: a flicker tells nothing."""

    def __init__(self, exercise_id: str, started: float) -> None:
        self._exercise_id = exercise_id
        self._show_from = started + self.SILENT_SECONDS
        self._handle: Any = None
        self._shown = ""

    def wait(self, what: str, seconds_left: float, now: float) -> None:
        """Show, once a second, what is waited for."""
        card = countdown_card(self._exercise_id, what, seconds_left)
        if now < self._show_from or card.title == self._shown:
            return
        self._shown = card.title
        if not in_notebook():
            if sys.stderr.isatty():
                print(f"\r{card.title} ", end="", file=sys.stderr, flush=True)
            return
        from IPython.display import display

        if self._handle is None:
            self._handle = display(card.bundle(), raw=True, display_id=True)
        else:
            self._handle.update(card.bundle(), raw=True)

    def end(self, card: Card) -> None:
        """Put the result in the place of the countdown."""
        if self._handle is not None:
            self._handle.update(card.bundle(), raw=True)
            return
        if self._shown and not in_notebook() and sys.stderr.isatty():
            print("\r" + " " * len(self._shown) + "\r", end="", file=sys.stderr)
        show(card)
