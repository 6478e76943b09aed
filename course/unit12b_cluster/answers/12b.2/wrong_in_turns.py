# outcome: FAIL
# stage: the time
# message: in the slot that is free first
def stage_time(durations, slots):
    return max(sum(durations[slot::slots]) for slot in range(slots))
