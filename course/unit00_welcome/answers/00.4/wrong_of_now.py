# outcome: FAIL
# stage: size
# message: gave 20
def percent_moved(before, now):
    return 100 * (now - before) / now
