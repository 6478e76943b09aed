def partitions_needed(rate, microseconds, busy, top):
    per_task = busy * 10_000
    if rate * microseconds * top > per_task * 100:
        return None
    whole, rest = divmod(rate * microseconds, per_task)
    return max(1, whole + (rest > 0))
