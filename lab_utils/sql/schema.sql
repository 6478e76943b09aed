-- Tables of the database `lab`. Run as lab_owner at each `lab up`; every statement may run again.

-- One row per stored tick. The key is where the record lies in Kafka: the one name of a record that stays the
-- same however often it is read, so a record read twice is stored once.
CREATE TABLE IF NOT EXISTS crypto_data (
    symbol          text           NOT NULL,
    currency        text           NOT NULL,
    price           numeric(38,18) NOT NULL,
    size            numeric(38,18),
    event_time      timestamptz    NOT NULL,
    ingest_time     timestamptz    NOT NULL,
    source          text           NOT NULL,
    version         smallint       NOT NULL,
    volume_24h      numeric(38,18),
    market_cap      numeric(38,18),
    change_pct_24h  numeric(38,18),
    kafka_partition integer        NOT NULL,
    kafka_offset    bigint         NOT NULL,
    PRIMARY KEY (kafka_partition, kafka_offset)
);
CREATE INDEX IF NOT EXISTS crypto_data_by_symbol ON crypto_data (symbol, currency, event_time);

CREATE TABLE IF NOT EXISTS stock_data (
    symbol          text           NOT NULL,
    currency        text           NOT NULL,
    price           numeric(38,18) NOT NULL,
    size            numeric(38,18),
    event_time      timestamptz    NOT NULL,
    ingest_time     timestamptz    NOT NULL,
    source          text           NOT NULL,
    version         smallint       NOT NULL,
    open            numeric(38,18),
    high            numeric(38,18),
    low             numeric(38,18),
    previous_close  numeric(38,18),
    change_pct      numeric(38,18),
    kafka_partition integer        NOT NULL,
    kafka_offset    bigint         NOT NULL,
    PRIMARY KEY (kafka_partition, kafka_offset)
);
CREATE INDEX IF NOT EXISTS stock_data_by_symbol ON stock_data (symbol, currency, event_time);

-- One-minute candles. The currency is part of the key: XRP in USD and XRP in ETH are two prices.
CREATE TABLE IF NOT EXISTS candles_1m (
    asset_class  text           NOT NULL,
    symbol       text           NOT NULL,
    currency     text           NOT NULL,
    window_start timestamptz    NOT NULL,
    open         numeric(38,18) NOT NULL,
    high         numeric(38,18) NOT NULL,
    low          numeric(38,18) NOT NULL,
    close        numeric(38,18) NOT NULL,
    volume       numeric        NOT NULL,
    tick_count   bigint         NOT NULL,
    PRIMARY KEY (asset_class, symbol, currency, window_start)
);

-- Every record that could not be stored, with its bytes as they were: `raw` is bytea because rubbish need not be
-- text. It is NULL for a record without a value.
CREATE TABLE IF NOT EXISTS dead_letters (
    topic           text        NOT NULL,
    kafka_partition integer     NOT NULL,
    kafka_offset    bigint      NOT NULL,
    raw             bytea,
    reason          text        NOT NULL,
    seen_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, kafka_partition, kafka_offset)
);

-- Which batches of which query are in the tables; written in the batch's own transaction.
CREATE TABLE IF NOT EXISTS stream_commits (
    sink         text        NOT NULL,
    query_id     uuid        NOT NULL,
    batch_id     bigint      NOT NULL,
    row_count    bigint      NOT NULL,
    fingerprint  text        NOT NULL DEFAULT '',
    committed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sink, query_id, batch_id)
);
DO $$
BEGIN  -- of a lab that is older than the column
    IF NOT EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = 'stream_commits'::regclass AND attname = 'fingerprint'
    ) THEN
        ALTER TABLE stream_commits ADD fingerprint text NOT NULL DEFAULT '';
    END IF;
END $$;

-- The topics that the stored offsets belong to. A topic that is deleted and created again starts at offset 0 with
-- another id; its records would be taken for ones that are stored already.
CREATE TABLE IF NOT EXISTS stream_topics (
    topic    text PRIMARY KEY,
    topic_id uuid NOT NULL
);

-- Up to where the Spark candles are settled: the watermark that Spark uses from its next batch on, and how many
-- ticks Spark dropped because they came later (they are in the tick tables and in their candles all the same).
CREATE TABLE IF NOT EXISTS candle_watermark (
    id         boolean PRIMARY KEY DEFAULT true CHECK (id),
    watermark  timestamptz NOT NULL,
    late_ticks bigint      NOT NULL
);
INSERT INTO candle_watermark VALUES (true, '-infinity', 0) ON CONFLICT DO NOTHING;

-- What Spark said of its batches in the last hours, for people to look at: nothing that the pipeline promises depends
-- on it. A batch without records is told of every ten seconds, under the number that the next one will have.
CREATE TABLE IF NOT EXISTS pipeline_progress (
    query                text        NOT NULL,
    run_id               uuid        NOT NULL,
    batch_id             bigint      NOT NULL,
    at                   timestamptz NOT NULL,  -- when the batch began
    input_rows           bigint      NOT NULL,
    input_per_second     float8,
    processed_per_second float8,
    phases               jsonb       NOT NULL,  -- milliseconds of each; triggerExecution is the whole batch
    offsets              jsonb       NOT NULL,  -- where the batch ends: topic, partition, next offset
    watermark            timestamptz,
    state_rows           bigint      NOT NULL,
    state_bytes          bigint      NOT NULL,
    late_rows            bigint      NOT NULL,  -- left out of the candles by Spark, in rows of its aggregate
    PRIMARY KEY (run_id, batch_id, at)
);
CREATE INDEX IF NOT EXISTS pipeline_progress_by_time ON pipeline_progress (at);

CREATE OR REPLACE FUNCTION minute_of(moment timestamptz) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN date_bin('1 minute', moment, '2000-01-01T00:00:00Z');

-- Every tick as the candles see it.
CREATE OR REPLACE VIEW ticks AS
SELECT 'crypto' AS asset_class, symbol, currency, price, size, event_time, kafka_partition, kafka_offset
FROM crypto_data
UNION ALL
SELECT 'stock', symbol, currency, price, size, event_time, kafka_partition, kafka_offset
FROM stock_data;

-- Write the candles of some minutes anew from the stored ticks; how many ticks they gained. A candle is replaced
-- only by one of more ticks: ticks are never deleted, so the one with more holds all of the other's.
CREATE OR REPLACE FUNCTION refresh_candles(of_class text, symbols text[], currencies text[], minutes timestamptz[])
    RETURNS bigint LANGUAGE sql
BEGIN ATOMIC
    WITH touched AS (
        SELECT DISTINCT u.symbol, u.currency, u.minute
        FROM unnest(symbols, currencies, minutes) AS u(symbol, currency, minute)
    ), fresh AS (
        -- LATERAL, so that each minute is one look into the index: a plain join would compare every tick of a
        -- symbol with every minute.
        SELECT touched.symbol, touched.currency, touched.minute, candle.*
        FROM touched
        CROSS JOIN LATERAL (
            SELECT (array_agg(price ORDER BY event_time, kafka_partition, kafka_offset))[1] AS open,
                   max(price) AS high, min(price) AS low,
                   (array_agg(price ORDER BY event_time DESC, kafka_partition DESC, kafka_offset DESC))[1] AS close,
                   coalesce(sum(size), 0) AS volume, count(*) AS tick_count
            FROM ticks
            WHERE ticks.asset_class = of_class
              AND ticks.symbol = touched.symbol
              AND ticks.currency = touched.currency
              AND ticks.event_time >= touched.minute
              AND ticks.event_time < touched.minute + interval '1 minute'
        ) AS candle
        WHERE candle.tick_count > 0
    ), written AS (
        INSERT INTO candles_1m AS stored
        SELECT of_class, symbol, currency, minute, open, high, low, close, volume, tick_count
        FROM fresh
        ORDER BY symbol, currency, minute
        ON CONFLICT (asset_class, symbol, currency, window_start) DO UPDATE
        SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
            volume = excluded.volume, tick_count = excluded.tick_count
        WHERE excluded.tick_count > stored.tick_count
        RETURNING stored.symbol, stored.currency, stored.window_start, stored.tick_count
    )
    SELECT coalesce(sum(written.tick_count - coalesce(before.tick_count, 0)), 0)::bigint
    FROM written
    LEFT JOIN candles_1m AS before  -- as it was when this statement began
           ON before.asset_class = of_class
          AND before.symbol = written.symbol
          AND before.currency = written.currency
          AND before.window_start = written.window_start;
END;
