# outcome: FAIL
# stage: the time
# message: begin in their order
def stage_time(durations, slots):
    free_at = [0] * slots
    for duration in sorted(durations, reverse=True):
        first = free_at.index(min(free_at))
        free_at[first] += duration
    return max(free_at)
