"""Whether the servers that an exercise needs are there, before a check and after one that did not pass."""

from lab_utils.errors import LabError


def server_ids(needs: tuple[str, ...]) -> dict[str, int]:
    """The process id of each server: another one later means that the server was started again meanwhile.

    Raises:
        LabError: a server does not run or does not answer.
    """
    checks = {"kafka": _kafka, "postgres": _postgres}
    return {name: checks[name]() for name in needs}


def _kafka() -> int:
    from lab_utils.servers import kafka_server

    process, port = kafka_server.process(), kafka_server.port()
    if process is None or not kafka_server.accepts_clients(port):
        raise LabError("Kafka does not answer.", "See `lab status`, then run: lab up")
    return int(process.pid)


def _postgres() -> int:
    from lab_utils import db_utils
    from lab_utils.servers import postgres_server

    process = postgres_server.process()
    if process is None:
        raise LabError("PostgreSQL is not running.", "Start it with: lab up")
    db_utils.connect().close()
    return int(process.pid)
