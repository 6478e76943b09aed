# outcome: FAIL
# stage: a number or None
# message: neither a number nor None
def partitions_needed(rate, microseconds, busy, top):
    return str(-(-rate * microseconds * 100 // (1_000_000 * busy)))
