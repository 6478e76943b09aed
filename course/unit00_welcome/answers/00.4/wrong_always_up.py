# outcome: FAIL
# stage: direction
# message: is that up or down
def percent_moved(before, now):
    return abs(100 * (now - before) / before)
