"""What running producers say of themselves, for whoever watches the pipeline: one small file each below `.lab`."""

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from lab_utils.settings import settings
from lab_utils.ticks import Asset

SILENT_SECONDS = 5.0
"""A producer that has written nothing for so long runs no more: it writes twice a second."""


@dataclass(frozen=True)
class Note:
    """What one producer says."""

    asset: str
    received: int
    """Records that its feed has given it."""
    held: int
    """Of these, what Kafka has not acknowledged."""
    received_at: float | None
    """When the last one came, in seconds since 1970."""


class NoteFile:
    """The file of this process, there for as long as the block runs."""

    def __init__(self, asset: Asset) -> None:
        self._asset = asset
        self._file = _folder() / f"{asset.name}-{os.getpid()}.json"

    def __enter__(self) -> "NoteFile":
        for left in _folder().glob("*"):  # by producers that were killed
            if not _is_fresh(left):
                _remove(left)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        _remove(self._file)

    def write(self, received: int, held: int, received_at: float | None) -> None:
        """Say how it stands."""
        new = self._file.with_suffix(".new")
        with suppress(OSError):  # a full disk is no reason to stop sending
            new.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new.write_text(json.dumps(asdict(Note(self._asset.name, received, held, received_at))))
            new.replace(self._file)


def running_producers() -> list[Note]:
    """The last words of the producers of this checkout that run."""
    found = []
    for file in sorted(_folder().glob("*.json")):
        if _is_fresh(file):
            with suppress(OSError, ValueError, TypeError):
                found.append(Note(**json.loads(file.read_text())))
    return found


def _folder() -> Path:
    return settings().state_dir / "producers"


def _is_fresh(file: Path) -> bool:
    try:
        return time.time() - file.stat().st_mtime < SILENT_SECONDS
    except OSError:
        return False


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink(missing_ok=True)
