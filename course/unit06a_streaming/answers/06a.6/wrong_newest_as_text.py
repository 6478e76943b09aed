# outcome: FAIL
# stage: more than ten batches
# message: You say None
def stuck_batch(checkpoint):
    planned = [int(file.name) for file in (checkpoint / "offsets").glob("[0-9]*")]
    if not planned:
        return None
    newest = int(max(map(str, planned)))
    return None if (checkpoint / "commits" / str(newest)).exists() else newest
