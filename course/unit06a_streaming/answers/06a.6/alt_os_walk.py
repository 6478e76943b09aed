import os


def stuck_batch(checkpoint):
    names = {Path(place).name: files for place, _, files in os.walk(checkpoint)}
    planned = sorted(int(name) for name in names.get("offsets", []) if not name.startswith("."))
    done = sorted(int(name) for name in names.get("commits", []) if not name.startswith("."))
    if planned and planned[-1:] != done[-1:]:
        return planned[-1]
