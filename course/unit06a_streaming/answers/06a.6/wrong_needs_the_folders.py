# outcome: ERROR
# stage: runs
# message: FileNotFoundError
def stuck_batch(checkpoint):
    planned = {int(file.name) for file in (checkpoint / "offsets").iterdir() if file.name.isdigit()}
    done = {int(file.name) for file in (checkpoint / "commits").iterdir() if file.name.isdigit()}
    return max(planned - done, default=None)
