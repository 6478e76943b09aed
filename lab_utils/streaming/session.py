"""The Spark session of the lab: local, UTC, with the Kafka connector, all its files below `.lab`."""

import os
import sys
from typing import Any

from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from lab_utils.errors import LabError
from lab_utils.servers.class_archives import java_options
from lab_utils.servers.jars import class_path, missing_jars, spark_jars
from lab_utils.servers.java import find_java
from lab_utils.servers.processes import HOST, LOG_SETTINGS
from lab_utils.settings import settings

ERROR_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
"""What PySpark prints, beside the exception that it raises, when a value in a query cannot be used: the whole stack of
Java as one line of twenty thousand characters. The exception says it as well."""


def get_spark(app_name: str = "market-stream-lab", **conf: Any) -> SparkSession:
    """The session of this process, with `conf` on top of the lab's settings.

    Raises:
        LabError: no Java, or a JVM of this process runs already without the Kafka connector.
    """
    if missing_jars():
        raise LabError("Spark's Kafka connector is not downloaded yet.", "Fetch it with: lab up")
    temporary = settings().state_dir / "tmp"
    temporary.mkdir(parents=True, exist_ok=True, mode=0o700)
    java = find_java()
    os.environ["JAVA_HOME"] = str(java.home)
    os.environ["SPARK_LOCAL_IP"] = HOST  # the web page of Spark, too, listens on loopback only
    os.environ["PYSPARK_PYTHON"] = sys.executable
    options = {
        "spark.master": f"local[{settings().spark_cores}]",
        "spark.app.name": app_name,
        "spark.jars": spark_jars(),
        # Also on the path of the JVM itself: the class archive holds nothing of what is loaded otherwise.
        "spark.driver.extraClassPath": class_path("spark"),
        "spark.driver.host": HOST,
        "spark.driver.bindAddress": HOST,
        "spark.driver.memory": f"{settings().spark_memory_mb}m",
        # The deep stack is for query.stop(): StreamExecution matches a py4j error text with a regular expression
        # that recurses once a character, and overflows a default stack. The first compiler tier alone brings the
        # first row a third sooner on two cores; the second one pays only after minutes of full load.
        "spark.driver.extraJavaOptions": " ".join(
            [
                f'-Dlog4j2.configurationFile="{LOG_SETTINGS.as_uri()}"',
                f'-Dlab.log="{settings().logs_dir / "spark.log"}" -Dlab.log.level=warn',
                "-Xss32m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -Duser.timezone=UTC",
                *(f'"{option}"' for option in java_options("spark", java)),
                f'-Djava.io.tmpdir="{temporary}" -Dderby.system.home="{temporary}"',
            ]
        ),
        "spark.local.dir": str(temporary),
        "spark.sql.warehouse.dir": str(settings().state_dir / "warehouse"),
        "spark.sql.session.timeZone": "UTC",
        # 200, the default, makes two hundred state files a batch. It is fixed at a checkpoint's first start.
        "spark.sql.shuffle.partitions": str(settings().spark_cores),
        # The default asks the shell (readlink, chmod) at each file of a checkpoint, several processes a batch.
        "spark.sql.streaming.checkpointFileManagerClass": (
            "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
        ),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **conf,
    }
    builder = SparkSession.builder
    for name, value in options.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    _check_connector(spark)
    for name in ERROR_LOGGERS:
        PySparkLogger.getLogger(name).setLevel("CRITICAL")
    return spark


def _check_connector(spark: SparkSession) -> None:
    """`spark.jars` is read once, when the JVM starts; a session that was there before has no connector."""
    from py4j.protocol import Py4JJavaError

    jvm = spark.sparkContext._jvm
    assert jvm is not None
    try:
        loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
        loader.loadClass("org.apache.spark.sql.kafka010.KafkaSourceProvider")
    except Py4JJavaError:
        raise LabError(
            "This Python process started Spark earlier, without the Kafka connector.",
            "Restart the kernel (or the program) and call get_spark() first.",
        ) from None
