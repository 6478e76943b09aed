"""Where the local exchange of this checkout listens, and the key that it asks for."""

import secrets
from pathlib import Path

import psutil
from pydantic import SecretStr

from lab_utils.errors import LabError
from lab_utils.servers import processes
from lab_utils.settings import settings

NAME = "exchange"


def key() -> SecretStr:
    """The key that this lab's exchange asks for: the one in the settings, else one of its own, made once.

    Raises:
        LabError: the file that holds it cannot be read.
    """
    chosen = settings().exchange_api_key
    if chosen is not None and chosen.get_secret_value():
        return chosen
    path = _key_file()
    if not path.exists():
        processes.write_private(path, secrets.token_urlsafe(24))
    try:
        return SecretStr(path.read_text().strip())
    except OSError:
        raise LabError(f"{path} cannot be read.", "Give the file to yourself, or delete it.") from None


def _key_file() -> Path:
    return settings().state_dir / "exchange.key"


def process() -> psutil.Process | None:
    """The exchange of this checkout that runs, if one does."""
    return processes.recorded_process(NAME, NAME)


def address() -> str | None:
    """Host and port of the exchange that runs; None when none does."""
    return processes.recorded_address(NAME)
