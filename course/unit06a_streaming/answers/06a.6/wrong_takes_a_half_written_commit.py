# outcome: FAIL
# stage: the newest is not done
# message: You say None
def stuck_batch(checkpoint):
    planned = [int(file.name) for file in (checkpoint / "offsets").glob("[0-9]*")]
    if not planned:
        return None
    newest = max(planned)
    return None if list((checkpoint / "commits").glob(f"*{newest}*")) else newest
