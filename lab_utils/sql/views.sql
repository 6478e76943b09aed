-- What people and Power BI look at. All times are UTC.

-- What has candles. The next pair behind the one before, again and again: a few looks into the key's index, not a pass
-- over the candles.
CREATE OR REPLACE VIEW traded_pairs AS
WITH RECURSIVE pairs AS (
    (SELECT asset_class, symbol, currency FROM candles_1m ORDER BY 1, 2, 3 LIMIT 1)
    UNION ALL
    SELECT next.*
    FROM pairs
    CROSS JOIN LATERAL (
        SELECT asset_class, symbol, currency FROM candles_1m AS c
        WHERE (c.asset_class, c.symbol, c.currency) > (pairs.asset_class, pairs.symbol, pairs.currency)
        ORDER BY 1, 2, 3 LIMIT 1
    ) AS next
)
SELECT asset_class, symbol, currency FROM pairs;

-- The newest tick of each symbol by event time.
CREATE OR REPLACE VIEW latest_prices AS
SELECT asset_class, known.symbol, known.currency, newest.price, newest.event_time
FROM traded_pairs AS known
CROSS JOIN LATERAL (
    SELECT price, event_time
    FROM ticks
    WHERE ticks.asset_class = known.asset_class AND ticks.symbol = known.symbol AND ticks.currency = known.currency
    ORDER BY event_time DESC, kafka_partition DESC, kafka_offset DESC
    LIMIT 1
) AS newest;

-- How far the latest price is from the one an hour and a day before it (NULL where the lab has no older tick).
CREATE OR REPLACE VIEW price_changes AS
SELECT latest.asset_class, latest.symbol, latest.currency, latest.price, latest.event_time,
       round(100 * (latest.price / hour_ago.close - 1), 4) AS change_pct_1h,
       round(100 * (latest.price / day_ago.close - 1), 4)  AS change_pct_24h
FROM latest_prices AS latest
LEFT JOIN LATERAL (
    SELECT close FROM candles_1m AS c
    WHERE (c.asset_class, c.symbol, c.currency) = (latest.asset_class, latest.symbol, latest.currency)
      AND c.window_start <= latest.event_time - interval '1 hour'
    ORDER BY window_start DESC LIMIT 1
) AS hour_ago ON true
LEFT JOIN LATERAL (
    SELECT close FROM candles_1m AS c
    WHERE (c.asset_class, c.symbol, c.currency) = (latest.asset_class, latest.symbol, latest.currency)
      AND c.window_start <= latest.event_time - interval '24 hours'
    ORDER BY window_start DESC LIMIT 1
) AS day_ago ON true;

-- Traded volume and number of ticks of each hour.
CREATE OR REPLACE VIEW volume_by_hour AS
SELECT asset_class, symbol, currency, date_bin('1 hour', window_start, '2000-01-01T00:00:00Z') AS hour,
       sum(volume) AS volume, sum(tick_count)::bigint AS tick_count
FROM candles_1m
GROUP BY asset_class, symbol, currency, hour;

-- Closing price of each minute beside its averages over the last 5 and 20 candles, and which way it points.
CREATE OR REPLACE VIEW trends AS
SELECT asset_class, symbol, currency, window_start, close, average_5, average_20,
       CASE WHEN average_5 > average_20 THEN 'up' WHEN average_5 < average_20 THEN 'down' ELSE 'flat' END AS trend
FROM (
    SELECT asset_class, symbol, currency, window_start, close,
           avg(close) OVER (candles ROWS 4 PRECEDING)  AS average_5,
           avg(close) OVER (candles ROWS 19 PRECEDING) AS average_20
    FROM candles_1m
    WINDOW candles AS (PARTITION BY asset_class, symbol, currency ORDER BY window_start)
) AS averages;

-- Dead letters as text; bytes that are no ASCII are shown as \ooo.
CREATE OR REPLACE VIEW dead_letters_readable AS
SELECT topic, kafka_partition, kafka_offset, encode(raw, 'escape') AS raw_text, reason, seen_at
FROM dead_letters;
