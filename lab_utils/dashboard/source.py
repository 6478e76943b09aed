"""Snapshots for hosts that go on for hours: the database may be away meanwhile, and come back on another port."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from lab_utils import db_utils
from lab_utils.errors import LabError
from lab_utils.servers.postgres_server import READER_SECONDS

T = TypeVar("T")


class Source:
    """The database as the dashboards see it: read-only, with connections that are kept open."""

    def __init__(self, *, statement_timeout: str | None = None) -> None:
        """A question may take as long as lab_reader's, or `statement_timeout` (0: without an end)."""
        self._session: dict[str, Any] = {} if statement_timeout is None else {"statement_timeout": statement_timeout}
        self._engine: Engine | None = None

    def read(self, question: Callable[[Connection], T]) -> T:
        """What the database answers.

        Raises:
            LabError: it is away, or cut the query short; asking again later connects anew.
        """
        try:
            if self._engine is None:
                self._engine = db_utils.engine("lab_reader", **self._session)
            with self._engine.connect() as connection:
                return question(connection)
        except SQLAlchemyError as error:
            self.close()
            if getattr(getattr(error, "orig", None), "pgcode", None) == db_utils.CANCELED:
                raise LabError(
                    f"PostgreSQL cut a query that took longer than {READER_SECONDS} s, as lab_reader may ask no longer.",
                    "Choose a shorter range, or wait until the machine has less to do.",
                ) from None
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise LabError(f"The database does not answer: {reason}", "See `lab status`, then run: lab up") from None

    def close(self) -> None:
        """Close the connections; the next question opens others."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
