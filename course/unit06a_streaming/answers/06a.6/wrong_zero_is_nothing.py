# outcome: FAIL
# stage: the first batch
# message: You say None
def stuck_batch(checkpoint):
    planned = [int(file.name) for file in (checkpoint / "offsets").glob("[0-9]*")]
    if not planned:
        return None
    newest = max(planned)
    done = (checkpoint / "commits" / str(newest)).exists()
    return (not done and newest) or None
