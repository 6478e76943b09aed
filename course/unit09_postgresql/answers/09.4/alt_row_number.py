def moving_average(engine, count):
    query = f"""
        SELECT average, close, window_start, currency, symbol, asset_class
        FROM (
            SELECT *, row_number() OVER name AS place,
                   sum(close) OVER (name ROWS {int(count) - 1} PRECEDING) / {int(count)} AS average
            FROM candles_1m
            WINDOW name AS (PARTITION BY asset_class, symbol, currency ORDER BY window_start)
        ) AS numbered
    """
    found = ask(engine, query.replace("SELECT average,", "SELECT place, average,"))
    found.loc[found["place"] < count, "average"] = float("nan")
    return found
