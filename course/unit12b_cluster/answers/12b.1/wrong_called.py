# outcome: FAIL
# stage: is a function
# message: not a function
look_at = (0, [], [])
