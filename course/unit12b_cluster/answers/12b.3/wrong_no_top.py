# outcome: FAIL
# stage: the busiest symbol
# message: The busiest symbol alone
def partitions_needed(rate, microseconds, busy, top):
    return max(1, -(-rate * microseconds * 100 // (1_000_000 * busy)))
