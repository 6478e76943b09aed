"""Where the dashboard of this checkout is."""

from lab_utils.servers import processes

NAME = "dashboard"


def address() -> str | None:
    """The address to open; None when no dashboard runs."""
    record = processes.read_record(NAME)
    running = processes.recorded_process(NAME, NAME)
    return f"http://{processes.HOST}:{record.port}/" if running is not None and record is not None else None
