def late_ticks(ticks, watermark, width):
    ticks.createOrReplaceTempView("all_ticks")
    return ticks.sparkSession.sql(
        f"""
        SELECT * EXCEPT (window) FROM (SELECT *, window(event_time, '{width}') AS window FROM all_ticks)
        WHERE window.end <= :watermark
        """,
        args={"watermark": watermark},
    )
