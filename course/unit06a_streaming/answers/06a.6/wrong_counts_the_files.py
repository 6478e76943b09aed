# outcome: FAIL
# stage: old files are gone
# message: You say 3
def stuck_batch(checkpoint):
    planned = list((checkpoint / "offsets").glob("[0-9]*"))
    done = list((checkpoint / "commits").glob("[0-9]*"))
    return len(planned) - 1 if len(planned) > len(done) else None
