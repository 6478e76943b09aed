"""Prove a course: `lab verify`. Each claim that a unit makes about its exercises is tried out on real servers."""

import ast
import contextlib
import dataclasses
import functools
import io
import logging
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_utils.errors import LabError
from lab_utils.servers.elsewhere import NONE_ELSEWHERE
from lab_utils.settings import ROOT, environment, settings
from lab_utils.teaching import builder, records
from lab_utils.teaching.cards import MIME
from lab_utils.teaching.engine import evaluate
from lab_utils.teaching.mutants import mutants
from lab_utils.teaching.outcomes import Outcome, Report
from lab_utils.teaching.source import Cell, Region, read_cells, regions
from lab_utils.teaching.units import Exercise, Unit, load_unit

if TYPE_CHECKING:  # nbformat takes seconds to import, and each judging process imports this module
    import nbformat

MIN_HINTS, MIN_WRONG, MIN_ALTERNATIVES = 2, 3, 1
MIN_KILLED = 0.95
CELL_SECONDS = 300
MAX_BYTES = 300_000
"""Of an executed lesson. One with the state of a widget in it has five megabytes, and is slow to open and to save."""
MUTANT_SECONDS = 3.0
"""A mutant that runs longer than this, and much longer than the solution, never ends; the check's own limit is for people."""

JUDGES = min(4, max(2, os.cpu_count() or 1))
"""Checks wait for servers and clocks, so even one core has use for two; each that asks for Spark starts one of its own."""

JOB_SECONDS = 300.0
"""Longer than any check may take, with the start of a judging process."""

PROOF_PORTS = range(19_300, 29_300, 40)
"""Not 9092: there a client that forgets the broker's address finds the broker all the same. A proof has forty of
its own, as another one may run beside it, and brokers are stopped and started in both. The second lab of a lesson takes
six of them for the brokers of a cluster, ten further than the first lab's, and its PostgreSQL must not be among these."""

Say = Callable[[str], None]


@dataclasses.dataclass
class Result:
    """What was tried for one unit."""

    unit: str
    exercises: int = 0
    wrong: int = 0
    wrong_caught: int = 0
    alternatives: int = 0
    alternatives_accepted: int = 0
    mutants: int = 0
    mutants_killed: int = 0
    equivalent: int = 0
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    """Step → how long it took."""
    problems: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Bench:
    """Where the answers of a unit are tried: its exercises' source, read once."""

    unit: Unit
    cells: tuple[Cell, ...]
    file: str

    @classmethod
    def of(cls, unit: Unit) -> "Bench":
        """The bench of a unit."""
        path = unit.folder / "exercises.py"
        return cls(unit, tuple(read_cells(path.read_text(encoding="utf-8"), path.name)), path.name)

    def region(self, exercise_id: str) -> tuple[Cell, Region]:
        """The cell of an exercise, and the answer in it."""
        for cell in self.cells:
            for region in regions(cell, self.file):
                if region.exercise_id == exercise_id:
                    return cell, region
        raise LabError(f"{self.file} has no {exercise_id}.", "Run: lab build --check")

    def stub(self, exercise_id: str) -> str:
        """The cell as students get it."""
        return "\n".join(builder.with_stubs(self.region(exercise_id)[0], self.file).lines)

    def solution_cell(self, exercise_id: str) -> str:
        """The cell with the answer."""
        return "\n".join(builder.with_answers(self.region(exercise_id)[0], self.file).lines)

    def answers(self, exercise_id: str, cell_code: str, name: str) -> tuple[object, ...]:
        """What `check` is passed when the exercise's cell is `cell_code`.

        The cells tagged `setup` run first; cells of other exercises do not, so that each answer stands by itself.
        """
        namespace: dict[str, Any] = {"__name__": "__answer__"}
        with _quiet():
            for cell in self.cells:
                if "setup" in cell.tags:
                    exec(compile("\n".join(cell.lines), self.file, "exec"), namespace)
            exec(compile(cell_code, name, "exec"), namespace)
            call = self._check_call(exercise_id)
            return tuple(
                eval(compile(ast.Expression(argument), self.file, "eval"), namespace) for argument in call.args[1:]
            )

    def _check_call(self, exercise_id: str) -> ast.Call:
        for cell in self.cells:
            if cell.kind == "code" and f'check("{exercise_id}"' in "\n".join(cell.lines):
                for node in ast.walk(ast.parse("\n".join(cell.lines))):
                    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "check":
                        return node
        raise LabError(f'{self.file} has no check("{exercise_id}", …).', "Run: lab build --check")

    def judge(self, exercise: Exercise, cell_code: str, name: str, seconds: float | None = None) -> Report:
        """Run a cell and check what it gives. A cell that raises by itself is an ERROR, as the student sees it."""
        try:
            answers = self.answers(exercise.id, cell_code, name)
        except (Exception, SystemExit) as error:
            return Report(
                exercise.id,
                exercise.title,
                Outcome.ERROR,
                message=f"The cell raised {type(error).__name__}: {error}",
                stage="the cell itself",
            )
        with _quiet():
            return evaluate(exercise, answers, stub=self.stub(exercise.id), seconds=seconds)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Answers print what they like; the proof's output is its table."""
    library = logging.getLogger("kafka")  # it logs each attempt of a client that a wrong answer left open
    level = library.level
    library.setLevel(logging.CRITICAL + 1)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        library.setLevel(level)


# --- What needs no server ---------------------------------------------------------------------------------------


def lint(unit: Unit) -> list[str]:
    """What a unit lacks, each with its place."""
    found = []
    for exercise in unit.exercises.values():
        if len(exercise.hints) < MIN_HINTS:
            found.append(f"{unit.folder.name}/checks.py: {exercise.id} has fewer than {MIN_HINTS} hints")
        for kind, least in (("wrong", MIN_WRONG), ("alt", MIN_ALTERNATIVES)):
            count = len(answer_files(unit, exercise.id, kind))
            if count < least:
                found.append(f"{unit.folder.name}/answers/{exercise.id}: {count} {kind}_*.py where {least} are needed")
    return found + [f"{path.relative_to(unit.folder.parent)}: a stray file" for path in _stray_files(unit)]


def answer_files(unit: Unit, exercise_id: str, kind: str) -> list[Path]:
    """The answers of one kind, `wrong` or `alt`."""
    return sorted((unit.folder / "answers" / exercise_id).glob(f"{kind}_*.py"))


def _stray_files(unit: Unit) -> list[Path]:
    known = {unit.folder / name for name in ("lesson.py", "exercises.py", "checks.py")}
    for exercise_id in unit.exercises:
        known.update(answer_files(unit, exercise_id, "wrong"))
        known.update(answer_files(unit, exercise_id, "alt"))
    files = (path for path in unit.folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sorted(path for path in files if path not in known)


def expectation(path: Path) -> dict[str, str]:
    """What the head of a wrong answer declares: `# outcome:`, `# stage:`, `# message:`.

    Raises:
        LabError: one of them is missing.
    """
    head = dict(re.findall(r"^# (outcome|stage|message): (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE))
    missing = {"outcome", "stage", "message"} - set(head)
    if missing:
        raise LabError(f"{path} does not declare its {', '.join(sorted(missing))}.", "See docs/authoring.md.")
    return head


# --- Answers and mutants ----------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Job:
    """A cell to judge in one of the judging processes."""

    unit_folder: Path
    exercise_id: str
    code: str
    name: str
    seconds: float | None = None


Judge = Callable[[Sequence[Job]], Iterator[Report]]


@contextlib.contextmanager
def _judges() -> Iterator[Judge]:
    """Judge jobs several at a time, the reports in the order of the jobs.

    Processes, not threads: an answer prints, may never end, and may change whatever it imports.
    """
    with multiprocessing.get_context("spawn").Pool(JUDGES, _leave_interrupts_to_the_parent) as pool:

        def judge(jobs: Sequence[Job]) -> Iterator[Report]:
            reports = pool.imap(_judge, jobs)
            for job in jobs:
                try:
                    yield reports.next(timeout=JOB_SECONDS)
                except multiprocessing.TimeoutError:
                    raise LabError(
                        f"{job.name}: the process that judged it ended, or hangs.",
                        "Does the answer end the whole process? Try it by itself.",
                    ) from None

        yield judge


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _judge(job: Job) -> Report:
    bench = _bench(job.unit_folder)
    return bench.judge(bench.unit.exercises[job.exercise_id], job.code, job.name, job.seconds)


@functools.cache
def _bench(unit_folder: Path) -> Bench:
    return Bench.of(load_unit(unit_folder))


def try_answers(unit: Unit, result: Result, say: Say) -> None:
    """Wrong answers must fail where and as they declare, alternatives must pass, mutants must fail."""
    bench = Bench.of(unit)
    with _judges() as judge:
        for exercise in unit.exercises.values():
            started = time.monotonic()
            say(f"{exercise.id} {exercise.title}")
            _try_exercise(bench, exercise, result, judge)
            result.seconds[exercise.id] = time.monotonic() - started


def _try_exercise(bench: Bench, exercise: Exercise, result: Result, judge: Judge) -> None:
    folder = bench.unit.folder
    solution = Job(folder, exercise.id, bench.solution_cell(exercise.id), f"<solution of {exercise.id}>")
    stub = Job(folder, exercise.id, bench.stub(exercise.id), f"<stub of {exercise.id}>")
    solved, untouched = _reports([solution, stub], exercise, judge)
    if solved.outcome is not Outcome.PASS:
        result.problems.append(f"{exercise.id}: the solution gives {_said(solved)}")
        return
    if untouched.outcome is not Outcome.NOT_ATTEMPTED:
        result.problems.append(f"{exercise.id}: as shipped it gives {_said(untouched)}")
    _try_wrong(bench, exercise, result, judge)
    _try_alternatives(bench, exercise, result, judge)
    _try_mutants(bench, exercise, solved.seconds, result, judge)


def _said(report: Report) -> str:
    return f"{report.outcome} at {report.stage or 'start'!r}: {report.message} {report.repair}".strip()


def _reports(jobs: Sequence[Job], exercise: Exercise, judge: Judge) -> list[Report]:
    """One for each of `jobs`.

    The limit is for a person's machine, which does not judge several answers at a time and start Spark meanwhile: those
    that it hit go once more, alone.
    """
    reports = list(judge(jobs))
    for number, job in enumerate(jobs):
        if reports[number].seconds >= exercise.seconds:
            (reports[number],) = judge([job])
    return reports


def _judged_files(bench: Bench, exercise: Exercise, kind: str, judge: Judge) -> Iterator[tuple[Path, Report]]:
    files = answer_files(bench.unit, exercise.id, kind)
    jobs = [Job(bench.unit.folder, exercise.id, path.read_text(encoding="utf-8"), str(path)) for path in files]
    return zip(files, _reports(jobs, exercise, judge), strict=True)


def _try_wrong(bench: Bench, exercise: Exercise, result: Result, judge: Judge) -> None:
    for path, report in _judged_files(bench, exercise, "wrong", judge):
        wanted = expectation(path)
        result.wrong += 1
        caught = report.outcome in {Outcome.FAIL, Outcome.ERROR, Outcome.NOT_ATTEMPTED}
        as_declared = (
            report.outcome == wanted["outcome"]
            and report.stage == wanted["stage"]
            and wanted["message"] in report.message
        )
        result.wrong_caught += caught and as_declared
        if not as_declared:
            result.problems.append(
                f"{path.relative_to(bench.unit.folder.parent)}: declared {wanted}, gave {_said(report)}"
            )


def _try_alternatives(bench: Bench, exercise: Exercise, result: Result, judge: Judge) -> None:
    for path, report in _judged_files(bench, exercise, "alt", judge):
        result.alternatives += 1
        result.alternatives_accepted += report.outcome is Outcome.PASS
        if report.outcome is not Outcome.PASS:
            result.problems.append(f"{path.relative_to(bench.unit.folder.parent)}: a right answer gave {_said(report)}")


def _try_mutants(bench: Bench, exercise: Exercise, solution_seconds: float, result: Result, judge: Judge) -> None:
    cell = bench.solution_cell(exercise.id)
    solution = "\n".join(bench.region(exercise.id)[1].solution)
    limit = min(exercise.seconds, MUTANT_SECONDS + 3 * solution_seconds)
    left = dict(exercise.equivalent_mutants)
    different = []
    for mutant in mutants(cell, solution):
        if left.pop(mutant.description, None) is not None:
            result.equivalent += 1
        else:
            different.append(mutant)
    name = f"<mutant of {exercise.id}>"
    jobs = [Job(bench.unit.folder, exercise.id, mutant.code, name, limit) for mutant in different]
    for mutant, report in zip(different, judge(jobs), strict=True):
        result.mutants += 1
        # A mutant that waits until the limit is caught as well: the student would read that it does not return.
        killed = report.outcome in {Outcome.FAIL, Outcome.ERROR, Outcome.NOT_ATTEMPTED}
        result.mutants_killed += killed
        if not killed:
            result.problems.append(f"{exercise.id}: the mutant {mutant.description!r} gives {_said(report)}")
    result.problems += [f"{exercise.id}: there is no mutant {gone!r} any more" for gone in left]


# --- Notebooks --------------------------------------------------------------------------------------------------


def run_notebook(path: Path, output: Path, *, strict: bool) -> "nbformat.NotebookNode":
    """Execute a notebook from top to bottom with papermill; the executed one.

    Raises:
        LabError: a cell raised; the text has its number and reason.
    """
    import nbformat
    import papermill
    from papermill.exceptions import PapermillExecutionError

    records.progress_file().unlink(missing_ok=True)
    with environment(LAB_STRICT="1" if strict else "0", LAB_HEADLESS="1", PYTHONPATH=str(ROOT)):
        try:
            papermill.execute_notebook(
                str(path),
                str(output),
                kernel_name="python3",
                cwd=str(output.parent),
                progress_bar=False,
                execution_timeout=CELL_SECONDS,
            )
        except PapermillExecutionError as error:
            raise LabError(
                f"{path.name}: cell {error.cell_index} raised {error.ename}: {' '.join(error.evalue.split())[:500]}.",
                f"The executed notebook is {output}.",
            ) from None
    return nbformat.read(output, as_version=4)


def cards_of(notebook: "nbformat.NotebookNode") -> list[tuple[str, dict[str, Any]]]:
    """The checks' results in an executed notebook: (source of the cell, data)."""
    return [
        (cell.source, dict(output.data[MIME]))
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type in {"display_data", "execute_result"} and MIME in output.data
    ]


def run_solution(unit: Unit, folder: Path, result: Result) -> None:
    """The solution notebook passes each declared exercise, under strict checks."""
    executed = run_notebook(_built("solutions", unit), _executed("solutions", unit, folder), strict=True)
    passed = [card["exercise"] for _, card in cards_of(executed) if card["outcome"] == Outcome.PASS]
    if passed != list(unit.exercises):
        result.problems.append(f"solutions/{unit.name}.ipynb passes {passed}, declared is {list(unit.exercises)}")


def run_shipped(unit: Unit, folder: Path, result: Result) -> None:
    """The exercises as shipped run without a traceback, and each check says that nothing was attempted."""
    executed = run_notebook(_built("exercises", unit), _executed("exercises", unit, folder), strict=False)
    seen = [(card["exercise"], card["outcome"]) for _, card in cards_of(executed)]
    if seen != [(exercise_id, Outcome.NOT_ATTEMPTED) for exercise_id in unit.exercises]:
        result.problems.append(f"exercises/{unit.name}.ipynb as shipped gives {seen}")
    for source, card in cards_of(executed):
        if f'check("{card["exercise"]}"' not in source:
            result.problems.append(f"exercises/{unit.name}.ipynb: {card['exercise']} is reported by another cell")


def run_lesson(unit: Unit, folder: Path, result: Result) -> None:
    """The lesson runs, and runs again in the same stack; deterministic cells give the same output both times."""
    executed = _executed("notebooks", unit, folder)
    run_notebook(_built("notebooks", unit), executed, strict=False)
    if executed.stat().st_size > MAX_BYTES:
        result.problems.append(f"notebooks/{unit.name}.ipynb has {executed.stat().st_size:,} bytes when it is executed")
    run_again("notebooks", unit, folder, result)


def run_again(kind: str, unit: Unit, folder: Path, result: Result) -> None:
    """Run an executed notebook again with nbval: what the first run left in the servers must not harm it."""
    records.progress_file().unlink(missing_ok=True)
    executed = _executed(kind, unit, folder)
    if not executed.exists():
        return  # its first run has failed, which is told already
    process = _run_nbval(executed, strict=kind == "solutions")
    if process.returncode:
        end = "\n".join(process.stdout.strip().splitlines()[-40:])
        result.problems.append(f"{kind}/{unit.name}.ipynb does not give the same when it is run again:\n{end}")


def _run_nbval(executed: Path, *, strict: bool) -> "subprocess.CompletedProcess[str]":
    folder = executed.parent
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-x", "-p", "no:cacheprovider"),
            *("-c", os.devnull, "--rootdir", str(folder), f"--nbval-cell-timeout={CELL_SECONDS}", str(executed)),
        ],
        cwd=folder,
        env={**os.environ, "LAB_STRICT": str(int(strict)), "LAB_HEADLESS": "1", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _built(kind: str, unit: Unit) -> Path:
    """The notebook as it is shipped; `kind` is one of `builder.FOLDERS`."""
    return settings().course_dir.parent / kind / f"{unit.name}.ipynb"


def _executed(kind: str, unit: Unit, folder: Path) -> Path:
    return folder / f"{kind}_{unit.name}.ipynb"


@contextlib.contextmanager
def own_stack() -> Iterator[Path]:
    """Servers of the proof's own, which this process and its notebooks use; a folder for what they leave.

    A proof deletes progress and stops brokers: none of that may happen to the servers that somebody works with.
    """
    from lab_utils import stack

    jars, course = settings().jars_dir, settings().course_dir
    port = PROOF_PORTS[os.getpid() % len(PROOF_PORTS)]
    with (
        tempfile.TemporaryDirectory(prefix="lab-verify-", ignore_cleanup_errors=True) as temporary,
        environment(
            LAB_STATE_DIR=str(Path(temporary) / "state"),
            LAB_WORK_DIR=str(Path(temporary) / "work"),
            LAB_JARS_DIR=str(jars),
            LAB_COURSE_DIR=str(course),
            LAB_KAFKA_PORT=str(port),
            LAB_POSTGRES_PORT=str(port + 8),
            LAB_ZOOKEEPER_PORT=str(port + 25),
            LAB_SPARK_PORT=str(port + 30),
            **NONE_ELSEWHERE,
        ),
    ):
        try:
            stack.up()
            yield Path(temporary)
        finally:
            stack.down()


def verify(unit: Unit, folder: Path, say: Say) -> Result:
    """Prove one unit against the stack of this process.

    Args:
        unit: which.
        folder: for the executed notebooks.
        say: told what is being done.
    """
    result = Result(unit.name, exercises=len(unit.exercises))
    result.problems += lint(unit)
    steps: list[tuple[str, str, Callable[[], None]]] = [
        ("lesson", "the lesson, twice", lambda: run_lesson(unit, folder, result)),
        ("solution", "the solutions, strictly", lambda: run_solution(unit, folder, result)),
        ("shipped", "the exercises as shipped", lambda: run_shipped(unit, folder, result)),
        ("again", "the solutions once more", lambda: run_again("solutions", unit, folder, result)),
        ("answers", "answers and mutants", lambda: try_answers(unit, result, say)),
    ]
    for name, words, step in steps:
        say(f"{unit.name}: {words}")
        started = time.monotonic()
        try:
            step()
        except LabError as error:
            result.problems.append(str(error))
        result.seconds[name] = time.monotonic() - started
    if result.mutants and result.mutants_killed < MIN_KILLED * result.mutants:
        result.problems.append(f"{unit.name}: fewer than {MIN_KILLED:.0%} of the mutants were killed")
    return result
