# outcome: FAIL
# stage: slots
# message: 2026-03-10 22:58
def wider(candles, minutes):
    groups = candles.reset_index(drop=True).groupby(lambda number: number // minutes)
    rules = {"window_start": "first", "open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    return groups.agg(rules)
