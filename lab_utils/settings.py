"""Every setting of the lab, from `.env` and the environment (the environment wins)."""

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lab_utils.errors import LabError

ROOT = Path(__file__).resolve().parent.parent

LAST_PORT = 65_400
"""The last one to begin with: when it is taken the next ones are tried, and Kafka takes two."""


SYMBOLS = r"^[A-Za-z0-9.:_-]{1,20}(,[A-Za-z0-9.:_-]{1,20}){0,49}$"

ADDRESSES = r"^[A-Za-z0-9._-]+:[0-9]{1,5}(,[A-Za-z0-9._-]+:[0-9]{1,5})*$"
SPARK_MASTER = r"^(local\[([0-9]+|\*)\]|spark://\S+:[0-9]{1,5}|k8s://\S+|yarn)$"


class Settings(BaseSettings):
    """The lab's settings; each is `LAB_` plus its name in `.env` (see `.env.example`)."""

    model_config = SettingsConfigDict(
        env_prefix="LAB_", env_file=ROOT / ".env", env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    state_dir: Path = Field(ROOT / ".lab", description="Server data, checkpoints, logs and secrets.")
    jars_dir: Path = Field(ROOT / ".lab" / "jars", description="Downloaded jars; stacks may share them.")
    course_dir: Path = Field(ROOT / "course", description="The sources of lessons and exercises.")
    work_dir: Path = Field(ROOT / "work", description="Students' own copies of the exercises.")

    kafka_port: int = Field(9092, ge=1024, le=LAST_PORT, description="First port tried for Kafka.")
    postgres_port: int = Field(
        5432, ge=1024, le=LAST_PORT, description="First port tried for PostgreSQL; the port of the one elsewhere."
    )
    zookeeper_port: int = Field(2181, ge=1024, le=LAST_PORT, description="First port tried for ZooKeeper.")
    spark_port: int = Field(7077, ge=1024, le=LAST_PORT, description="First port tried for the Spark master.")
    jupyter_port: int = Field(8888, ge=1024, le=LAST_PORT, description="First port tried for JupyterLab.")

    exchange_port: int = Field(8700, ge=1024, le=LAST_PORT, description="First port tried for the local exchange.")

    dashboard_port: int = Field(8050, ge=1024, le=LAST_PORT, description="First port tried for the dashboard's page.")

    kafka_heap_mb: int = Field(384, ge=192, description="Java heap of the broker.")
    spark_memory_mb: int = Field(768, ge=512, description="Java heap of the Spark driver.")
    spark_cores: int = Field(2, ge=1, description="Task slots of local Spark; also the shuffle partitions.")

    kafka_bootstrap: str | None = Field(
        None, pattern=ADDRESSES, description="Brokers elsewhere, as host:port, separated by commas; else the lab's own."
    )
    postgres_host: str | None = Field(
        None, pattern=r"^[A-Za-z0-9.:_-]+$", description="Host of a PostgreSQL elsewhere; else the lab's own."
    )
    postgres_password: SecretStr | None = Field(
        None, description="Password of the superuser of a PostgreSQL elsewhere; needed to make the roles there."
    )
    spark_master: str | None = Field(
        None, pattern=SPARK_MASTER, description="spark://…, k8s://…, yarn or local[N]; else local with spark_cores."
    )

    owner_password: SecretStr | None = Field(None, description="Password of lab_owner, else generated.")
    writer_password: SecretStr | None = Field(None, description="Password of lab_writer, else generated.")
    reader_password: SecretStr | None = Field(None, description="Password of lab_reader, else generated.")

    cryptocompare_api_key: SecretStr | None = Field(None, description="Key of CryptoCompare (CoinDesk Data), paid.")
    finnhub_api_key: SecretStr | None = Field(None, description="Key of Finnhub, free.")
    exchange_api_key: SecretStr | None = Field(None, description="Key of the local exchange, else generated.")

    crypto_source: Literal["cryptocompare", "coindesk", "finnhub"] = Field(
        "cryptocompare", description="API that coins are read from."
    )
    stock_source: Literal["quotes", "trades"] = Field("quotes", description="What of Finnhub shares are read from.")
    crypto_symbols: str = Field("BTC,ETH,SOL,XRP,ADA", pattern=SYMBOLS, description="Coins to ask for.")
    stock_symbols: str = Field("AAPL,MSFT,GOOG,AMZN,TSLA", pattern=SYMBOLS, description="Shares to ask for.")
    poll_seconds: float | None = Field(
        None, gt=0, le=3600, description="Seconds between two polls, else 1 at the exchange and 10 at the real APIs."
    )
    http_seconds: float = Field(5, gt=0, le=60, description="How long an API may take to answer.")

    kafka_patience_seconds: int = Field(
        600, ge=60, description="How long a producer keeps a record that Kafka has not acknowledged."
    )
    producer_buffer_mb: int = Field(32, ge=1, description="How much a producer holds before it stops reading its feed.")

    @field_validator("kafka_bootstrap", "postgres_host", "spark_master", mode="before")
    @classmethod
    def _nothing_is_not_set(cls, value: object) -> object:
        """Empty is as not there: that is how the environment takes back what `.env` sets."""
        return value or None

    @property
    def logs_dir(self) -> Path:
        """Folder of one log file per process."""
        return self.state_dir / "logs"

    @property
    def checkpoints_dir(self) -> Path:
        """Folder of one Spark checkpoint per streaming query."""
        return self.state_dir / "checkpoints"


def settings() -> Settings:
    """The settings of this process: the environment as it is now, and `.env` as it was when they were first read.

    Raises:
        LabError: a value in `.env` or the environment is not usable.
    """
    environment = frozenset((name, value) for name, value in os.environ.items() if name.upper().startswith("LAB_"))
    return _load(Settings.model_config["env_file"], environment)


@functools.cache
def _load(_env_file: object, _environment: frozenset[tuple[str, str]]) -> Settings:
    """One reading for each environment: a cache that had to be cleared would be filled by other threads meanwhile."""
    try:
        loaded = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"LAB_{'_'.join(map(str, first['loc']))}".upper()
        raise LabError(
            f"The setting {name} is not usable: {first['msg']}.", "Correct it in .env or the environment."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"The file .env cannot be read ({error}).", "Save it as UTF-8 text, readable by you.") from None
    folders = ("state_dir", "jars_dir", "course_dir", "work_dir")
    # Not below the folder from which `lab` is called: the next call may come from another one.
    return loaded.model_copy(update={name: (ROOT / getattr(loaded, name)).resolve() for name in folders})


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    """Inside it the environment has these values, and `settings()` goes by them."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
