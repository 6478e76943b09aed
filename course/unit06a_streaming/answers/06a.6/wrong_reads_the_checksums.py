# outcome: ERROR
# stage: runs
# message: ValueError
def stuck_batch(checkpoint):
    planned = {int(file.name) for file in (checkpoint / "offsets").iterdir()}
    done = {int(file.name) for file in (checkpoint / "commits").iterdir()}
    return max(planned - done, default=None)
