"""The command `lab`: one thin function per command."""

import contextlib
import enum
import errno
import json
import logging
import os
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from lab_utils.errors import LabError
from lab_utils.servers.profiles import Profile
from lab_utils.settings import ROOT, settings
from lab_utils.signals import end_on_sigterm_as_on_ctrl_c
from lab_utils.waiting import WaitTimeout

if TYPE_CHECKING:
    from lab_utils.feeds.file_feed import Recording
    from lab_utils.producers.delivery import Delivery
    from lab_utils.start import Summary
    from lab_utils.teaching.proof import Result

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Market Stream Lab: market data through Kafka and Spark into PostgreSQL, on this machine.",
)
dead_letters_app = typer.Typer(
    no_args_is_help=True, help="What the producers could not turn into ticks, and its repair."
)
app.add_typer(dead_letters_app, name="dead-letters")
docker_app = typer.Typer(no_args_is_help=True, help="The whole pipeline in containers (docker/README.md).")
app.add_typer(docker_app, name="docker")
bench = typer.Typer(no_args_is_help=True, help="Measure the lab, on servers and data of its own.")
app.add_typer(bench, name="bench")
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

CLICK_ERROR: Any = typer.BadParameter.__mro__[2]
"""The base of what a wrong option or argument raises: typer may use the installed click or bring its own."""

INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended."""
SAMPLES = ROOT / "data_samples"

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a program to read.")]


FAULT = typer.Option(
    "--fault",
    help="The exchange does wrong, as in 429:0.05 or finnhub.quote=timeout:0.02; can be given again. "
    "Kinds: lab exchange --help.",
)


class Kind(enum.StrEnum):
    """What a producer sends."""

    crypto = "crypto"
    stocks = "stocks"


@app.callback()
def _configure(
    state_dir: Annotated[
        Path | None, typer.Option(help="Folder of server data, checkpoints and logs.", hidden=True)
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the log on the terminal.")] = False,
) -> None:
    if state_dir is not None:
        os.environ["LAB_STATE_DIR"] = str(state_dir.absolute())
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s level=%(levelname)s logger=%(name)s %(message)s",
        stream=sys.stderr,
    )
    logging.Formatter.converter = time.gmtime
    for handler in logging.getLogger().handlers:
        handler.addFilter(_without_traceback)
    for library in ("kafka", "py4j", "httpx", "httpcore", "websockets"):
        # A broker that is away makes kafka-python log each attempt; what matters is reported by the commands. The
        # clients of the market APIs would log addresses and headers, and in one of them stands the key.
        logging.getLogger(library).setLevel(logging.ERROR)
    for part in ("kafka.net", "kafka.cluster"):
        logging.getLogger(part).setLevel(logging.CRITICAL)


def _without_traceback(record: logging.LogRecord) -> bool:
    """py4j logs a page of traceback, through the root logger, whenever its JVM ends; the command says what happened."""
    if "py4j" in record.pathname:
        record.exc_info = record.exc_text = None
    return True


@app.command()
def start(
    feed: Annotated[
        str | None,
        typer.Option(help="exchange (default), live, or file:PATH: a recording or a folder of two."),
    ] = None,
    speed: Annotated[str, typer.Option(help="1 as recorded, N times faster, or max (files only).")] = "1",
    now: Annotated[bool, typer.Option("--now", help="Files: shift event times so that the first tick is now.")] = False,
    faults: Annotated[list[str] | None, FAULT] = None,
    seconds: Annotated[
        float | None,
        typer.Option("--for", min=1, help="Run that long without JupyterLab, then print a summary."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Everything: servers, topics, tables, both producers, the Spark queries, the dashboard, JupyterLab."""
    from lab_utils.feeds.sources import EXCHANGE, LIVE
    from lab_utils.start import Job, run_for, run_live

    feed = feed or EXCHANGE
    path = None if feed in {EXCHANGE, LIVE} else _feed_path(feed)
    job = Job(path or feed, _speed(speed), shift_to_now=now, faults=tuple(faults or ()))
    if seconds is None:
        run_live(job, out)
        raise typer.Exit(INTERRUPTED)
    summary, interrupted = run_for(job, seconds, err)
    _print_summary(summary, as_json=as_json)
    raise typer.Exit(INTERRUPTED if interrupted else 0 if summary.complete else 1)


def _print_summary(summary: "Summary", *, as_json: bool) -> None:
    values = summary.as_dict()
    if as_json:
        print(json.dumps(values, indent=2))
        return
    table = Table(title="What became of the ticks", show_header=False)
    for name, value in values.items():
        shown = ", ".join(f"{key} {part}" for key, part in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), shown)
    out.print(table)
    if not summary.complete:
        err.print(
            "[red]Some records are missing or stored twice.[/] See `lab logs stream`; store the rest: lab stream --once"
        )


@app.command()
def notebook() -> None:
    """JupyterLab alone, until Ctrl-C: for the lessons, which start the servers themselves."""
    from lab_utils.start import run_notebook

    run_notebook(out)
    raise typer.Exit(INTERRUPTED)


@app.command()
def up(
    profile: Annotated[
        Profile | None, typer.Option(help="What servers a lab without data shall have; it keeps them.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Start Kafka and PostgreSQL in the background, with ZooKeeper or as a cluster if asked to."""
    from lab_utils import stack

    started = time.monotonic()
    addresses = stack.up(profile)
    if as_json:
        print(json.dumps(addresses))
        return
    for name, address in addresses.items():
        out.print(f"{name:9} accepts clients at {address.replace(',', ', ')}")
    out.print(f"Up in {time.monotonic() - started:.1f} s. Stop with: lab down")


@app.command()
def down() -> None:
    """Stop the servers, and what a killed `lab start` left running."""
    from lab_utils import stack
    from lab_utils.start import stop_leftovers

    stopped = [*stop_leftovers(), *stack.down()]
    out.print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")
    for name, address in stack.elsewhere().items():
        out.print(f"{name} is elsewhere, at {address}: it goes on as it was.")


@app.command()
def status(as_json: Json = False) -> None:
    """Show which servers run, where, and how much memory they take. Exit code 1 when one does not run."""
    from lab_utils import stack

    servers = stack.status()
    if as_json:
        rows = [{**vars(server), "log": server.log and str(server.log)} for server in servers]
        print(json.dumps({"servers": rows}, indent=2))
    else:
        table = Table("server", "state", "address", "process", "memory", Column("log", overflow="fold"))
        for server in servers:
            words = ("answers", "does not answer") if server.is_elsewhere else ("running", "stopped")
            state = f"[green]{words[0]}[/]" if server.running else f"[red]{words[1]}[/]"
            memory = f"{server.memory_mb} MB" if server.memory_mb else ""
            process = "elsewhere" if server.is_elsewhere else str(server.pid or "")
            table.add_row(server.name, state, server.address, process, memory, str(server.log or ""))
        out.print(table)
    away = [server for server in servers if not server.running]
    if away:
        if not as_json:
            if any(not server.is_elsewhere for server in away):
                out.print("Start what is stopped with: lab up")
            if any(server.is_elsewhere for server in away):
                out.print("Why one elsewhere does not answer, and what to do: lab doctor")
        raise typer.Exit(1)


@app.command()
def logs(
    name: Annotated[str, typer.Argument(help="kafka, postgres, stream, producer_crypto, exchange, jupyter, …")],
    lines: Annotated[int, typer.Option("-n", min=1, help="How many lines.")] = 40,
) -> None:
    """Print the end of a log."""
    folder = settings().logs_dir
    known = sorted({path.stem for path in folder.glob("*.log")})
    if name not in known:
        raise LabError(f"There is no log {name}.", f"There is: {', '.join(known) or 'none yet; run lab up'}.")
    text = (folder / f"{name}.log").read_text(errors="replace").splitlines()
    print("\n".join(text[-lines:]))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check this machine: each line is OK or the fix. Exit code 1 when something must be fixed."""
    from lab_utils.servers.doctor import findings

    found = findings()
    if as_json:
        print(json.dumps([vars(finding) for finding in found], indent=2))
    else:
        table = Table("check", "", "what is there, and the fix")
        for finding in found:
            mark = "[green]OK[/]" if finding.ok else "[red]fix[/]"
            table.add_row(finding.check, mark, finding.detail if finding.ok else f"{finding.detail} {finding.fix}")
        out.print(table)
    if not all(finding.ok for finding in found):
        raise typer.Exit(1)


@app.command()
def reset(
    unit: Annotated[
        str | None, typer.Argument(help="Only what this unit made, as in 01, and a fresh copy of its exercises.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete topics, tables and checkpoints together, so that they never disagree. Downloads stay."""
    from lab_utils import stack
    from lab_utils.start import stop_leftovers

    what = f"what unit {unit} made" if unit else "all topics, tables and checkpoints"
    if not unit and (elsewhere := stack.elsewhere()):
        what += f" of the lab, also at {' and '.join(elsewhere.values())}"
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"Delete {what}?")):
        command = f"lab reset {unit}" if unit else "lab reset"
        raise LabError("Nothing was deleted.", f"To go ahead without the question: {command} --yes")
    if unit:
        _reset_unit(unit)
        return
    stop_leftovers()
    was_up = any(server.running for server in stack.status())
    stack.remove_data()
    if was_up:
        stack.up()
    out.print("Topics, tables and checkpoints are empty." + ("" if was_up else " Start again with: lab up"))


def _reset_unit(number: str) -> None:
    from lab_utils.teaching import workbook
    from lab_utils.teaching.units import find_unit

    unit = find_unit(number)
    for line in workbook.reset_state(unit):
        out.print(f"removed {line}" if not line.startswith("no ") else line)
    kept = workbook.restore(unit)
    out.print(f"{workbook.copy_path(unit)} is as shipped." + (f" Yours is now {kept.name}." if kept else ""))


exercise_app = typer.Typer(no_args_is_help=True, help="Your copies of the exercises, in work/.")
app.add_typer(exercise_app, name="exercise")


@exercise_app.command("list")
def exercise_list(as_json: Json = False) -> None:
    """List the units and your copies."""
    from lab_utils.teaching import workbook
    from lab_utils.teaching.units import course_units

    units = course_units()
    if as_json:
        rows = [{"unit": u.name, "title": u.title, "exercises": list(u.exercises)} for u in units]
        print(json.dumps(rows, indent=2))
        return
    table = Table("unit", "title", "exercises", "your copy in work/")
    for unit in units:
        copy = workbook.copy_path(unit)
        table.add_row(unit.name, unit.title, str(len(unit.exercises)), copy.name if copy.exists() else "")
    out.print(table)


@exercise_app.command("start")
def exercise_start(number: Annotated[str, typer.Argument(help="The unit, as in 01.")]) -> None:
    """Copy the exercises of a unit into work/, where git pull never touches them."""
    from lab_utils.teaching import workbook
    from lab_utils.teaching.units import find_unit

    path, is_new = workbook.start(find_unit(number))
    out.print(f"{path} is ready." if is_new else f"{path} was there already; a fresh one: lab reset {number}")


@exercise_app.command("reset")
def exercise_reset(number: Annotated[str, typer.Argument(help="The unit, as in 01.")]) -> None:
    """Put a fresh copy of the exercises into work/; yours is kept under another name. Topics and tables stay."""
    from lab_utils.teaching import workbook
    from lab_utils.teaching.units import find_unit

    unit = find_unit(number)
    kept = workbook.restore(unit)
    out.print(f"{workbook.copy_path(unit)} is as shipped." + (f" Yours is now {kept.name}." if kept else ""))


@app.command()
def progress() -> None:
    """List all exercises, what came of each, and the next one."""
    from lab_utils.teaching.api import progress_card

    out.print(_plain(progress_card().text()))


@app.command()
def build(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 on a difference.")] = False,
) -> None:
    """Build notebooks, exercises and solutions from course/."""
    from lab_utils.teaching import builder

    root = settings().course_dir.parent
    if not check:
        changed = builder.write_files(root)
        out.print("\n".join(f"wrote {name}" for name in changed) or "Nothing has changed.")
        return
    stale = builder.stale_files(root)
    if stale:
        raise LabError(f"Not as the sources say: {'; '.join(stale)}.", "Build them again with: lab build")
    out.print("All notebooks are as their sources say.")


@app.command()
def verify(
    numbers: Annotated[list[str] | None, typer.Argument(help="Units, as in 00 01. Default: all.")] = None,
    as_json: Json = False,
) -> None:
    """Prove the course on servers of its own: solutions, exercises as shipped, wrong answers, mutants, lessons."""
    from lab_utils.teaching import builder, proof
    from lab_utils.teaching.units import course_units, find_unit

    units = [find_unit(number) for number in numbers] if numbers else course_units()
    stale = builder.stale_files(settings().course_dir.parent)
    if stale:
        raise LabError(f"Not as the sources say: {'; '.join(stale)}.", "Build them first with: lab build")
    logging.getLogger("kafka").setLevel(logging.CRITICAL + 1)  # clients of wrong answers complain until the end
    with _printing_to_standard_error(), proof.own_stack() as folder:
        results = [proof.verify(unit, folder, lambda line: err.print(_plain(line))) for unit in units]
    if as_json:
        print(json.dumps([vars(result) for result in results], indent=2))
    else:
        _print_proof(results)
    if any(result.problems for result in results):
        raise typer.Exit(1)


@contextmanager
def _printing_to_standard_error() -> Iterator[None]:
    """Kernels, and what lessons start in them, print to the file descriptor that they inherit; the result is not theirs."""
    sys.stdout.flush()
    result = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(result, 1)
        os.close(result)


def _print_proof(results: "Sequence[Result]") -> None:
    table = Table("unit", "exercises", "wrong\ncaught", "alternatives\naccepted", "mutants\nkilled", "seconds")
    for column in table.columns:
        column.no_wrap = True
    for result in results:
        spent = "\n".join(
            f"{step} {result.seconds.get(step, 0):.0f}"
            for step in ("lesson", "solution", "shipped", "again", "answers")
        )
        table.add_row(
            result.unit,
            str(result.exercises),
            f"{result.wrong_caught} of {result.wrong}",
            f"{result.alternatives_accepted} of {result.alternatives}",
            f"{result.mutants_killed} of {result.mutants}\n+{result.equivalent} equal",
            spent,
        )
    out.print(table)
    for result in results:
        for problem in result.problems:
            err.print(f"[red]problem[/] {_plain(problem)}")


@app.command()
def grade(
    folder: Annotated[Path, typer.Argument(help="The students' notebooks, one each or a folder each.")],
    output: Annotated[Path, typer.Option(help="Where marks.csv and marks.html are written.")] = Path(),
    seconds: Annotated[float, typer.Option(min=10, help="Time limit of a notebook.")] = 600,
    cell_seconds: Annotated[int, typer.Option(min=1, help="Time limit of a cell; its check may take longer.")] = 60,
) -> None:
    """Mark students' notebooks, each against servers of its own, and say where the class is stuck."""
    from lab_utils.teaching import grade as grading

    if not folder.is_dir():
        raise LabError(f"{folder} is no folder.", "Name the folder with the students' notebooks.")
    output.mkdir(parents=True, exist_ok=True)
    marks: list[grading.Mark] = []
    for some in grading.grade(
        folder, seconds=seconds, cell_seconds=cell_seconds, say=lambda line: err.print(_plain(f"marking {line} …"))
    ):
        marks += some
        grading.write_csv(marks, output / "marks.csv")  # each time: Ctrl-C must not cost what is marked
        grading.write_html(marks, output / "marks.html")
    out.print(
        f"{len({mark.student for mark in marks})} notebooks marked: {output / 'marks.csv'}, {output / 'marks.html'}"
    )


@app.command()
def produce(
    kind: Annotated[Kind, typer.Argument(help="Which topic: crypto_topic or stock_topic.")],
    feed: Annotated[
        str | None,
        typer.Option(help="exchange, live, or file:PATH. Default: the file of the simulated hour, from now on."),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="CSV: tick field = column, as in event_time=timestamp_ms,price=price.")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="The symbol, where the recording has none.")] = None,
    currency: Annotated[str | None, typer.Option(help="The currency, where the recording has none.")] = None,
    source: Annotated[str | None, typer.Option(help="The source, where the recording has none.")] = None,
    speed: Annotated[str, typer.Option(help="1 as recorded, N times faster, or max.")] = "1",
    now: Annotated[bool, typer.Option("--now", help="Shift event times so that the first tick is now.")] = False,
    repeat: Annotated[bool, typer.Option("--repeat", help="Begin again at the end, times going on.")] = False,
    as_json: Json = False,
) -> None:
    """Feed → Kafka. Ends with the feed, or with Ctrl-C; then says what the broker acknowledged."""
    from lab_utils.feeds import file_feed, sources
    from lab_utils.producers import producer_crypto, producer_stocks
    from lab_utils.signals import stop_on_signals
    from lab_utils.ticks import CRYPTO, STOCKS

    asset, producer = (CRYPTO, producer_crypto) if kind is Kind.crypto else (STOCKS, producer_stocks)
    with stop_on_signals() as stop:
        if feed in {sources.EXCHANGE, sources.LIVE}:
            ticks = sources.read_feed(feed, asset, stop)
        else:
            path = _feed_path(feed) if feed else SAMPLES
            if path.is_dir():
                path = file_feed.feed_files(path).get(asset.name, path)
            given = {"symbol": symbol, "currency": currency, "source": source}
            constants = {name: value for name, value in given.items() if value is not None}
            recording: Recording = file_feed.Recording(path, file_feed.parse_columns(columns), constants)
            file_feed.check_recording(recording, asset)
            ticks = file_feed.replay(
                recording, asset, speed=_speed(speed), shift_to_now=now or feed is None, repeat=repeat, stopped=stop
            )
        delivery = producer.produce(ticks, _progress(asset.topic), stop)
    if as_json:
        print(json.dumps(delivery.as_dict()))
    else:
        out.print(
            f"{delivery.acknowledged:,} records acknowledged by Kafka, {delivery.rejected:,} of them in "
            f"{asset.dead_letter_topic}; {delivery.undelivered:,} not delivered."
        )
    if delivery.undelivered:
        raise LabError(
            f"{delivery.undelivered} records did not reach Kafka ({delivery.first_error or 'no answer in time'}).",
            "See `lab status` and `lab logs kafka`, then send them again.",
        )
    if stop.interrupted:
        raise typer.Exit(INTERRUPTED)


@app.command()
def exchange(
    speed: Annotated[str, typer.Option(help="1 as recorded, or N times faster.")] = "1",
    seed: Annotated[int, typer.Option(min=0, help="Decides the faults, and where in the hour the market opens.")] = 0,
    faults: Annotated[list[str] | None, FAULT] = None,
    for_start: Annotated[bool, typer.Option("--for-start", help="A part of lab start.", hidden=True)] = False,
    as_json: Json = False,
) -> None:
    """The market on this machine: the APIs of CryptoCompare and Finnhub, with simulated prices. Ctrl-C ends it.

    Faults are one of 429, 429-text, 401, 403, 500, 503, unknown, html, empty, cut, zero, stale, timeout, reset, and for
    the WebSocket ping, error, close; each with a rate from 0 to 1, everywhere or at one endpoint. They can be
    switched while it runs: GET and POST /control/faults. What was served: GET /control/stats.
    """
    from lab_utils.feeds.exchange import server
    from lab_utils.feeds.exchange.faults import parse_fault
    from lab_utils.signals import stop_on_signals

    del for_start  # is there to be seen on the command line
    wanted = [parse_fault(text) for text in faults or ()]
    pace = _exchange_speed(_speed(speed))
    with stop_on_signals() as stop:
        made = server.make_exchange(speed=pace, seed=seed, faults=wanted)
        served = server.run(made, stop, lambda address: err.print(f"The exchange listens at http://{address}"))
    print(json.dumps(served)) if as_json else out.print(
        f"{sum(served['answers'].values()):,} good answers with {served['ticks']:,} different ticks."
    )
    if stop.interrupted:
        raise typer.Exit(INTERRUPTED)


@app.command()
def dashboard(
    port: Annotated[int | None, typer.Option(min=1024, max=65_400, help="First port tried.")] = None,
    prefix: Annotated[str, typer.Option(help="Path at which a proxy serves the page, as in /proxy/8050/.")] = "/",
    host: Annotated[
        str, typer.Option(help="Where it listens. 0.0.0.0 inside a container, whose port is published on loopback.")
    ] = "127.0.0.1",
    for_start: Annotated[bool, typer.Option("--for-start", help="A part of lab start.", hidden=True)] = False,
) -> None:
    """The market and the pipeline as pages for the browser, once a second up to date. Ctrl-C ends it."""
    from lab_utils.dashboard import page
    from lab_utils.signals import stop_on_signals

    del for_start  # is there to be seen on the command line
    if not (prefix.startswith("/") and prefix.endswith("/")):
        raise LabError(f"The prefix {prefix!r} is no path.", "It begins and ends with a slash: --prefix /proxy/8050/")
    with stop_on_signals() as stop:
        page.run(stop, port, prefix, lambda address: err.print(f"The dashboard: {address}"), host)
    if stop.interrupted:
        raise typer.Exit(INTERRUPTED)


@app.command()
def powerbi(as_json: Json = False) -> None:
    """Write the connection file and the project for Power BI Desktop into work/powerbi, and say how to open them."""
    from lab_utils import powerbi as files

    written = files.write()
    if as_json:
        paths = {name: str(getattr(written, name)) for name in ("connection", "project", "server")}
        print(json.dumps(paths, indent=2))
        return
    if written.is_kept:
        out.print(f"Your project was there already; only its address is set, to {written.server}.")
    for number, step in enumerate(files.steps(written), 1):
        out.print(f"{number}. {_plain(step)}")
    out.print("More: docs/powerbi.md")


WithZookeeper = Annotated[bool, typer.Option("--zookeeper", help="With Kafka 3.9 and ZooKeeper, the original shape.")]


@docker_app.command("up")
def docker_up(zookeeper: WithZookeeper = False) -> None:
    """Build the lab's image, start all containers, and wait until each is healthy."""
    from lab_utils import containers

    containers.up(zookeeper=zookeeper)
    table = Table(show_header=False)
    for name, address in containers.addresses().items():
        table.add_row(name, address)
    out.print(table)
    stop = f"lab docker down{' --zookeeper' * zookeeper}"
    out.print(f"JupyterLab asks for JUPYTER_TOKEN of docker/.env. Stop with: {stop}")


@docker_app.command("down")
def docker_down(
    zookeeper: WithZookeeper = False,
    volumes: Annotated[bool, typer.Option("--volumes", help="Delete topics, tables and checkpoints, too.")] = False,
) -> None:
    """Stop and remove the containers. What they have stored stays, unless you say otherwise."""
    from lab_utils import containers

    containers.down(zookeeper=zookeeper, volumes=volumes)


@docker_app.command("env")
def docker_env() -> None:
    """Print what docker/.env lacks, with passwords made just now: lab docker env >> docker/.env"""
    from lab_utils import containers

    for line in containers.missing_lines():
        print(line)


@dead_letters_app.command("list")
def list_dead_letters(
    each: Annotated[bool, typer.Option("--each", help="One line for each, not for each reason.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line, for an editor.")] = False,
) -> None:
    """The dead letters by reason, with their number and how many were replayed."""
    from lab_utils import dead_letters

    letters = dead_letters.read_all()
    done = dead_letters.replayed(letters)
    if as_json:
        for letter in letters:
            print(json.dumps({**letter.as_dict(), "replayed": letter.name in done}, ensure_ascii=False))
        return
    if not letters:
        out.print("There are no dead letters.")
        return
    if each:
        name = Column("name", no_wrap=True)  # to be copied
        table = Table(name, "time (UTC)", "key", Column("reason", overflow="fold"), "replayed")
        for letter in letters:
            key = (letter.key or b"").decode(errors="replace")
            mark = "yes" if letter.name in done else ""
            table.add_row(letter.name, f"{letter.time:%Y-%m-%d %H:%M:%S}", _plain(key), _plain(letter.reason), mark)
    else:
        table = Table("count", "replayed", Column("newest", no_wrap=True), Column("reason", overflow="fold"))
        for reason, count, sent, newest in dead_letters.counts(letters, done):
            table.add_row(f"{count:,}", f"{sent:,}", newest, _plain(reason))
    out.print(table)


@dead_letters_app.command("show")
def show_dead_letter(
    name: Annotated[str, typer.Argument(help="As list shows it: TOPIC:PARTITION:OFFSET.")], as_json: Json = False
) -> None:
    """One dead letter with its headers and its bytes."""
    from lab_utils import dead_letters

    (letter,) = dead_letters.find(dead_letters.read_all(), [name])
    if as_json:
        print(json.dumps({**letter.as_dict(), "headers": dict(letter.headers)}, ensure_ascii=False))
        return
    for header, value in letter.headers.items():
        out.print(f"{_plain(header)}: {_plain(value)}")
    out.print(f"key: {_plain((letter.key or b'none').decode(errors='replace'))}")
    out.print(f"time: {letter.time:%Y-%m-%d %H:%M:%S} UTC")
    print("(no value)" if letter.raw is None else letter.raw.decode(errors="backslashreplace"))


@dead_letters_app.command("replay")
def replay_dead_letters(
    names: Annotated[list[str] | None, typer.Argument(help="Which: TOPIC:PARTITION:OFFSET.")] = None,
    reason: Annotated[str | None, typer.Option(help="All whose reason contains this text.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    changes: Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE; can be given again.")] = None,
    repairs: Annotated[
        Path | None, typer.Option("--from", help="A file written by list --json, with the text in raw repaired.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send repaired dead letters to their topic, each once. Exit code 1 when one is still no tick.

    Either name them and say what to set, as in: lab dead-letters replay crypto_topic.dlq:0:12 --set price=1.5
    or write them to a file (lab dead-letters list --json > bad.jsonl), edit the text in raw, and give it with --from.
    """
    from lab_utils import dead_letters

    if sum((bool(names), reason is not None, every, repairs is not None)) != 1:
        raise LabError("Which dead letters?", "Give their names, or one of --reason TEXT, --all, --from FILE.")
    wanted_changes = dead_letters.parse_changes(changes or ())
    repaired = dead_letters.read_repairs(repairs) if repairs is not None else {}
    letters = dead_letters.read_all()
    if reason is not None:
        letters = [letter for letter in letters if reason in letter.reason]
    elif not every:
        letters = dead_letters.find(letters, [*(names or ()), *repaired])
    outcome = dead_letters.replay(letters, wanted_changes, repaired)
    if as_json:
        print(json.dumps(outcome.as_dict(), indent=2))
    else:
        out.print(f"{len(outcome.sent):,} sent, {len(outcome.already):,} had been replayed before.")
        for name, why in outcome.no_tick.items():
            err.print(f"{name} is still no tick: {_plain(why)}")
    if outcome.no_tick:
        raise typer.Exit(1)


def _exchange_speed(speed: float | None) -> float:
    if speed is None:
        raise LabError("The exchange has no speed max.", "Give a number, as in --speed 10.")
    return speed


def _progress(topic: str) -> Any:
    """A counter on the terminal, once a second; nothing when the output is read by a program."""
    if not err.is_terminal:
        return None
    shown_at = time.monotonic()

    def show(delivery: "Delivery") -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at >= 1:
            shown_at = time.monotonic()
            err.print(f"{topic}: {delivery.acknowledged:,} records", end="\r")

    return show


@app.command()
def consume(
    once: Annotated[bool, typer.Option("--once", help="End when all that is there now is stored.")] = False,
    as_json: Json = False,
) -> None:
    """Kafka → PostgreSQL in plain Python, with the same result as `lab stream`."""
    from lab_utils.consumers.postgres_consumer import consume as run
    from lab_utils.signals import stop_on_signals

    with stop_on_signals() as stop:
        count = run(stop, once=once)
    print(json.dumps({"records": count})) if as_json else out.print(f"{count:,} records read and stored.")
    if stop.interrupted:
        raise typer.Exit(INTERRUPTED)


@app.command()
def stream(
    once: Annotated[bool, typer.Option("--once", help="End when all that is there now is stored.")] = False,
    await_servers: Annotated[
        float, typer.Option(help="Start Spark at once and wait so many seconds for the servers.", hidden=True)
    ] = 0,
    as_json: Json = False,
) -> None:
    """Kafka → PostgreSQL with Spark Structured Streaming: ticks, candles and dead letters."""
    from lab_utils.signals import stop_on_signals
    from lab_utils.streaming import pipeline
    from lab_utils.waiting import wait_until

    with stop_on_signals() as stop, pipeline.only_one():
        if not await_servers:
            pipeline.prepare()
        from py4j.protocol import Py4JError

        from lab_utils.servers import spark_server
        from lab_utils.streaming.session import get_spark

        if await_servers:
            wait_until(lambda: stop.is_set() or spark_server.takes_sessions(), await_servers, "the Spark master")
        stored: dict[str, int] = {}
        if not stop.is_set():
            spark = get_spark(**spark_server.session_settings())
            try:
                if await_servers:
                    wait_until(lambda: stop.is_set() or pipeline.is_prepared(), await_servers, "Kafka and PostgreSQL")
                if not stop.is_set():
                    stored = pipeline.run(spark, stop, once=once)
            finally:
                with contextlib.suppress(Py4JError, OSError):  # its JVM may be gone
                    spark.stop()
    if as_json:
        print(json.dumps(stored))
    else:
        out.print(f"{stored.get('ticks', 0):,} records stored, {stored.get('candles', 0):,} candles written.")
        if late := stored.get("late"):
            out.print(
                f"{late:,} of the ticks came later than the watermark. Spark left them out; their candles were "
                "computed from the stored ticks."
            )
    if stop.interrupted:
        raise typer.Exit(INTERRUPTED)


@app.command()
def torture(
    rounds: Annotated[int, typer.Option(min=1, help="How many faults.")] = 14,
    seed: Annotated[int | None, typer.Option(help="Which ones, and in which order. Default: chosen and shown.")] = None,
) -> None:
    """Kill and break each part while ticks flow, on servers of its own, and compare what is stored with what was sent."""
    from lab_utils.scratch import own_stack
    from lab_utils.torture import campaign

    chosen = secrets.randbelow(2**32) if seed is None else seed
    out.print(f"seed {chosen}")
    with own_stack("torture"):
        try:
            harmed = campaign.run(rounds, chosen, out.print)
        except WaitTimeout as late:
            raise LabError(
                f"The pipeline did not come back after a fault: {late}",
                f"The logs are in {settings().logs_dir}; the same faults again: lab torture --seed {chosen}",
            ) from None
    out.print(f"{rounds} faults, {harmed} did harm.")
    if harmed:
        raise typer.Exit(1)


Docs = Annotated[bool, typer.Option("--docs", help="Put the results into docs/performance.md.")]


@bench.command("sink")
def bench_sink(
    ticks: Annotated[int, typer.Option(min=100, help="Ticks in the topic.")] = 500_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds that count; one before them warms up.")] = 5,
    only: Annotated[list[str] | None, typer.Option(help="a, b, b', b'', c, d, e or f; may be repeated.")] = None,
    growth: Annotated[bool, typer.Option("--growth", help="Also with ten million rows in the table.")] = False,
    docs: Docs = False,
    as_json: Json = False,
) -> None:
    """Rows per second: our sink, its ceiling, Spark's JDBC writer, the plain consumer."""
    run = _benchmarks()
    _show(run.bench_sink(ticks, rounds, only or [], err.print, growth=growth), docs=docs, as_json=as_json)


@bench.command("latency")
def bench_latency(
    rate: Annotated[list[int] | None, typer.Option(min=1, help="Messages a second; may be repeated.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="How long at each rate.")] = 20,
    docs: Docs = False,
    as_json: Json = False,
) -> None:
    """Milliseconds from sending an event to its row being visible."""
    run = _benchmarks()
    _show(run.bench_latency(rate or [100, 1_000, 10_000], seconds, err.print), docs=docs, as_json=as_json)


@bench.command("cluster")
def bench_cluster(
    ticks: Annotated[int, typer.Option(min=100, help="Ticks in the topic.")] = 200_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds that count; one before them warms up.")] = 3,
    partitions: Annotated[
        list[int] | None, typer.Option(min=1, max=8, help="Of the topic; may be repeated. Else 1, 2, 4 and 8.")
    ] = None,
    docs: Docs = False,
    as_json: Json = False,
) -> None:
    """Rows per second on a cluster of this machine beside the embedded lab, by partitions."""
    run = _benchmarks()
    _show(run.bench_cluster(ticks, rounds, partitions or [1, 2, 4, 8], err.print), docs=docs, as_json=as_json)


@bench.command("startup")
def bench_startup(
    rounds: Annotated[int, typer.Option(min=1, help="How often.")] = 3, docs: Docs = False, as_json: Json = False
) -> None:
    """Seconds until the servers are there, and until the first row is."""
    _show(_benchmarks().bench_startup(rounds, err.print), docs=docs, as_json=as_json)


@bench.command("memory")
def bench_memory(
    rate: Annotated[int, typer.Option(min=1, help="Messages a second.")] = 2_000,
    seconds: Annotated[float, typer.Option(min=1, help="How long.")] = 600,
    docs: Docs = False,
    as_json: Json = False,
) -> None:
    """Resident memory over time at a steady rate."""
    _show(_benchmarks().bench_memory(rate, seconds, err.print), docs=docs, as_json=as_json)


def _benchmarks() -> Any:
    sys.path.append(str(ROOT))  # `benchmarks` lies beside the package, and is not installed
    from benchmarks import run

    return run


def _show(report: Any, *, docs: bool, as_json: bool) -> None:
    if docs:
        from benchmarks.report import document

        document(report)
    if as_json:
        print(json.dumps({"command": report.command, "results": report.raw}, indent=2))
        return
    out.print(report.table())
    for note in report.notes:
        out.print(_plain(note))


def _feed_path(feed: str) -> Path:
    scheme, _, path = feed.partition(":")
    if scheme != "file" or not path:
        raise LabError(f"The feed {feed!r} is unknown.", "Use exchange, live, or file:PATH of a recording.")
    return Path(path).expanduser()


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0
    if not 0 < speed < float("inf"):
        raise LabError(f"The speed {text!r} is not usable.", "Use 1, a larger number, or max.")
    return speed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code. A `LabError` is printed as one sentence and its repair."""
    try:
        code = app(args=list(arguments) if arguments is not None else None, standalone_mode=False)
        return code if isinstance(code, int) else 0
    except typer.Exit as ended:
        return ended.exit_code
    except (KeyboardInterrupt, typer.Abort):
        err.print("Stopped.")
        return INTERRUPTED
    except LabError as error:
        return _complain(error)
    except BrokenPipeError:
        # Whoever read our output has enough of it, as in `lab logs kafka | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except CLICK_ERROR as error:
        if told := error.format_message():  # `lab` alone has printed the help
            err.print(f"[red]Error:[/] {_plain(told)}\nSee: lab --help")
        return 2
    except Exception as error:
        explained = _explained(error)
        if explained is None:
            raise
        return _complain(explained)


def _complain(error: LabError) -> int:
    err.print(f"[red]Error:[/] {_plain(error.what)}\n{_plain(error.repair)}")
    return 1


def _explained(error: Exception) -> LabError | None:
    """What the user can repair in an error that is not the lab's own; None when it is a defect of the lab."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return LabError(f"The disk is full ({error.filename or 'no file named'}).", "Free some space.")
    if isinstance(error, OSError) and error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}:
        return LabError(
            f"{error.filename or 'A file'} cannot be used ({error.strerror}).",
            "See `lab doctor`; files that another user made, give to yourself.",
        )
    if isinstance(error, WaitTimeout):
        return LabError(
            f"Something did not come in time: {error}.", "See `lab status` and `lab doctor`, then try again."
        )
    # A connection that was there and broke; one that cannot be made is explained where that is tried.
    names = [base.__name__ for base in type(error).__mro__]
    server = "Kafka" if "KafkaError" in names else "PostgreSQL" if "OperationalError" in names else None
    if server is None:
        return None
    first_line = (str(error).splitlines() or names)[0].rstrip(".")
    from lab_utils.servers import kafka_server, postgres_server

    repair = (kafka_server if server == "Kafka" else postgres_server).repair()
    return LabError(f"{server} stopped answering: {first_line}.", repair)


def _plain(text: str) -> str:
    """Square brackets in a message are text, not rich's markup."""
    return text.replace("[", "\\[")


if __name__ == "__main__":
    end_on_sigterm_as_on_ctrl_c()
    sys.exit(main())
