"""Feed → `stock_topic`: the prices of shares, keyed by symbol.

Run it by itself with `lab produce stocks` or `python -m lab_utils.producers.producer_stocks`; both take the same
options.
"""

import sys
import threading
from collections.abc import Callable, Iterable

from lab_utils.feeds.file_feed import Rejected
from lab_utils.producers.delivery import Delivery, deliver
from lab_utils.ticks import STOCKS, Tick


def produce(
    feed: Iterable[Tick | Rejected],
    on_progress: Callable[[Delivery], None] | None = None,
    stopped: threading.Event | None = None,
) -> Delivery:
    """Send the ticks of `feed` to the topic of shares; returns when each is acknowledged or given up."""
    return deliver(STOCKS, feed, on_progress, stopped)


if __name__ == "__main__":
    from lab_utils.cli import main

    sys.exit(main(["produce", "stocks", *sys.argv[1:]]))
