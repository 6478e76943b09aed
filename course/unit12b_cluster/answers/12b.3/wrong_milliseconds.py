# outcome: FAIL
# stage: not too many
# message: one fewer is enough
def partitions_needed(rate, microseconds, busy, top):
    work, one_task = rate * microseconds * 100, 1_000 * busy
    return None if work * top > one_task * 100_000 else max(1, -(-work // one_task))
