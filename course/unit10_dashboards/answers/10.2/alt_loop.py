def with_average(candles, minutes):
    closes = dict(zip(candles["window_start"], candles["close"]))
    averages = []
    for time in closes:
        last = [closes.get(time - pd.Timedelta(minutes=back)) for back in range(minutes)]
        averages.append(None if None in last else float(sum(last)) / minutes)
    result = candles.copy()
    result["average"] = averages
    return result
