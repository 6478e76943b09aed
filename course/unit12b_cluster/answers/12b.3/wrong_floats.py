# outcome: FAIL
# stage: not too many
# message: one fewer is enough
import math


def partitions_needed(rate, microseconds, busy, top):
    if rate * microseconds * top > 1_000_000 * busy:
        return None
    return max(1, math.ceil(rate * microseconds / 1_000_000 / (busy / 100)))
