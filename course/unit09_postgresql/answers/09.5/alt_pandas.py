def most_traded(engine, currency, begin, end):
    query = """
        SELECT symbol, sum(price * size) AS turnover, sum(size) AS volume
        FROM crypto_data
        WHERE currency = :currency AND event_time >= :begin AND event_time < :end
        GROUP BY symbol
    """
    sums = ask(engine, query, currency=currency, begin=begin, end=end).set_index("symbol").astype(float).fillna(0)
    sums["vwap"] = sums["turnover"] / sums["volume"].replace(0, float("nan"))
    sums["rank"] = sums["turnover"].rank(method="min", ascending=False)
    return sums
