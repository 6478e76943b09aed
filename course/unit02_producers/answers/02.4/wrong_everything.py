# outcome: FAIL
# stage: no old ticks
# message: The same answer again
def new_ticks(ticks, seen):
    return list(ticks)
