def stuck_batch(checkpoint):
    planned, done = (
        {int(file.name) for file in (checkpoint / folder).glob("*") if file.name.isdecimal()}
        for folder in ("offsets", "commits")
    )
    return max(planned - done, default=None)
