# outcome: FAIL
# stage: the longest task
# message: takes longer
def stage_time(durations, slots):
    free_at = [0] * slots
    for duration in durations:
        first = free_at.index(min(free_at))
        free_at[first] += duration
    return min(free_at)
