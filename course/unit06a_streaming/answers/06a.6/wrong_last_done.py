# outcome: FAIL
# stage: the newest is not done
# message: You say 2
def stuck_batch(checkpoint):
    planned = [int(file.name) for file in (checkpoint / "offsets").glob("[0-9]*")]
    if not planned:
        return None
    newest = max(planned)
    return None if (checkpoint / "commits" / str(newest)).exists() else newest - 1
