# outcome: FAIL
# stage: a record that cannot be handled
# message: what lies between is lost
def read_together(consumer, topic, handle, is_over):
    handled = {}

    class HandOver(AsyncConsumerRebalanceListener):
        async def on_partitions_assigned(self, assigned):
            handled.clear()

        async def on_partitions_revoked(self, revoked):
            await consumer.commit_async()

    consumer.subscribe([topic], listener=HandOver())
    try:
        while not is_over():
            for place, records in consumer.poll(timeout_ms=200).items():
                for record in records:
                    handle(record)
                    handled[place] = OffsetAndMetadata(record.offset + 1, "", -1)
    finally:
        consumer.close()
