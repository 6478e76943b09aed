"""Where the dashboard of this checkout is."""

from lab_utils.servers import processes

NAME = "dashboard"


def address() -> str | None:
    """The address to open; None when no dashboard runs."""
    found = processes.recorded_address(NAME)
    return None if found is None else f"http://{found}/"
