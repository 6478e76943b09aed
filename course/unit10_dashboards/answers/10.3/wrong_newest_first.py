# outcome: FAIL
# stage: order
# message: comes first, and earlier ones behind it
def wider(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    numbers = candles[["open", "high", "low", "close", "volume"]].astype(float)
    numbers.index = pd.to_datetime(candles["window_start"], utc=True)
    slots = numbers.resample(f"{minutes}min")
    return slots.agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}).reset_index()[
        ::-1
    ]
