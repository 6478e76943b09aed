from pyspark.sql.types import DecimalType, StringType, StructType


def parse_ticks(records):
    number = DecimalType(38, 18)
    schema = StructType().add("event_time", StringType()).add("size", number).add("price", number)
    schema = schema.add("symbol", StringType()).add("corrupt", StringType())
    options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": "corrupt"}
    return (
        records.withColumn("tick", F.from_json(records.value.cast(StringType()), schema, options))
        .withColumns({name: F.col(f"tick.{name}") for name in ("symbol", "price", "size", "corrupt")})
        .withColumn("event_time", F.expr("try_cast(tick.event_time AS timestamp)"))
        .drop("tick")
    )
