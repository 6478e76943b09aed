# outcome: FAIL
# stage: the list is left alone
# message: changed the list
def stage_time(durations, slots):
    free_at = [0] * slots
    while durations:
        first = free_at.index(min(free_at))
        free_at[first] += durations.pop(0)
    return max(free_at)
