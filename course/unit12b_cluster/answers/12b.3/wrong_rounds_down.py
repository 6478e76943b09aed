# outcome: FAIL
# stage: enough
# message: would have to work longer
def partitions_needed(rate, microseconds, busy, top):
    work, one_task = rate * microseconds * 100, 1_000_000 * busy
    return None if work * top > one_task * 100 else max(1, work // one_task)
