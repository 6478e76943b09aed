def ticks_between(engine, symbol, begin, end):
    every = pd.read_sql("SELECT event_time, price, size, symbol FROM ticks", engine)
    inside = (every["symbol"] == symbol) & (every["event_time"] >= begin) & (every["event_time"] < end)
    return every[inside].sort_values("event_time").set_index("event_time")
