"""Whether the servers that an exercise needs are there, before a check and after one that did not pass."""

import contextlib

from lab_utils.errors import LabError
from lab_utils.waiting import WaitTimeout, wait_until

ANSWER_SECONDS = 15.0


ELSEWHERE = 0
"""In place of the process id of a server elsewhere: that it was started again there, nobody here can know."""


def server_ids(needs: tuple[str, ...]) -> dict[str, int]:
    """The process id of each server: another one later means that the server was started again meanwhile.

    Raises:
        LabError: a server does not run or does not answer.
    """
    checks = {"kafka": _kafka, "postgres": _postgres}
    return {name: checks[name]() for name in needs}


def _kafka() -> int:
    from lab_utils.servers import kafka_server

    if kafka_server.is_elsewhere():
        kafka_server.check_elsewhere()
        return ELSEWHERE
    kafka_server.port()  # says so when it does not run
    process = kafka_server.process()
    if process is not None:
        # A busy machine makes a broker slow; only one that runs is waited for.
        with contextlib.suppress(WaitTimeout):
            wait_until(
                lambda: kafka_server.answering() or kafka_server.process() is None,
                ANSWER_SECONDS,
                "Kafka to answer",
            )
            if kafka_server.process() is not None:
                return int(process.pid)
    raise LabError("Kafka does not answer.", "See `lab status`, then run: lab up")


def _postgres() -> int:
    from lab_utils import db_utils
    from lab_utils.servers import postgres_server

    if postgres_server.is_elsewhere():
        db_utils.connect().close()
        return ELSEWHERE
    process = postgres_server.process()
    if process is None:
        raise LabError("PostgreSQL is not running.", "Start it with: lab up")
    db_utils.connect().close()
    return int(process.pid)
