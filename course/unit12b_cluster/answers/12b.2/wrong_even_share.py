# outcome: FAIL
# stage: the longest task
# message: a task of it takes longer
def stage_time(durations, slots):
    return sum(durations) / slots
