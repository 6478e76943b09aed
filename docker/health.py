"""Whether one part of the pipeline works: what compose.yaml asks inside its container, as `python docker/health.py stream`."""

import sys
import urllib.error
import urllib.request
from collections.abc import Callable

BATCH_SECONDS = 60
"""Spark tells of itself every ten seconds, even when nothing comes."""


def main(name: str, *arguments: str) -> int:
    """Look once; the exit code, 0 when all is well."""
    try:
        trouble = CHECKS[name](*arguments)
    except Exception as error:  # whatever it is, Docker keeps the sentence
        trouble = str(error).strip() or type(error).__name__
    if trouble:
        print(f"{name}: {trouble}")
    return 1 if trouble else 0


def _producer(asset: str) -> str:
    from lab_utils.producers.notes import running_producers

    return "" if any(note.asset == asset for note in running_producers()) else "no word from it for some seconds"


def _stream() -> str:
    """Both queries must have ended a batch a moment ago, by the database's clock."""
    from lab_utils import db_utils

    with db_utils.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM (VALUES ('ticks'), ('candles')) AS queries(name) WHERE NOT EXISTS ("
            "SELECT FROM pipeline_progress WHERE query = name AND at > now() - make_interval(secs => %s))",
            (BATCH_SECONDS,),
        )
        silent = [name for (name,) in cursor.fetchall()]
    return f"no batch of {' and '.join(silent)} within {BATCH_SECONDS} s" if silent else ""


def _page(address: str) -> str:
    # A proxy that is set for the outside has no way to this container.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=5) as answer:
            return "" if answer.status == 200 else f"answered {answer.status}"
    except urllib.error.URLError as error:
        return str(error.reason)


CHECKS: dict[str, Callable[..., str]] = {"producer": _producer, "stream": _stream, "page": _page}
"""Each gives what is wrong, or nothing."""

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
