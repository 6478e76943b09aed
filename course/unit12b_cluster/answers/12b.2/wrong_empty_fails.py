# outcome: ERROR
# stage: a number
# message: ValueError
def stage_time(durations, slots):
    free_at = [0] * min(slots, len(durations))
    for duration in durations:
        first = free_at.index(min(free_at))
        free_at[first] += duration
    return max(free_at)
