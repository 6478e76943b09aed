# outcome: FAIL
# stage: slots
# message: 2026-03-10 22:30
def wider(candles, minutes):
    slots = candles.resample(f"{minutes}min", on="window_start")
    return slots.agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}).reset_index()
