-- What each role may do. lab_owner owns the tables; the pipeline writes as lab_writer and cannot delete a tick or
-- change a table; dashboards read as lab_reader.
REVOKE ALL ON DATABASE lab FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE lab TO lab_writer;
GRANT CONNECT ON DATABASE lab TO lab_reader;
GRANT USAGE ON SCHEMA public TO lab_writer, lab_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO lab_writer, lab_reader;
GRANT INSERT ON crypto_data, stock_data, candles_1m, dead_letters, stream_commits, stream_topics TO lab_writer;
GRANT INSERT, DELETE ON pipeline_progress TO lab_writer;
GRANT UPDATE ON candles_1m, candle_watermark, stream_commits TO lab_writer;
ALTER DEFAULT PRIVILEGES FOR ROLE lab_owner IN SCHEMA public GRANT SELECT ON TABLES TO lab_reader;
GRANT USAGE ON SCHEMA bi TO lab_reader;
GRANT SELECT ON bi.symbols, bi.crypto_prices, bi.stock_prices, bi.candles, bi.trends TO lab_reader;
