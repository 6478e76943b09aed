"""The main job, `lab start`: servers, producers and Spark as processes of their own, watched from here."""

import dataclasses
import functools
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg2
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from lab_utils import db_utils, kafka_utils, stack
from lab_utils.dashboard import place as dashboard_place
from lab_utils.errors import LabError
from lab_utils.feeds import sources
from lab_utils.feeds.exchange import place
from lab_utils.feeds.exchange.faults import parse_fault
from lab_utils.feeds.file_feed import Recording, check_recording, feed_files
from lab_utils.servers import kafka_server, postgres_server, processes
from lab_utils.servers.jars import fetch_jars
from lab_utils.settings import ROOT, settings
from lab_utils.signals import Stop, stop_on_signals
from lab_utils.ticks import ASSETS
from lab_utils.waiting import WaitTimeout, wait_until

STREAM_START_SECONDS = 120
FIRST_TICK_SECONDS = 60
STANDSTILL_SECONDS = 120
"""At the end of a run: for how long nothing may have come any further before it is given up."""
PROGRESS_SECONDS = 2
PRODUCER_STOP_SECONDS = 45
STREAM_STOP_SECONDS = 30
JUPYTER_START_SECONDS = 60
JUPYTER_ATTEMPTS = 3
JUPYTER_STOP_SECONDS = 10
EXCHANGE_START_SECONDS = 60
DASHBOARD_START_SECONDS = 60
EXCHANGE_STOP_SECONDS = 15
JUPYTER_ENDED = "ended; to have it back, press Ctrl-C and start again"
JUPYTER_OVERRIDES = {
    # The lab works offline, and the first thing to see is not a question about news.
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}
}
JUPYTER_PAGE = {
    # dash brings an extension that JupyterLab would offer to build, in a dialog at each start (plotly/dash#2580).
    "buildCheck": False,
    "buildAvailable": False,
}
PRODUCER_KINDS = {"crypto": "crypto", "stock": "stocks"}
"""Asset name → argument of `lab produce`."""


@dataclasses.dataclass(frozen=True)
class Job:
    """Where the ticks come from, and how."""

    feed: Path | str
    """The path of recordings, or `exchange`, or `live`."""
    speed: float | None
    shift_to_now: bool
    faults: tuple[str, ...] = ()
    """What the exchange does wrong."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """What became of the ticks of one run, as the broker and the database tell it."""

    produced: int
    """Records that the run's topics gained, dead-letter topics included."""
    acknowledged: int
    """Records that the producers know to be delivered."""
    undelivered: int
    stored: int
    dead_letters: int
    duplicates: int
    """Rows beyond one for a record."""
    latency_ms: dict[str, int | None]
    """From the producer's clock (`ingest_time`) to the commit that made the row visible."""
    seconds_to_first_row: float | None
    """From asking the servers to start to the first visible row."""
    served: int | None
    """Different ticks in the good answers of the run's own exchange; None with another feed."""
    memory_mb: dict[str, int]
    """The largest resident memory seen, by process; `total` is the largest sum at one moment."""

    @property
    def complete(self) -> bool:
        """Whether each record is in the database exactly once."""
        return (
            self.stored + self.dead_letters == self.produced
            and self.duplicates == 0
            and self.undelivered == 0
            and self.acknowledged <= self.produced
        )

    def as_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return {**dataclasses.asdict(self), "complete": self.complete}


class Child:
    """One process of the run: a `lab` command that this one started."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.name = name
        self.log = settings().logs_dir / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        state_dir = str(settings().state_dir)
        command = [sys.executable, "-m", "lab_utils.cli", "--state-dir", state_dir, "--verbose", *arguments]
        self._log_start = processes.log_end(self.log)  # what earlier runs said is no reason for anything now
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the command in front; it stops the others in order
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    @property
    def ended_badly(self) -> bool:
        """Whether it ended by itself, and not because its work was done."""
        return self.process.poll() not in {None, 0}

    def check(self) -> None:
        """See that it runs, or ended well.

        Raises:
            LabError: it failed; the text holds its last words.
        """
        if self.ended_badly:
            lines = processes.log_text(self.log, self._log_start).strip().splitlines()
            told = next((n for n in range(len(lines) - 1, -1, -1) if lines[n].startswith("Error:")), None)
            words = " ".join(lines[told:]).removeprefix("Error: ") if told is not None else f"see {self.log}"
            raise LabError(f"{self.name} ended: {words}", f"Its log: lab logs {self.name}")

    def stop(self, seconds: float) -> str:
        """End it politely, after `seconds` by force; what it printed."""
        self.process.terminate()
        try:
            printed, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            printed, _ = self.process.communicate()
        return printed.decode()


class Run:
    """The processes of one run, and what it began with."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.asked_at = time.time()
        self.stream = Child("stream", "stream", "--await-servers", str(STREAM_START_SECONDS))
        self.exchange: Child | None = None
        self.producers: list[Child] = []
        self.dashboard: Child | None = None
        self.first_offsets: dict[tuple[str, int], int] = {}
        self.memory_mb: dict[str, int] = {}

    def begin(self) -> None:
        """Start servers (Spark is starting meanwhile), then the producers.

        Raises:
            LabError: a part did not start.
        """
        if self.job.feed == sources.EXCHANGE and place.address() is None:
            self.exchange = self._start_exchange()
        stack.up()
        self.first_offsets = kafka_utils.end_offsets()
        if self.exchange is not None:
            exchange = self.exchange
            _await(
                lambda: exchange.process.poll() is not None or place.address() is not None,
                EXCHANGE_START_SECONDS,
                "The exchange did not start",
                "Look at: lab logs exchange",
            )
            exchange.check()
        for kind, arguments in self._producers():
            self.producers.append(Child(f"producer_{kind}", "produce", kind, *arguments, "--json"))

    def _start_exchange(self) -> Child:
        faults = [part for fault in self.job.faults for part in ("--fault", fault)]
        speed = f"{self.job.speed or 1:g}"
        return Child("exchange", "exchange", "--for-start", "--speed", speed, "--json", *faults)

    def show(self) -> None:
        """Start the dashboard, unless one is open already."""
        if dashboard_place.address() is None:
            self.dashboard = Child("dashboard", "dashboard", "--for-start")

    def dashboard_address(self) -> str:
        """Where the dashboard is, once it answers.

        Raises:
            LabError: it did not start.
        """

        def is_there() -> bool:
            self.check()
            return dashboard_place.address() is not None

        _await(is_there, DASHBOARD_START_SECONDS, "The dashboard did not start", "Look at: lab logs dashboard")
        return str(dashboard_place.address())

    def _producers(self) -> Iterator[tuple[str, list[str]]]:
        """What each producer is called with."""
        if isinstance(self.job.feed, str):
            for kind in PRODUCER_KINDS.values():
                yield kind, ["--feed", self.job.feed]
            return
        for name, path in feed_files(self.job.feed).items():
            arguments = ["--feed", f"file:{path.resolve()}", "--speed", str(self.job.speed or "max")]
            yield PRODUCER_KINDS[name], arguments + ["--now"] * self.job.shift_to_now

    def await_ticks(self, stop: Stop) -> None:
        """Wait until the producers have loaded and the first tick is in Kafka.

        Raises:
            LabError: a part failed, or no tick came.
        """

        def flows() -> bool:
            self.check()
            return stop.is_set() or any(self._gained().values())

        _await(flows, FIRST_TICK_SECONDS, "No tick reached Kafka", "Look at: lab logs producer_crypto")

    def check(self) -> None:
        """See that every part still works, and note how much memory each takes.

        Raises:
            LabError: a part failed.
        """
        for child in self._children():
            child.check()
        self._sample_memory()

    def _children(self) -> list[Child]:
        return [child for child in (*self.producers, self.exchange, self.stream, self.dashboard) if child is not None]

    def _sample_memory(self) -> None:
        members = {part.name: part.process for part in stack.parts()}
        members |= {child.name: _process(child.process.pid) for child in self._children()}
        used = {name: processes.resident_bytes(found) // 1_000_000 for name, found in members.items() if found}
        used["lab"] = psutil.Process().memory_info().rss // 1_000_000
        used["total"] = sum(used.values())
        for name, megabytes in used.items():
            self.memory_mb[name] = max(megabytes, self.memory_mb.get(name, 0))

    def end(self) -> Summary:
        """Stop the producers, wait until all they sent is stored, stop Spark, and count."""
        delivered = {"acknowledged": 0, "undelivered": 0}
        for child in self.producers:
            child.process.terminate()
        _await_end(
            lambda: all(child.process.poll() is not None for child in self.producers),
            self._gained,
            PRODUCER_STOP_SECONDS,
        )
        for child in self.producers:
            counts = json.loads(child.stop(1) or "{}")
            delivered = {name: count + counts.get(name, 0) for name, count in delivered.items()}
        served = None
        if self.exchange is not None:
            served = json.loads(self.exchange.stop(EXCHANGE_STOP_SECONDS) or "{}").get("ticks")
        gained = self._gained()
        # What is missing then is shown by the summary.
        _await_end(lambda: self.stream.ended_badly or self._is_drained(gained), self._counts, STANDSTILL_SECONDS)
        self._sample_memory()
        self.stream.stop(STREAM_STOP_SECONDS)
        return Summary(
            produced=sum(gained.values()),
            **delivered,
            **self._counts(),
            duplicates=self._duplicates(),
            latency_ms=self._latency(),
            seconds_to_first_row=self._seconds_to_first_row(),
            served=served,
            memory_mb=self.memory_mb,
        )

    def _gained(self) -> dict[tuple[str, int], int]:
        return {part: end - self.first_offsets.get(part, 0) for part, end in kafka_utils.end_offsets().items()}

    def _is_drained(self, gained: dict[tuple[str, int], int]) -> bool:
        counts = self._counts()
        if counts["stored"] + counts["dead_letters"] < sum(gained.values()):
            return False
        with db_utils.cursor() as cursor:
            cursor.execute("SELECT (SELECT sum(tick_count) FROM candles_1m) >= (SELECT count(*) FROM ticks)")
            return bool(cursor.fetchone()[0]) or counts["stored"] == 0

    def _first_of(self, topic: str) -> str:
        """SQL that holds for the rows of this run in `topic`'s table."""
        parts = [(part, offset) for (name, part), offset in self.first_offsets.items() if name == topic]
        return " OR ".join(f"(kafka_partition = {part} AND kafka_offset >= {offset})" for part, offset in parts)

    def _counts(self) -> dict[str, int]:
        """How many rows the run has in the tables; asked each second."""
        stored = dead = 0
        with db_utils.cursor() as cursor:
            for asset in ASSETS:
                cursor.execute(f"SELECT count(*) FROM {asset.table} WHERE {self._first_of(asset.topic)}")
                stored += cursor.fetchone()[0]
            for topic in kafka_utils.TOPICS:
                cursor.execute(
                    f"SELECT count(*) FROM dead_letters WHERE topic = %s AND ({self._first_of(topic)})",
                    (topic,),
                )
                dead += cursor.fetchone()[0]
        return {"stored": stored, "dead_letters": dead}

    def _duplicates(self) -> int:
        """How many rows name a record of the run that another row names too."""
        duplicates = 0
        with db_utils.cursor() as cursor:
            for asset in ASSETS:
                cursor.execute(
                    f"SELECT count(*) - count(DISTINCT (kafka_partition, kafka_offset)) "
                    f"FROM {asset.table} WHERE {self._first_of(asset.topic)}"
                )
                duplicates += cursor.fetchone()[0]
                cursor.execute(
                    f"SELECT count(*) FROM {asset.table} JOIN dead_letters USING (kafka_partition, kafka_offset) "
                    f"WHERE topic = %s AND ({self._first_of(asset.topic)})",
                    (asset.topic,),
                )
                duplicates += cursor.fetchone()[0]
        return duplicates

    def _rows(self) -> str:
        """SQL for the run's ticks with the time at which each became visible."""
        return " UNION ALL ".join(
            f"SELECT ingest_time, pg_xact_commit_timestamp(xmin) AS visible FROM {asset.table} "
            f"WHERE {self._first_of(asset.topic)}"
            for asset in ASSETS
        )

    def _latency(self) -> dict[str, int | None]:
        with db_utils.cursor() as cursor:
            cursor.execute(
                "SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP "
                f"(ORDER BY 1000 * extract(epoch FROM visible - ingest_time)) FROM ({self._rows()}) AS rows"
            )
            p50, p99 = cursor.fetchone()[0] or (None, None)
        return {"p50": None if p50 is None else round(p50), "p99": None if p99 is None else round(p99)}

    def _seconds_to_first_row(self) -> float | None:
        with db_utils.cursor() as cursor:
            cursor.execute(f"SELECT extract(epoch FROM min(visible)) FROM ({self._rows()}) AS rows")
            first = cursor.fetchone()[0]
        return None if first is None else round(float(first) - self.asked_at, 1)

    def abandon(self) -> None:
        """Stop whatever of the run still runs."""
        for child in self.producers:
            child.process.terminate()
        for child in self._children():
            if child.process.poll() is None:
                child.stop(PRODUCER_STOP_SECONDS)


def _await(condition: Callable[[], bool], seconds: float, otherwise: str, repair: str) -> None:
    """Wait for a part of the run.

    Raises:
        LabError: it did not come; `otherwise` says what that means.
    """
    try:
        wait_until(condition, seconds, otherwise, every=0.2)
    except WaitTimeout:
        raise LabError(f"{otherwise} within {seconds:g} s.", repair) from None


def _await_end(is_over: Callable[[], bool], progress: Callable[[], object], seconds: float) -> None:
    """Wait until something is over, or until what `progress` gives has been the same for `seconds`."""
    seen: object = None
    moved_at = asked_at = time.monotonic()
    while not is_over():
        time.sleep(0.3)
        now = time.monotonic()
        if now - asked_at >= PROGRESS_SECONDS:
            asked_at = now
            with suppress(LabError):  # a server that is away tells of no progress
                if (found := progress()) != seen:
                    seen, moved_at = found, now
        if now - moved_at >= seconds:
            return


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


@contextmanager
def _only_one() -> Iterator[None]:
    """Hold the right to be the running pipeline, after clearing away what a killed one left.

    Raises:
        LabError: another `lab start` runs.
    """
    processes.check_state_dir()
    with processes.lock("start") as is_ours:
        if not is_ours:
            raise LabError(
                "The pipeline runs already in this checkout.",
                "Stop it with Ctrl-C there, or look at it: lab status",
            )
        stop_leftovers()
        yield


def stop_leftovers() -> list[str]:
    """Stop the parts of this checkout's pipeline whose `lab start` is gone; what they were."""
    stopped = []
    for part in (["produce"], ["exchange", "--for-start"], ["dashboard", "--for-start"], ["stream"]):
        while (found := processes.find_process("lab_utils.cli", str(settings().state_dir), *part)) is not None:
            processes.stop_process(found, seconds=STREAM_STOP_SECONDS)
            stopped.append(part[0])
    with _jupyter_lock() as is_ours:
        if is_ours and _stop_left_jupyter():
            stopped.append("jupyter")
    return stopped


@contextmanager
def _jupyter_lock() -> Iterator[bool]:
    """Try to hold the right to run JupyterLab; whether this one got it.

    Another holder works with it: `lab down` in one of its notebooks must not take the notebook away.
    """
    processes.check_state_dir(needed_bytes=0)
    with processes.lock("jupyter") as is_ours:
        yield is_ours


def _recorded_jupyter() -> psutil.Process | None:
    return processes.recorded_process("jupyter", "jupyterlab", f"--ServerApp.root_dir={ROOT}")


def _stop_left_jupyter() -> bool:
    """Stop a JupyterLab whose command was killed, for whoever holds the lock; whether there was one."""
    left = _recorded_jupyter()
    if left is None:
        return False
    processes.stop_process(left, seconds=JUPYTER_STOP_SECONDS)
    return True


def _check_feed(job: Job) -> None:
    """See that the feed can be read, before anything starts.

    Raises:
        LabError: a key is missing, a fault is unknown, or a recording cannot be read.
    """
    faults = [parse_fault(text) for text in job.faults]
    if faults and job.feed != sources.EXCHANGE:
        raise LabError("Only the exchange makes faults on demand.", "Leave --fault out, or use --feed exchange.")
    if job.feed == sources.LIVE:
        sources.check_live(*ASSETS)
        return
    if job.feed == sources.EXCHANGE:
        _check_exchange(job)
        return
    assets = {asset.name: asset for asset in ASSETS}
    for name, path in feed_files(Path(job.feed)).items():
        check_recording(Recording(path), assets[name])


def _check_exchange(job: Job) -> None:
    if job.speed is None:
        raise LabError("The exchange has no speed max.", "Give a number, as in --speed 10, or a file: --feed file:PATH")
    running = place.address()
    if running is not None and "--for-start" not in _arguments(place.process()) and (job.faults or job.speed != 1):
        raise LabError(
            f"An exchange runs already, at {running}, and goes its own way.",
            f"Stop it with Ctrl-C there, or switch its faults: POST http://{running}/control/faults",
        )


def _arguments(process: psutil.Process | None) -> list[str]:
    try:
        return [] if process is None else process.cmdline()
    except psutil.Error:
        return []


def run_for(job: Job, seconds: float, console: Console) -> tuple[Summary, bool]:
    """Run without JupyterLab for `seconds` of ticks; the summary, and whether Ctrl-C cut it short.

    The servers are left as they were found: those that this run started are stopped.

    Raises:
        LabError: a part failed; nothing is left running.
    """
    _check_feed(job)
    fetch_jars()
    with stop_on_signals() as stop, _only_one():
        before = {server.name for server in stack.status() if server.running and not server.is_elsewhere}
        run = Run(job)
        try:
            console.print("Starting Kafka, PostgreSQL and Spark …")
            run.begin()
            run.await_ticks(stop)
            console.print(f"Ticks are flowing for {seconds:g} s …")
            _watch(run, stop, seconds)
            console.print("Storing the last records …")
            return run.end(), stop.interrupted
        finally:
            run.abandon()
            if not before:
                stack.down()


def _watch(run: Run, stop: Stop, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and not stop.wait(min(left, 2)):
        run.check()


def run_live(job: Job, console: Console) -> None:
    """Run everything with JupyterLab until Ctrl-C, then stop all of it.

    Raises:
        LabError: a part failed; nothing is left running.
    """
    _check_feed(job)
    fetch_jars()
    with stop_on_signals() as stop, _only_one():
        run = Run(job)
        try:
            console.print("Starting Kafka, PostgreSQL, Spark and JupyterLab …")
            run.begin()
            run.show()
            with open_jupyter() as (jupyter, address):
                page = run.dashboard_address()
                if not console.is_terminal:  # a file or a pipe gets the picture only at the end
                    console.print(f"JupyterLab: {address}\nDashboard: {page}")
                with Live(console=console, refresh_per_second=2, transient=False) as live:
                    while not stop.wait(1):
                        run.check()
                        has_ended = jupyter is not None and jupyter.poll() is not None
                        live.update(_picture(run, JUPYTER_ENDED if has_ended else address, page))
                console.print("Stopping; storing the last records …")
                summary = run.end()
                console.print(
                    f"{summary.produced:,} records produced, {summary.stored:,} stored, "
                    f"{summary.dead_letters:,} dead letters, {summary.duplicates} duplicates."
                )
        finally:
            run.abandon()
            stack.down()


def _picture(run: Run, jupyter_address: str, dashboard_address: str) -> Group:
    """What is running and what has arrived."""
    servers = Table(title="Market Stream Lab (Ctrl-C stops all of it)", show_header=False)
    servers.add_row("JupyterLab", jupyter_address)
    servers.add_row("dashboard", dashboard_address)
    prices = Table("symbol", "price", "event time (UTC)")
    try:
        servers.add_row("Kafka", kafka_server.bootstrap_servers())
        servers.add_row("PostgreSQL", f"{postgres_server.address()}, database {db_utils.DATABASE}")
        counts = run._counts()
        servers.add_row("stored", f"{counts['stored']:,} ticks, {counts['dead_letters']:,} dead letters")
        servers.add_row("memory", f"{run.memory_mb.get('total', 0):,} MB at most so far")
        with db_utils.cursor() as cursor:
            cursor.execute("SELECT symbol, currency, price, event_time FROM latest_prices ORDER BY asset_class, symbol")
            for symbol, currency, price, event_time in cursor.fetchall():
                prices.add_row(symbol, f"{price.normalize():f} {currency}", f"{event_time:%Y-%m-%d %H:%M:%S}")
    except (LabError, psycopg2.OperationalError) as error:  # the pipeline waits for a server that is away; so do we
        servers.add_row("trouble", str(error).strip())
    return Group(servers, prices)


def run_notebook(console: Console) -> None:
    """Run JupyterLab alone until Ctrl-C.

    Raises:
        LabError: one runs already, or this one did not start or ended.
    """
    processes.check_state_dir()
    with stop_on_signals() as stop, open_jupyter() as (jupyter, address):
        if jupyter is None:
            raise LabError("JupyterLab runs already in this checkout.", f"Open it at: {address}")
        console.print(f"JupyterLab: {address}\nOpen this address in a browser. Ctrl-C here ends JupyterLab.")
        while not stop.wait(0.5):
            if jupyter.poll() is not None:
                raise LabError("JupyterLab ended.", "Look at: lab logs jupyter")


@contextmanager
def open_jupyter() -> Iterator[tuple[subprocess.Popen[bytes] | None, str]]:
    """JupyterLab for as long as the block runs, as its process and the address to open.

    One that runs already is used and goes on behind the block; its process is none of ours, so it is None.

    Raises:
        LabError: it does not start, or another command is starting it at this moment.
    """
    with _jupyter_lock() as is_ours:
        if not is_ours:
            yield None, _running_address()
            return
        _stop_left_jupyter()
        jupyter, address = start_jupyter()
        try:
            yield jupyter, address
        finally:
            if jupyter.poll() is None:
                processes.stop_process(psutil.Process(jupyter.pid), seconds=JUPYTER_STOP_SECONDS)


def _running_address() -> str:
    """The address to open, token included, from the file that JupyterLab keeps for its owner alone."""
    running = _recorded_jupyter()
    file = settings().state_dir / "jupyter" / "runtime" / f"jpserver-{running.pid if running else 0}.json"
    try:
        found = json.loads(file.read_text())
        return f"{found['url']}lab?token={found['token']}"
    except (OSError, ValueError, KeyError):
        raise LabError("JupyterLab is just being started or stopped.", "Try again in some seconds.") from None


def write_jupyter_config(folder: Path, overrides: Mapping[str, Any]) -> None:
    """Let a JupyterLab whose configuration is in `folder` begin without questions, with these settings."""
    files = {"default_setting_overrides.json": overrides, "page_config.json": JUPYTER_PAGE}
    for name, content in files.items():
        path = folder / "labconfig" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))


def start_jupyter() -> tuple[subprocess.Popen[bytes], str]:
    """Start JupyterLab on loopback, its files below `.lab`; the process and the address to open.

    Raises:
        LabError: it does not answer in time.
    """
    tried: list[int] = []
    while True:
        port = processes.choose_port("jupyter", settings().jupyter_port, taken=tried)
        token = secrets.token_urlsafe(16)
        seen_before = processes.log_end(_jupyter_log())
        started = _spawn_jupyter(port, token)
        is_ours = functools.partial(_is_ours, started, f"http://{processes.HOST}:{port}/api/status", token)
        try:
            wait_until(is_ours, JUPYTER_START_SECONDS, "JupyterLab", every=0.2)
        except WaitTimeout:
            # By its own word: the port may be free again by now.
            said = processes.log_text(_jupyter_log(), seen_before)
            is_taken = started.poll() is not None and processes.TAKEN.search(said)
            started.kill()
            tried.append(port)
            if not is_taken or len(tried) == JUPYTER_ATTEMPTS:
                raise LabError("JupyterLab did not start.", "Look at: lab logs jupyter") from None
        except KeyboardInterrupt:  # somebody pressed Ctrl-C twice
            started.kill()
            raise
        else:
            return started, f"http://{processes.HOST}:{port}/lab?token={token}"


def _jupyter_log() -> Path:
    return settings().logs_dir / "jupyter.log"


def _spawn_jupyter(port: int, token: str) -> subprocess.Popen[bytes]:
    folder = settings().state_dir / "jupyter"
    environment = {
        **os.environ,
        "JUPYTER_TOKEN": token,  # in the environment, where the process list does not show it
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
        "npm_config_cache": str(folder / "npm"),  # jupyter-lsp asks npm, which would log into the home folder
    }
    write_jupyter_config(folder / "config", JUPYTER_OVERRIDES)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}", "--port-retries=0"]
    command += [f"--ServerApp.ip={processes.HOST}", f"--ServerApp.root_dir={ROOT}", "--allow-root"]
    started = processes.spawn(command, _jupyter_log(), env=environment, cwd=ROOT)
    processes.write_record("jupyter", processes.Record(started.pid, port, settings().jupyter_port))
    return started


def _is_ours(process: subprocess.Popen[bytes], address: str, token: str) -> bool:
    """Whether JupyterLab answers, and it is this one: another lab may have taken the port since it was chosen."""
    if process.poll() is not None:
        raise WaitTimeout("it ended")
    try:
        answer = httpx.get(address, headers={"Authorization": f"token {token}"}, timeout=2, trust_env=False)
    except httpx.TransportError:
        return False
    return answer.status_code == httpx.codes.OK
