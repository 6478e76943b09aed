import numpy as np


def latency(records, run):
    ticks = [(json.loads(record.value), record.timestamp) for record in records]
    found = [stamp - tick["sent"] for tick, stamp in ticks if tick["run"] == run]
    return tuple(np.percentile(found, [50, 99], method="inverted_cdf")) if found else None
