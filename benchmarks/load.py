"""Fill a topic with ticks quickly: Spark writes them, since kafka-python tops out at some 14,000 messages a second."""

from datetime import UTC, datetime, timedelta

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from lab_utils import kafka_utils
from lab_utils.servers import kafka_server
from lab_utils.ticks import CRYPTO

SYMBOLS = ("BTC", "ETH", "SOL", "XRP", "ADA", "DOT", "LTC", "BCH")
TICKS_PER_SECOND = 500
"""Of event time: half a million ticks are a quarter of an hour."""


def load_ticks(spark: SparkSession, count: int, partitions: int = kafka_utils.PARTITIONS) -> int:
    """Write `count` sound ticks to the crypto topic, spread evenly over its partitions (at most eight).

    Returns:
        How many records the empty topic holds then: Spark writes each tick at least once, and a few of them twice when
        a broker is slow (Structured Streaming + Kafka Integration Guide, "Writing Data to Kafka").

    They have the bytes that the lab's producer sends: the same fields in the same order, 250 bytes each.
    """
    begin = datetime.now(UTC) - timedelta(days=1)
    ticks_of(spark, count, begin, partitions).write.format("kafka").option(
        "kafka.bootstrap.servers", kafka_server.bootstrap_servers()
    ).option("topic", CRYPTO.topic).option("kafka.linger.ms", "20").option("kafka.batch.size", "262144").save()
    return record_count()


def record_count() -> int:
    """How many records the crypto topic holds."""
    return sum(kafka_utils.end_offsets([CRYPTO.topic]).values())


def ticks_of(spark: SparkSession, count: int, begin: datetime, partitions: int) -> DataFrame:
    """Ticks as records for Spark's Kafka writer; the same ones whenever `begin` is the same."""
    number = F.col("id")
    seconds = F.lit(begin.timestamp()) + number / TICKS_PER_SECOND
    symbols = F.array(*(F.lit(symbol) for symbol in SYMBOLS))
    # Every partition has symbols of its own, as keyed messages have.
    partition = number % len(SYMBOLS) % partitions
    symbol = F.element_at(symbols, (1 + number % len(SYMBOLS)).cast("int"))
    fields = {
        "symbol": _quoted(symbol),
        "currency": _quoted(F.lit("USD")),
        "price": _decimal(50_000 + F.hash(number, F.lit(1)) % 10_000 / 100, 2),
        "size": _decimal(F.abs(F.hash(number, F.lit(2)) % 100_000) / 100_000, 5),
        "event_time": _time(seconds),
        "ingest_time": _time(seconds + 0.04),
        "source": _quoted(F.lit("benchmark")),
        "version": F.lit("1"),
        "volume_24h": _decimal(24_000 + number / 100, 5),
        "market_cap": _decimal(F.lit(1_479_080_097_200), 2),
        "change_pct_24h": _decimal(F.hash(number, F.lit(3)) % 1000 / 200, 4),
    }
    body = F.concat_ws(",", *(F.concat(F.lit(f'"{name}":'), value) for name, value in fields.items()))
    return spark.range(count).select(
        symbol.alias("key"),
        F.concat(F.lit("{"), body, F.lit("}")).alias("value"),
        partition.cast("int").alias("partition"),
    )


def _quoted(text: Column) -> Column:
    return F.concat(F.lit('"'), text, F.lit('"'))


def _decimal(number: Column, places: int) -> Column:
    return number.cast(f"decimal(20,{places})").cast("string")


def _time(seconds: Column) -> Column:
    return _quoted(F.date_format(F.timestamp_millis((seconds * 1000).cast("long")), "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"))
