# outcome: FAIL
# stage: the time
# message: begin in their order
def stage_time(durations, slots):
    return max([*durations, -(-sum(durations) // slots)]) if durations else 0
