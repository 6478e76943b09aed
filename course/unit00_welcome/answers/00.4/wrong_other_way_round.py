# outcome: FAIL
# stage: direction
# message: is that up or down
def percent_moved(before, now):
    return 100 * (before - now) / before
