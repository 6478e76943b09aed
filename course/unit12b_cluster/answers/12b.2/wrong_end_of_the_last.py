# outcome: FAIL
# stage: the longest task
# message: takes longer
def stage_time(durations, slots):
    free_at, end = [0] * slots, 0
    for duration in durations:
        first = free_at.index(min(free_at))
        free_at[first] += duration
        end = free_at[first]
    return end
