"""A PostgreSQL schema with the lab's own tables and views: a temporary one for a check, a lasting one for a lesson.

The names in it are those of the lab, so that a query that is right here is right on the lab's tables.
"""

import contextlib
import csv
import gzip
import io
import itertools
import re
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg2
from psycopg2 import sql
from sqlalchemy import Engine, NullPool, event

from lab_utils import db_utils
from lab_utils.settings import ROOT
from lab_utils.streaming.postgres_sink import tick_columns
from lab_utils.ticks import ASSETS, Asset, field_texts
from lab_utils.ticks import Tick as TickModel

STATEMENT_SECONDS = 8
"""How long a query of an answer may take. Python cannot end one that hangs in the server."""

RIGHTS_ALONE: dict[str, Any] = {"default_transaction_read_only": "off"}
"""For sessions of lab_reader: what it may not do is refused for the missing right, which the lessons are about."""

LESSON_SECONDS = 60
"""How long a query of a lesson may take: some are slow by intent, and slower still on an old or busy machine."""

LEFT_BEHIND_SECONDS = 3600
"""A check's schema that is older belongs to a kernel that was killed."""

Tick = tuple[str, str, str, Decimal, Decimal | None, datetime]
"""(asset_class, symbol, currency, price, size, event_time)."""

Candle = tuple[str, str, str, datetime, Decimal]
"""(asset_class, symbol, currency, window_start, close); its other prices are the close as well."""

_COMMON_COLUMNS = (*TickModel.model_fields, "kafka_partition", "kafka_offset")


class Schema:
    """A schema that a check has to itself. It is filled as the owner, and read by the answer as the dashboards' role.

    The ticks have no index by time: rows come in the order of arrival unless the answer asks for another.
    """

    def __init__(self) -> None:
        self.name = f"check_{int(time.time())}_{secrets.token_hex(4)}"
        self._open: list[Any] = []
        self._engines: list[Engine] = []
        self._lent: list[Any] = []
        self._offsets: dict[tuple[str, int], Iterable[int]] = defaultdict(itertools.count)
        _drop_left_behind()
        make(self.name)
        with db_utils.cursor("lab_owner") as cursor:
            for asset in ASSETS:
                cursor.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(self.name, f"{asset.table}_by_symbol")))

    def engine(self, timezone: str = "UTC") -> Engine:
        """An engine for the answer; its sessions are in `timezone`.

        It keeps no connection open between two uses: the checks of a class run side by side, and `lab_reader` may have
        only so many.
        """
        limit = str(STATEMENT_SECONDS * 1000)
        session = {"search_path": self.name, "timezone": timezone, "statement_timeout": limit, **RIGHTS_ALONE}
        made = db_utils.engine(poolclass=NullPool, **session)
        event.listen(made, "connect", lambda connection, _record: self._open.append(connection))
        self._engines.append(made)
        return made

    def connection(self) -> Any:
        """A connection of the owner, for an answer that writes; names without a schema are those of this one."""
        made = db_utils.connect("lab_owner")
        self._lent.append(made)
        self._open.append(made)
        with made, made.cursor() as cursor:
            cursor.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(self.name)))
            cursor.execute("SET statement_timeout = %s", (STATEMENT_SECONDS * 1000,))
        return made

    def execute(self, statements: str) -> list[tuple[Any, ...]]:
        """Do something in this schema, as the owner; the rows that it gave, if any."""
        with db_utils.cursor("lab_owner") as cursor:
            cursor.execute(sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(self.name)))
            cursor.execute(statements)
            return list(cursor.fetchall()) if cursor.description else []

    def add_ticks(self, ticks: Sequence[Tick]) -> None:
        """Store ticks in this order of arrival; the ticks of a symbol lie in one partition, as with the lab's producers."""
        symbols = sorted({symbol for _, symbol, *_ in ticks})
        with db_utils.cursor("lab_owner") as cursor:
            for asset in ASSETS:
                rows = []
                for kind, symbol, currency, price, size, moment in ticks:
                    if kind == asset.name:
                        partition = symbols.index(symbol) % 3
                        offset = next(iter(self._offsets[asset.table, partition]))
                        rows.append((symbol, currency, price, size, moment, moment, "check", 1, partition, offset))
                _copy(cursor, self.name, asset.table, _COMMON_COLUMNS, rows)

    def add_candles(self, candles: Sequence[Candle]) -> None:
        """Store one-minute candles."""
        columns = ("asset_class", "symbol", "currency", "window_start", "open", "high", "low", "close")
        rows = [(*key, close, close, close, close, 0, 1) for *key, close in candles]
        with db_utils.cursor("lab_owner") as cursor:
            _copy(cursor, self.name, "candles_1m", (*columns, "volume", "tick_count"), rows)

    def clear(self) -> None:
        """Empty the tables."""
        with db_utils.cursor("lab_owner") as cursor:
            for table in (*(asset.table for asset in ASSETS), "candles_1m"):
                cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(self.name, table)))

    def close(self) -> None:
        """Drop the schema; a transaction that the answer left open would keep it locked."""
        for connection in self._open:
            with contextlib.suppress(psycopg2.Error):
                connection.cancel()
                connection.rollback()
        for engine in self._engines:
            engine.dispose()
        for connection in self._lent:
            connection.close()
        drop(self.name)


def make(name: str) -> None:
    """Create a schema with the lab's tables, functions and views, all empty; the dashboards' role may read it."""
    with db_utils.cursor("lab_owner") as cursor:
        _make(cursor, name)


def _make(cursor: Any, name: str) -> None:
    schema = sql.Identifier(name)
    cursor.execute(sql.SQL("CREATE SCHEMA {0}; SET LOCAL search_path TO {0}").format(schema))
    for file in ("schema.sql", "views.sql"):
        cursor.execute((db_utils.SQL_FOLDER / file).read_text(encoding="utf-8"))
    cursor.execute(
        sql.SQL(
            "GRANT USAGE ON SCHEMA {0} TO lab_reader; GRANT SELECT ON ALL TABLES IN SCHEMA {0} TO lab_reader;"
            "ALTER DEFAULT PRIVILEGES FOR ROLE lab_owner IN SCHEMA {0} GRANT SELECT ON TABLES TO lab_reader"
        ).format(schema)
    )


def drop(name: str) -> bool:
    """Remove a schema and all that is in it; whether there was one."""
    with db_utils.cursor("lab_owner") as cursor:
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (name,))
        is_there = cursor.fetchone() is not None
        cursor.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)))
    return is_there


def _drop_left_behind() -> None:
    with db_utils.cursor("lab_owner") as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, 'check_')")
        names = [name for (name,) in cursor.fetchall()]
    for name in names:
        found = re.fullmatch(r"check_([0-9]+)_[0-9a-f]+", name)
        if found and int(found[1]) < time.time() - LEFT_BEHIND_SECONDS:
            drop(name)


def recorded_market(name: str, role: str = "lab_reader", timezone: str = "UTC") -> Engine:
    """An engine on the schema `name`, which holds the lab's tables with the recorded hour of `data_samples`.

    The schema is made unless it is there. `lab reset 09` removes the one that is called `unit09`.

    Raises:
        LabError: PostgreSQL does not run.
    """
    with db_utils.cursor("lab_owner") as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (name,))  # two notebooks may ask at once
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (name,))
        if cursor.fetchone() is None:
            _make(cursor, name)
            for asset in ASSETS:
                _store_recording(cursor, name, asset)
    session = {"search_path": name, "timezone": timezone, "statement_timeout": f"{LESSON_SECONDS}s", **RIGHTS_ALONE}
    return db_utils.engine(role, **session)


def _store_recording(cursor: Any, schema: str, asset: Asset) -> None:
    with gzip.open(ROOT / "data_samples" / f"{asset.name}_ticks.jsonl.gz") as lines:
        ticks = [field_texts(line) for line in lines]
    rows = [(*(tick.get(name) for name in asset.line_fields), 0, number) for number, tick in enumerate(ticks)]
    _copy(cursor, schema, asset.table, tick_columns(asset), rows)
    cursor.execute(
        sql.SQL(
            "SELECT refresh_candles(%s, array_agg(symbol), array_agg(currency), array_agg(minute))"
            " FROM (SELECT DISTINCT symbol, currency, minute_of(event_time) AS minute FROM {}) AS minutes"
        ).format(sql.Identifier(asset.table)),
        (asset.name,),
    )
    cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(asset.table)))


def _copy(cursor: Any, schema: str, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(["" if value is None else value for value in row] for row in rows)
    text.seek(0)
    cursor.copy_expert(
        sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
            sql.Identifier(schema, table), sql.SQL(", ").join(map(sql.Identifier, columns))
        ),
        text,
    )
