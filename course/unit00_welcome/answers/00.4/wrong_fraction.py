# outcome: FAIL
# stage: size
# message: gave 0.25
def percent_moved(before, now):
    return (now - before) / before
