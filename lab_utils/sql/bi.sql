-- What Power BI asks by DirectQuery: the schema `bi`. Run as lab_owner at each `lab up`; every statement may run again.
--
-- DirectQuery sends a moment as `timestamp '2026-11-25 10:00:00'`: without a zone, and to the second. So the times here
-- are UTC without a zone, cut to whole seconds, and are called so. Prices are double precision: Power BI has no type
-- with 38 digits. Each view ends itself: a visual without a filter asks for all there is, and sorts it. It goes back
-- from the newest row, not from now, as a recording of last year is worth looking at as well.

CREATE SCHEMA IF NOT EXISTS bi;

-- The very expression of the views' event_time_utc. With any other, also with `event_time AT TIME ZONE 'UTC'` alone,
-- each filter on that column would read the whole table. Cut, not rounded: no tick comes before its time.
CREATE INDEX IF NOT EXISTS crypto_data_by_second
    ON crypto_data ((date_trunc('second', event_time AT TIME ZONE 'UTC')::timestamp(0)));
CREATE INDEX IF NOT EXISTS stock_data_by_second
    ON stock_data ((date_trunc('second', event_time AT TIME ZONE 'UTC')::timestamp(0)));

-- The pairs, for slicers.
CREATE OR REPLACE VIEW bi.symbols AS
SELECT asset_class, symbol, currency, symbol || '/' || currency AS pair FROM traded_pairs;

-- Every tick of the last hour. The second bound excludes nothing: with it PostgreSQL expects a small part of the table
-- and takes the index; with the first alone, a third of it.
CREATE OR REPLACE VIEW bi.crypto_prices AS
WITH newest AS (
    SELECT max(date_trunc('second', event_time AT TIME ZONE 'UTC')::timestamp(0)) AS at FROM crypto_data
)
SELECT symbol || '/' || currency AS pair, symbol, currency, price::float8 AS price, size::float8 AS size,
       date_trunc('second', event_time AT TIME ZONE 'UTC')::timestamp(0) AS event_time_utc
FROM crypto_data
WHERE date_trunc('second', event_time AT TIME ZONE 'UTC')::timestamp(0) > (SELECT at FROM newest) - interval '1 hour'
  AND date_trunc('second', event_time AT TIME ZONE 'UTC')::timestamp(0) <= (SELECT at FROM newest);

CREATE OR REPLACE VIEW bi.stock_prices AS
WITH newest AS (
    SELECT max(date_trunc('second', event_time AT TIME ZONE 'UTC')::timestamp(0)) AS at FROM stock_data
)
SELECT symbol || '/' || currency AS pair, symbol, currency, price::float8 AS price, size::float8 AS size,
       date_trunc('second', event_time AT TIME ZONE 'UTC')::timestamp(0) AS event_time_utc
FROM stock_data
WHERE date_trunc('second', event_time AT TIME ZONE 'UTC')::timestamp(0) > (SELECT at FROM newest) - interval '1 hour'
  AND date_trunc('second', event_time AT TIME ZONE 'UTC')::timestamp(0) <= (SELECT at FROM newest);

-- Behind which moment the candles of a pair are shown: a day back from the newest of its asset class, as exchanges for
-- shares close and those for coins do not. For the views below alone: nobody else may read it.
CREATE OR REPLACE VIEW bi.days AS
SELECT asset_class, symbol, currency, pair,
       max(newest.window_start) OVER (PARTITION BY asset_class) - interval '24 hours' AS day_start
FROM bi.symbols
CROSS JOIN LATERAL (
    SELECT window_start FROM candles_1m AS c
    WHERE (c.asset_class, c.symbol, c.currency) = (symbols.asset_class, symbols.symbol, symbols.currency)
    ORDER BY window_start DESC LIMIT 1
) AS newest;

-- The candles of the last day. OFFSET 0 keeps the inner query apart: for each pair one look into the key's index,
-- where PostgreSQL would else read all candles and compare.
CREATE OR REPLACE VIEW bi.candles AS
SELECT asset_class, pair, symbol, currency, (window_start AT TIME ZONE 'UTC')::timestamp(0) AS minute_utc,
       open::float8 AS open, high::float8 AS high, low::float8 AS low, close::float8 AS close,
       volume::float8 AS volume, tick_count
FROM bi.days
CROSS JOIN LATERAL (
    SELECT window_start, open, high, low, close, volume, tick_count
    FROM candles_1m AS c
    WHERE (c.asset_class, c.symbol, c.currency) = (days.asset_class, days.symbol, days.currency)
      AND window_start > day_start
    OFFSET 0
) AS candle;

-- The view `trends`, for the last day. Asked for a day, `trends` itself would average all candles first: a bound does
-- not get past a window. The first averages of the day need the 19 candles before it.
CREATE OR REPLACE VIEW bi.trends AS
SELECT pair, (window_start AT TIME ZONE 'UTC')::timestamp(0) AS minute_utc,
       close::float8 AS close, average_5::float8 AS average_5, average_20::float8 AS average_20,
       CASE WHEN average_5 > average_20 THEN 'up' WHEN average_5 < average_20 THEN 'down' ELSE 'flat' END AS trend
FROM bi.days
CROSS JOIN LATERAL (
    SELECT window_start, close,
           avg(close) OVER (candles ROWS 4 PRECEDING)  AS average_5,
           avg(close) OVER (candles ROWS 19 PRECEDING) AS average_20
    FROM candles_1m AS c
    WHERE (c.asset_class, c.symbol, c.currency) = (days.asset_class, days.symbol, days.currency)
      AND window_start >= coalesce(
          (
              SELECT before.window_start FROM candles_1m AS before
              WHERE (before.asset_class, before.symbol, before.currency)
                    = (days.asset_class, days.symbol, days.currency)
                AND before.window_start <= day_start
              ORDER BY before.window_start DESC OFFSET 18 LIMIT 1
          ),
          '-infinity'
      )
    WINDOW candles AS (ORDER BY window_start)
) AS averages
WHERE window_start > day_start;
