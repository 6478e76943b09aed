"""The Spark session of the lab: UTC, with the Kafka connector, all its files below `.lab`.

It is local, in the process that asks for it, unless `LAB_SPARK_MASTER` names a cluster. Then this process is the driver,
in client mode, and what the executors need is said here; what the lab does not set, `spark-defaults.conf` may.
"""

import os
import sys
from typing import Any
from urllib.parse import urlsplit

from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from lab_utils.errors import LabError
from lab_utils.servers import elsewhere
from lab_utils.servers.class_archives import java_options
from lab_utils.servers.jars import class_path, missing_jars, spark_home, spark_jars
from lab_utils.servers.java import FOR_EVERY_JVM, QUICK_START, find_java
from lab_utils.servers.processes import HOST, LOG_SETTINGS
from lab_utils.servers.spark_server import DEEP_STACK
from lab_utils.settings import settings

ERROR_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
"""What PySpark prints, beside the exception that it raises, when a value in a query cannot be used: the whole stack of
Java as one line of twenty thousand characters. The exception says it as well."""

OF_ANOTHER_SPARK = (
    *("SPARK_CONF_DIR", "SPARK_LOCAL_DIRS", "SPARK_REMOTE", "SPARK_DIST_CLASSPATH", "SPARK_SUBMIT_OPTS"),
    *("PYSPARK_SUBMIT_ARGS", "HADOOP_CONF_DIR", "YARN_CONF_DIR"),
    *FOR_EVERY_JVM,
)
"""What a course taken before may have left in the environment. Each outranks the lab's settings, or is added to them:
jars for a Spark 3, a folder outside the checkout, checkpoints in HDFS, a server that is gone."""


def master() -> str:
    """The master URL: a cluster's, or that of local Spark."""
    return settings().spark_master or f"local[{settings().spark_cores}]"


def is_elsewhere() -> bool:
    """Whether a cluster computes, and this process is its driver only."""
    return not master().startswith("local")


def check_elsewhere() -> None:
    """See that the master of a standalone cluster, or the API server of Kubernetes, accepts connections.

    Spark itself would ask for a minute and then end with a page of Java. YARN's address is in Hadoop's own configuration.

    Raises:
        LabError: it does not.
    """
    if is_elsewhere() and (doors := doors_of(master())) and not any(elsewhere.is_open(*door) for door in doors):
        raise LabError(f"The Spark master does not answer at {master()}.", elsewhere.repair("LAB_SPARK_MASTER"))


def doors_of(url: str) -> list[tuple[str, int]]:
    """Host and port of each master that a master URL names; none where it names none.

    Formats: spark.apache.org/docs/latest/submitting-applications.html#master-urls, several masters as in
    spark.apache.org/docs/latest/spark-standalone.html#high-availability.
    """
    if url.startswith("spark://"):
        return [elsewhere.host_and_port(address) for address in url.removeprefix("spark://").split(",")]
    if url.startswith("k8s://"):
        address = url.removeprefix("k8s://")
        parts = urlsplit(address if "://" in address else f"https://{address}")
        default = 80 if parts.scheme == "http" else 443
        return [(parts.hostname, parts.port or default)] if parts.hostname else []
    return []


def get_spark(app_name: str = "market-stream-lab", **conf: Any) -> SparkSession:
    """The session of this process, with `conf` on top of the lab's settings.

    Raises:
        LabError: no Java, a cluster that does not answer, or a JVM of this process runs already without the Kafka
            connector.
    """
    if missing_jars():
        raise LabError("Spark's Kafka connector is not downloaded yet.", "Fetch it with: lab up")
    temporary = settings().state_dir / "tmp"
    temporary.mkdir(parents=True, exist_ok=True, mode=0o700)
    java = find_java()
    os.environ["JAVA_HOME"] = str(java.home)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    options = {
        "spark.master": master(),
        "spark.app.name": app_name,
        "spark.jars": spark_jars(),
        # Also on the path of the JVM itself: the class archive holds nothing of what is loaded otherwise.
        "spark.driver.extraClassPath": class_path("spark"),
        "spark.driver.memory": f"{settings().spark_memory_mb}m",
        # The deep stack is for query.stop(): StreamExecution matches a py4j error text with a regular expression
        # that recurses once a character, and overflows a default stack. The first compiler tier alone brings the
        # first row a third sooner on two cores; the second one pays only after minutes of full load.
        "spark.driver.extraJavaOptions": " ".join(
            [
                f'-Dlog4j2.configurationFile="{LOG_SETTINGS.as_uri()}"',
                f'-Dlab.log="{settings().logs_dir / "spark.log"}" -Dlab.log.level=warn',
                DEEP_STACK,
                *QUICK_START,
                "-Duser.timezone=UTC",
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
        **(_cluster_options() if is_elsewhere() else _local_options()),
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


def _local_options() -> dict[str, str]:
    os.environ["SPARK_LOCAL_IP"] = HOST  # the web page of Spark, too, listens on loopback only
    os.environ["SPARK_HOME"] = str(spark_home())
    for name in OF_ANOTHER_SPARK:
        os.environ.pop(name, None)
    return {"spark.driver.host": HOST, "spark.driver.bindAddress": HOST}


def _cluster_options() -> dict[str, str]:
    """What differs on a cluster.

    The executors call the driver, so it listens at this machine's own address; SPARK_LOCAL_IP, Spark's own variable, says
    which one where there are several. No Python runs in the executors: what the queries do to a row is Spark SQL.
    """
    check_elsewhere()
    # As deep a stack as where tasks run in the driver: there the ticks' regular expression was tried on long texts.
    options = {"spark.executor.extraJavaOptions": f"{DEEP_STACK} -Duser.timezone=UTC"}
    if master().startswith("spark://"):  # Kubernetes and YARN count executors, not cores
        options |= {
            "spark.cores.max": str(settings().spark_cores),
            "spark.executor.memory": f"{settings().spark_memory_mb}m",
        }
    return options


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
