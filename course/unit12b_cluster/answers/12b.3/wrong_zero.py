# outcome: FAIL
# stage: at least one
# message: gave 0
def partitions_needed(rate, microseconds, busy, top):
    work, one_task = rate * microseconds * 100, 1_000_000 * busy
    return None if work * top > one_task * 100 else -(-work // one_task)
