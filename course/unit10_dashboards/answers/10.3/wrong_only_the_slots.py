# outcome: FAIL
# stage: returns a table
# message: neither a DataFrame
def wider(candles, minutes):
    return candles.resample(f"{minutes}min", on="window_start")
