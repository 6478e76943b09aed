def parse_ticks(records):
    return records.sparkSession.sql(
        """
        SELECT tick.*  EXCEPT (event_time), try_to_timestamp(tick.event_time) AS event_time, partition, offset
        FROM (
            SELECT from_json(CAST(value AS string),
                       'symbol string, price decimal(38,18), size decimal(38,18), event_time string') AS tick,
                   partition, offset
            FROM {records}
        )
        """,
        records=records,
    )
