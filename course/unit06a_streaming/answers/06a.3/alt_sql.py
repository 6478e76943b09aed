def split_valid(ticks):
    judged = ticks.sparkSession.sql(
        """
        SELECT *, CASE
            WHEN corrupt IS NOT NULL THEN 'corrupt'
            WHEN coalesce(symbol, '') = '' THEN 'symbol is empty'
            WHEN price IS NULL OR NOT price > 0 THEN 'price'
            WHEN size < 0 THEN 'size'
            WHEN event_time IS NULL THEN 'event_time is missing'
        END AS reason
        FROM {ticks}
        """,
        ticks=ticks,
    )
    valid = judged.where("reason IS NULL").select("event_time", "symbol", "price", "size", "offset", "partition")
    return valid, judged.where("reason IS NOT NULL").select("reason", "value", "partition", "offset")
