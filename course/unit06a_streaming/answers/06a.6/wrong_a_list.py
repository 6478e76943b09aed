# outcome: FAIL
# stage: the newest is not done
# message: You say [3]
def stuck_batch(checkpoint):
    planned = {file.name for file in (checkpoint / "offsets").glob("[0-9]*")}
    done = {file.name for file in (checkpoint / "commits").glob("[0-9]*")}
    return [int(name) for name in planned - done] or None
