"""Students' copies of the exercises in `work/`, and what `lab reset NN` restores."""

import contextlib
import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import psutil

from lab_utils.errors import LabError
from lab_utils.servers import processes
from lab_utils.settings import ROOT, settings
from lab_utils.teaching.units import Unit

STOP_SECONDS = 10


def shipped(unit: Unit) -> Path:
    """The built notebook that a copy is made of.

    Raises:
        LabError: it is not there.
    """
    path = settings().course_dir.parent / "exercises" / f"{unit.name}.ipynb"
    if not path.is_file():
        raise LabError(f"{path} is missing.", "Build it with: lab build")
    return path


def copy_path(unit: Unit) -> Path:
    """Where a student's copy lies."""
    return settings().work_dir / f"{unit.name}.ipynb"


def start(unit: Unit) -> tuple[Path, bool]:
    """Make the student's copy unless there is one; the path, and whether it is new."""
    copy = copy_path(unit)
    if copy.exists():
        return copy, False
    source = shipped(unit)
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, copy)
    return copy, True


def restore(unit: Unit) -> Path | None:
    """Put the shipped notebook into `work/`; where the student's own went, if there was one."""
    copy, source = copy_path(unit), shipped(unit)
    kept = None
    if copy.exists() and copy.read_bytes() != source.read_bytes():
        names = (copy.with_name(f"{unit.name}.before-reset-{number}.ipynb") for number in itertools.count(1))
        kept = next(name for name in names if not name.exists())
        copy.replace(kept)
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, copy)
    return kept


def unit_folder(unit_number: str) -> Path:
    """Where a lesson may keep files of its own, such as the data of a broker that was started by hand."""
    return settings().state_dir / f"unit{unit_number}"


def clean_slate(unit_number: str) -> Path:
    """An empty folder for a lesson; what an earlier run of it started or made is removed first."""
    stop_processes(unit_number)
    folder = unit_folder(unit_number)
    shutil.rmtree(folder, ignore_errors=True)
    _on_server("topics", lambda: _drop_topics(f"unit{unit_number}."))
    _on_server("tables", lambda: _drop_tables(f"unit{unit_number}_"))
    _on_server("schemas", lambda: _drop_schema(f"unit{unit_number}"))
    folder.mkdir(parents=True, mode=0o700)
    return folder


def stop_processes(unit_number: str) -> int:
    """Stop what a lesson started: each command line names a file in the lesson's folder. How many."""
    marker = f"{unit_folder(unit_number)}/"
    count = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != psutil.Process().pid and any(part.startswith(marker) for part in process.cmdline()):
                processes.stop_process(process, seconds=STOP_SECONDS)
                count += 1
    return count


def reset_state(unit: Unit) -> list[str]:
    """Remove what the unit made: processes, files, checkpoints, topics and tables; what was removed.

    By convention a unit's topics begin with `unitNN.`, its tables with `unitNN_`, its checkpoints with `unitNN`, and
    its schema is called `unitNN`.
    Topics and tables of a server that does not run stay; the list says so.
    """
    done = []
    if stopped := stop_processes(unit.number):
        done.append(f"{stopped} processes")
    for folder in [unit_folder(unit.number), *settings().checkpoints_dir.glob(f"unit{unit.number}*")]:
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
            done.append(f"files in {_short(folder)}")
    done += _on_server("topics", lambda: _drop_topics(f"unit{unit.number}."))
    done += _on_server("tables", lambda: _drop_tables(f"unit{unit.number}_"))
    done += _on_server("schemas", lambda: _drop_schema(f"unit{unit.number}"))
    return done


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _on_server(what: str, remove: Callable[[], list[str]]) -> list[str]:
    try:
        names = remove()
    except LabError as error:
        return [f"no {what}: {error.what}"]
    return [f"{what} {', '.join(names)}"] if names else []


def _drop_topics(prefix: str) -> list[str]:
    from lab_utils import kafka_utils
    from lab_utils.waiting import wait_until

    with kafka_utils.admin() as admin:
        names = sorted(topic for topic in admin.list_topics() if topic.startswith(prefix))
        if names:
            admin.delete_topics(names)
            wait_until(lambda: not set(names) & set(admin.list_topics()), 20, "the topics to be deleted")
    return names


def _drop_tables(prefix: str) -> list[str]:
    from psycopg2 import sql

    from lab_utils import db_utils

    with db_utils.cursor("lab_owner") as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND starts_with(tablename, %s)", (prefix,)
        )
        names = sorted(name for (name,) in cursor.fetchall())
        for name in names:
            cursor.execute(sql.SQL("DROP TABLE {} CASCADE").format(sql.Identifier(name)))
    return names


def _drop_schema(name: str) -> list[str]:
    from lab_utils.teaching import schemas

    return [name] if schemas.drop(name) else []
