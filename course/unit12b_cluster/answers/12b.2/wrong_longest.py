# outcome: FAIL
# stage: all the work
# message: cannot do
def stage_time(durations, slots):
    return max(durations)
