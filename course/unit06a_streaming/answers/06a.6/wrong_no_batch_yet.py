# outcome: ERROR
# stage: runs
# message: ValueError
def stuck_batch(checkpoint):
    planned = [int(file.name) for file in (checkpoint / "offsets").glob("[0-9]*")]
    newest = max(planned)
    return None if (checkpoint / "commits" / str(newest)).exists() else newest
