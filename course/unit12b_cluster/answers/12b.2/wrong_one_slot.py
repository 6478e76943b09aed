# outcome: FAIL
# stage: the time
# message: gave 1200
def stage_time(durations, slots):
    return sum(durations)
