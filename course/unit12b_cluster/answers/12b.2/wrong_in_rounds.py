# outcome: FAIL
# stage: the time
# message: in the slot that is free first
def stage_time(durations, slots):
    return sum(max(durations[at : at + slots]) for at in range(0, len(durations), slots))
