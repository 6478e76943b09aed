"""Empty topics and tables between two measurements."""

from lab_utils import db_utils, kafka_utils
from lab_utils.streaming import pipeline


def empty_tables() -> None:
    """Delete all rows, and what the sink and Spark know of them."""
    with db_utils.cursor("lab_owner") as cursor:
        cursor.execute(
            "TRUNCATE crypto_data, stock_data, candles_1m, dead_letters, stream_commits;"
            "UPDATE candle_watermark SET watermark = '-infinity', late_ticks = 0"
        )
    pipeline.remove_checkpoints()


def empty_topics(partitions: int = kafka_utils.PARTITIONS) -> None:
    """Delete the lab's topics and create them again, with the tables."""
    kafka_utils.delete_topics()
    kafka_utils.ensure_topics(partitions)
    with db_utils.cursor("lab_owner") as cursor:
        cursor.execute("TRUNCATE stream_topics")
    db_utils.check_topics(kafka_utils.topic_ids())
    empty_tables()
