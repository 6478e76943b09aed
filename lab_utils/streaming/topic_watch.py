"""Whether the topics that are read are still those whose offsets are stored.

A topic that is deleted and created again while it is read starts at offset 0 anew. Who reads on sees nothing odd: either
the new records have the offsets of rows that are there already, and are left out, or the topic has grown past the place
that was reached, and what lies before it is skipped. Hence the look at its id.
"""

import time

from lab_utils import db_utils, kafka_utils
from lab_utils.errors import LabError

CHECK_SECONDS = 10


class TopicWatch:
    """Looks every `CHECK_SECONDS`."""

    def __init__(self) -> None:
        self._next = time.monotonic() + CHECK_SECONDS

    def look(self, *, now: bool = False) -> None:
        """Look, if it is time or `now`. A server that is away is others' to report or to wait for.

        Raises:
            TopicChangedError: a topic was created again.
        """
        if not now and time.monotonic() < self._next:
            return
        try:
            db_utils.check_topics(kafka_utils.topic_ids())
        except db_utils.TopicChangedError:
            raise
        except LabError:
            pass
        self._next = time.monotonic() + CHECK_SECONDS
