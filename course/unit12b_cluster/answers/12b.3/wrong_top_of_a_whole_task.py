# outcome: FAIL
# stage: the busiest symbol
# message: and a task may work 700,000
def partitions_needed(rate, microseconds, busy, top):
    work, one_task = rate * microseconds * 100, 1_000_000 * busy
    return None if rate * microseconds * top > 1_000_000 * 100 else max(1, -(-work // one_task))
