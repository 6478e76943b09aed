def partial_volume(ticks, salts):
    return ticks.sparkSession.sql(
        f"""SELECT symbol, kafka_offset % {int(salts)} AS salt, coalesce(sum(size), 0) AS volume, count(*) AS ticks
            FROM {{ticks}} GROUP BY ALL""",
        ticks=ticks,
    )


def total_volume(parts):
    return parts.sparkSession.sql(
        "SELECT symbol, coalesce(sum(volume), 0) AS volume, sum(ticks) AS ticks FROM {parts} GROUP BY symbol",
        parts=parts,
    )
