"""A running database for the comparison with its views, and Microsoft's checks."""

from pathlib import Path
from typing import Any

import pytest

from tests.labs import Lab
from tests.powerbi import validators


@pytest.fixture(scope="session")
def schemas() -> dict[str, Any]:
    return validators.schemas()


@pytest.fixture(scope="session")
def npm() -> Path:
    return validators.npm_folder()


@pytest.fixture(scope="session")
def views(session_lab: Lab) -> dict[str, dict[str, str]]:
    """The columns of what lab_reader may read in the schema bi, and their types."""
    from lab_utils import db_utils

    found: dict[str, dict[str, str]] = {}
    with db_utils.cursor("lab_reader") as cursor:
        cursor.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'bi'"
        )
        for view, column, kind in cursor.fetchall():
            found.setdefault(f"bi.{view}", {})[column] = kind
    return found
