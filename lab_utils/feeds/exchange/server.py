"""Run the local exchange as a process."""

import logging
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

import psutil
import uvicorn

from lab_utils.errors import LabError
from lab_utils.feeds.exchange.app import Exchange, ResettableProtocol
from lab_utils.feeds.exchange.faults import Fault, Faults
from lab_utils.feeds.exchange.market import Market, read_entries
from lab_utils.feeds.exchange.place import NAME, address, key
from lab_utils.servers import processes
from lab_utils.settings import ROOT, settings

SAMPLES = ROOT / "data_samples"
STOP_SECONDS = 2


def make_exchange(*, speed: float = 1, seed: int = 0, faults: Sequence[Fault] = ()) -> Exchange:
    """An exchange whose market opens now."""
    return Exchange(Market(read_entries(SAMPLES), speed, seed), Faults(seed, faults), key())


def make_server(exchange: Exchange) -> uvicorn.Server:
    """The web server of an exchange. It logs no addresses: the key of a WebSocket stands in them."""
    config = uvicorn.Config(
        exchange.app(),
        http=ResettableProtocol,
        ws="websockets-sansio",
        loop="asyncio",
        access_log=False,
        log_level="warning",
        log_config=None,
        timeout_graceful_shutdown=STOP_SECONDS,
        ws_ping_interval=20,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    return uvicorn.Server(config)


def _is_news(record: logging.LogRecord) -> bool:
    """Not that a WebSocket was refused: uvicorn takes every refusal for a mistake."""
    return "without completing handshake" not in record.getMessage()


class Running:
    """A server in a thread of this process, until `stop`."""

    def __init__(self, exchange: Exchange, opened: socket.socket) -> None:
        self._exchange = exchange
        self.server = make_server(exchange)
        self._thread = threading.Thread(target=self.server.run, args=([opened],), name="exchange", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End it; open calls are cut off after a moment."""
        self._exchange.closing = True
        self.server.should_exit = True
        self._thread.join(STOP_SECONDS + 10)


def run(exchange: Exchange, stopped: threading.Event, on_start: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Serve until `stopped` is set; what was served.

    Raises:
        LabError: an exchange runs already, or the server ended.
    """
    if (running := address()) is not None:
        raise LabError(f"The exchange runs already, at {running}.", "Stop it there with Ctrl-C.")
    with processes.listening(NAME, settings().exchange_port) as opened:
        port = int(opened.getsockname()[1])
        server = Running(exchange, opened)
        processes.write_record(NAME, processes.Record(psutil.Process().pid, port, settings().exchange_port))
        if on_start is not None:
            on_start(f"{processes.HOST}:{port}")
        while not stopped.wait(0.5):
            if server.ended:
                raise LabError("The exchange ended.", "Look at: lab logs exchange")
        server.stop()
    return {"answers": dict(exchange.served.answers), "ticks": len(exchange.served.ticks)}
