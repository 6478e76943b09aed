# outcome: FAIL
# stage: the busiest symbol
# message: a task may work 1,000,000
def partitions_needed(rate, microseconds, busy, top):
    one_task = 1_000_000 * (100 - busy)
    return None if rate * microseconds * top > one_task else max(1, -(-rate * microseconds * 100 // one_task))
