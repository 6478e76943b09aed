# outcome: FAIL
# stage: the time
# message: in the slot that is free first
def stage_time(durations, slots):
    free_at = [0] * slots
    for duration in durations:
        last = free_at.index(max(free_at))
        free_at[last] += duration
    return max(free_at)
