"""Topics, producers and consumers of the lab's broker."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, TopicAlreadyExistsError
from kafka.producer.transaction_manager import TransactionState

from lab_utils.errors import LabError
from lab_utils.servers import kafka_server
from lab_utils.ticks import ASSETS
from lab_utils.waiting import WaitTimeout, wait_until

PARTITIONS = 4
BROKERS_OWN_DEFAULT = -1
"""Leaves the number of replicas to the brokers elsewhere, who know how many they are (KIP-464)."""
TOPICS = tuple(topic for asset in ASSETS for topic in (asset.topic, asset.dead_letter_topic))

DELETE_SECONDS = 30

TOPIC_SETTINGS = {
    # The time at which the broker took the record. With the producer's own time (the default), a recording of
    # last year is older than the retention and is deleted as soon as it is written.
    "message.timestamp.type": "LogAppendTime",
}


@contextmanager
def admin() -> Iterator[Any]:
    """An admin client of the running broker.

    Raises:
        LabError: the broker does not run or does not answer.
    """
    servers = kafka_server.bootstrap_servers()
    try:
        client = KafkaAdminClient(bootstrap_servers=servers, bootstrap_timeout_ms=10_000)
    except KafkaError as error:
        raise no_answer(servers, error) from None
    try:
        yield client
    finally:
        client.close()


def no_answer(servers: str, error: KafkaError) -> LabError:
    """What to say of a broker that did not answer."""
    return LabError(f"Kafka does not answer at {servers} ({type(error).__name__}).", kafka_server.repair())


def ensure_topics(partitions: int = PARTITIONS) -> None:
    """Create the topics of the contract that are missing."""
    with admin() as client:
        present = set(client.list_topics())
        missing = [topic for topic in TOPICS if topic not in present]
        replicas = BROKERS_OWN_DEFAULT if kafka_server.is_elsewhere() else kafka_server.replicas()
        configs = TOPIC_SETTINGS | ({"min.insync.replicas": str(replicas - 1)} if replicas > 1 else {})
        wanted = {
            topic: {"num_partitions": partitions, "replication_factor": replicas, "configs": configs}
            for topic in missing
        }
        if wanted:
            with suppress(TopicAlreadyExistsError):  # another `lab up` was quicker
                client.create_topics(wanted)
            client.wait_for_topics(missing)


def delete_topics() -> None:
    """Delete the topics of the contract, and no other.

    Raises:
        LabError: the broker does not run or does not answer, or keeps a topic.
    """
    with admin() as client:
        present = sorted(set(TOPICS) & set(client.list_topics()))
        if present:
            client.delete_topics(present)
        try:
            wait_until(lambda: not set(client.list_topics()) & set(present), DELETE_SECONDS, "the topics to be deleted")
        except WaitTimeout as late:
            raise LabError(
                f"Kafka keeps the lab's topics: {late}.", "See that delete.topic.enable is on there."
            ) from None


def topic_ids(topics: Iterable[str] = TOPICS) -> dict[str, str]:
    """The UUID of each topic (KIP-516): a topic that is deleted and created again gets another one.

    Raises:
        LabError: a topic is missing, or the broker ended meanwhile.
    """
    wanted = list(topics)
    with admin() as client:
        try:
            present = set(client.list_topics())
            missing = [topic for topic in wanted if topic not in present]
            if missing:
                raise LabError(f"Kafka has no topic {', '.join(missing)}.", "Create the lab's topics with: lab up")
            return {found["name"]: str(found["topic_id"]) for found in client.describe_topics(wanted)}
        except KafkaError as error:
            raise no_answer(kafka_server.bootstrap_servers(), error) from None


def make_producer(**options: Any) -> Any:
    """A keyed, idempotent producer that waits for all replicas.

    Idempotence is asked for by name: kafka-python drops it with only a log line when another setting, such as
    `acks=1`, does not go with it, and raises only when it was asked for.

    Raises:
        LabError: the broker does not run or does not answer.
    """
    servers = kafka_server.bootstrap_servers()
    settings = {
        "acks": "all",
        "enable_idempotence": True,
        "linger_ms": 5,
        "bootstrap_timeout_ms": 10_000,
        **options,
    }
    try:
        producer = KafkaProducer(bootstrap_servers=servers, **settings)
    except KafkaError as error:
        raise no_answer(servers, error) from None
    _ask_for_a_new_id_after_a_loss(producer)
    return producer


def _ask_for_a_new_id_after_a_loss(producer: Any) -> None:
    """Mend kafka-python (3.0.12), whose idempotent producer falls silent once it has given up a record.

    When a record that was on its way is not acknowledged in time, the producer forgets its id, for it cannot know
    the broker's count of its records any more. It should ask for another. But it does so in the state UNINITIALIZED
    alone and stays in READY: nothing is sent from then on, nothing times out, `flush()` never returns. The Java client
    goes back to UNINITIALIZED (apache/kafka#7920).
    """
    manager = producer._transaction_manager
    if manager is not None:
        reset = manager.reset_producer_id

        def reset_and_begin_anew() -> None:
            reset()
            manager._current_state = TransactionState.UNINITIALIZED

        manager.reset_producer_id = reset_and_begin_anew


def make_consumer(*topics: str, **options: Any) -> Any:
    """A consumer that starts at the earliest record and commits only when told to.

    Raises:
        LabError: the broker does not run or does not answer.
    """
    servers = kafka_server.bootstrap_servers()
    settings = {
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "bootstrap_timeout_ms": 10_000,
        **options,
    }
    try:
        consumer = KafkaConsumer(*topics, bootstrap_servers=servers, **settings)
    except KafkaError as error:
        raise no_answer(servers, error) from None
    _finish_what_it_began(consumer)
    _ask_again_for_the_unknown(consumer)
    return consumer


def _finish_what_it_began(consumer: Any) -> None:
    """Mend kafka-python (3.0.12), whose consumer may stay outside its group for good, without an error.

    A consumer that has joined before it knew the topic's partitions joins again when it does. If `poll` returns in the
    middle of that, as it must when its time is up, nothing reminds the next one of it: the assignment is dropped,
    and no heartbeat is sent. The Java client had the same fault (KAFKA-9815, apache/kafka#8420).
    """
    coordinator = consumer._coordinator
    needs = coordinator.need_rejoin
    coordinator.need_rejoin = lambda: needs() or coordinator._join_task is not None


def _ask_again_for_the_unknown(consumer: Any) -> None:
    """Mend kafka-python (3.0.12), which drops some of the partitions whose offsets it is asked for.

    Those whose leader it does not know it leaves out as soon as it knows that of another, and ends with a bare KeyError:
    so `end_offsets` of two topics fails when the consumer has met only one of them. The Java client asks again for them
    (`partitionsToRetry` in its OffsetFetcher).
    """
    fetcher, cluster = consumer._fetcher, consumer._fetcher._manager.cluster
    send = fetcher._send_list_offsets_requests

    async def send_and_keep_the_rest(times: dict[TopicPartition, int]) -> tuple[Any, set[TopicPartition]]:
        unknown = {place for place in times if cluster.leader_for_partition(place) in (None, -1)}
        offsets, again = await send(times)
        return offsets, again | unknown

    fetcher._send_list_offsets_requests = send_and_keep_the_rest


def end_offsets(topics: Iterable[str] = TOPICS) -> dict[tuple[str, int], int]:
    """The offset that the next record of each (topic, partition) will get."""
    consumer = make_consumer()
    try:
        partitions = [
            TopicPartition(topic, partition)
            for topic in topics
            for partition in consumer.partitions_for_topic(topic) or ()
        ]
        return {(found.topic, found.partition): offset for found, offset in consumer.end_offsets(partitions).items()}
    finally:
        consumer.close()
