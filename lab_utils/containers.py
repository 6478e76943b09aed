"""`lab docker`: the pipeline in containers, by way of `docker compose`. Nothing else in the lab needs Docker."""

import os
import secrets
import shlex
import shutil
import subprocess
from collections.abc import Sequence

from dotenv import dotenv_values

from lab_utils.errors import LabError
from lab_utils.settings import ROOT, Settings

FOLDER = ROOT / "docker"
COMPOSE = "compose.yaml"
ZOOKEEPER = "compose.zookeeper.yaml"

SECRETS = (
    *("LAB_POSTGRES_PASSWORD", "LAB_OWNER_PASSWORD", "LAB_WRITER_PASSWORD", "LAB_READER_PASSWORD"),
    "JUPYTER_TOKEN",
)
"""What docker/.env must set."""

PORTS = {
    "JupyterLab": ("http://127.0.0.1:{}/lab", "LAB_JUPYTER_PORT"),
    "dashboard": ("http://127.0.0.1:{}/", "LAB_DASHBOARD_PORT"),
    "Kafka": ("127.0.0.1:{}", "LAB_KAFKA_PORT"),
    "PostgreSQL": ("127.0.0.1:{}", "LAB_POSTGRES_PORT"),
    "Spark master": ("http://127.0.0.1:{}/", "SPARK_MASTER_WEBUI_PORT"),
}
"""What can be opened → its address, and the line of docker/.env that chooses the port."""
SPARK_PORT = "8080"

ENGINE_SECONDS = 60

WITHOUT = "The lab itself needs no Docker: ./start_pipeline.sh"


def up(*, zookeeper: bool = False) -> None:
    """Build the image, start the containers and wait until they are healthy.

    Raises:
        LabError: there is no Docker, docker/.env lacks a password, or a container did not become healthy.
    """
    check_docker()
    if missing := missing_secrets():
        raise LabError(
            f"docker/.env does not set {', '.join(missing)}.", "Add them with: lab docker env >> docker/.env"
        )
    _compose(zookeeper, "up", "--build", "--detach", "--wait")


def down(*, zookeeper: bool = False, volumes: bool = False) -> None:
    """Stop and remove the containers; with `volumes` also what they have stored.

    Raises:
        LabError: there is no Docker, or docker/.env is gone.
    """
    check_docker()
    _compose(zookeeper, "down", *["--volumes"] * volumes)


def check_docker() -> None:
    """See that there is a Docker engine that answers, and its compose plugin.

    Raises:
        LabError: one of them is missing.
    """
    if shutil.which("docker") is None:
        raise LabError("There is no Docker here.", f"Install it (https://docs.docker.com/engine/install/). {WITHOUT}")
    if not _works("version"):  # it asks the engine, too
        raise LabError("The Docker engine does not answer.", f"Start it, and see: docker version. {WITHOUT}")
    if not _works("compose", "version"):
        raise LabError(
            "Docker lacks its compose plugin.",
            f"Install it (https://docs.docker.com/compose/install/linux/). {WITHOUT}",
        )


def _works(*arguments: str) -> bool:
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, timeout=ENGINE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def command(zookeeper: bool, arguments: Sequence[str]) -> list[str]:
    """The call of `docker compose`. It reads docker/.env by itself, as that lies beside the first file."""
    files = [COMPOSE, *[ZOOKEEPER] * zookeeper]
    return ["docker", "compose", *(part for name in files for part in ("--file", str(FOLDER / name))), *arguments]


def _compose(zookeeper: bool, *arguments: str) -> None:
    # Its output is for the user, as it comes: an image takes minutes to build.
    code = subprocess.run(command(zookeeper, arguments), check=False).returncode
    if code:
        raise LabError(
            f"docker compose {arguments[0]} ended with {code}.",
            f"The reason stands above; the log of one container: {shlex.join(command(zookeeper, ['logs', 'NAME']))}",
        )


def _env() -> dict[str, str | None]:
    """What Compose fills in: docker/.env, and over it the environment."""
    names = {*SECRETS, *(setting for _, setting in PORTS.values())}
    return {**dotenv_values(FOLDER / ".env"), **{name: os.environ[name] for name in names & os.environ.keys()}}


def missing_secrets() -> list[str]:
    """What must be set in docker/.env and is not."""
    found = _env()
    return [name for name in SECRETS if not found.get(name)]


def missing_lines() -> list[str]:
    """Lines that docker/.env lacks, each with a password of its own."""
    return [f"{name}={secrets.token_urlsafe(24)}" for name in missing_secrets()]


def addresses() -> dict[str, str]:
    """Where the containers can be reached from this machine."""
    found = _env()
    return {name: form.format(found.get(setting) or _default(setting)) for name, (form, setting) in PORTS.items()}


def _default(setting: str) -> str:
    field = Settings.model_fields.get(setting.removeprefix("LAB_").lower())
    return str(field.default) if field is not None else SPARK_PORT
