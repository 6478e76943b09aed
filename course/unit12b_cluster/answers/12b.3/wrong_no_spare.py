# outcome: FAIL
# stage: enough
# message: than 50 % of the time
def partitions_needed(rate, microseconds, busy, top):
    work, one_task = rate * microseconds * 100, 1_000_000 * busy
    return None if work * top > one_task * 100 else max(1, -(-rate * microseconds // 1_000_000))
