# outcome: FAIL
# stage: enough
# message: no part of a partition
def partitions_needed(rate, microseconds, busy, top):
    if rate * microseconds * top > 1_000_000 * busy:
        return None
    return max(1, rate * microseconds / 1_000_000 / (busy / 100))
