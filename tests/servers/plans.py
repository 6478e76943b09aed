"""What PostgreSQL says of how it will answer a query (EXPLAIN, FORMAT JSON)."""

import json
from collections.abc import Iterator
from typing import Any


def scans(plan: dict[str, Any]) -> Iterator[str]:
    """How each table is read, as `Index Scan of crypto_data`."""
    if "Relation Name" in plan:
        yield f"{plan['Node Type']} of {plan['Relation Name']}"
    for part in plan.get("Plans", []):
        yield from scans(part)


def assert_index_scans(plan: dict[str, Any]) -> None:
    """Every table is read by way of an index."""
    found = list(scans(plan))
    assert found and all("Index" in scan or "Bitmap" in scan for scan in found), json.dumps(plan, indent=1)
