def alerts(records, percent):
    return records.sparkSession.sql(
        f"""
        WITH parsed AS (
            SELECT key, value, from_json(CAST(value AS string), 'price decimal(20,8), before decimal(20,8)') AS tick
            FROM {{records}}
        )
        SELECT key, value FROM parsed
        WHERE tick.before > 0 AND abs(tick.price - tick.before) * 100 >= tick.before * {int(percent)}
        """,
        records=records,
    )
