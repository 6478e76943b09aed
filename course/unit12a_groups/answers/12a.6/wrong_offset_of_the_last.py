# outcome: FAIL
# stage: another member comes
# message: records were handled again
def read_together(consumer, topic, handle, is_over):
    handled = {}

    class HandOver(AsyncConsumerRebalanceListener):
        async def on_partitions_assigned(self, assigned):
            handled.clear()

        async def on_partitions_revoked(self, revoked):
            await consumer.commit_async(dict(handled))

    consumer.subscribe([topic], listener=HandOver())
    try:
        while not is_over():
            for place, records in consumer.poll(timeout_ms=200).items():
                for record in records:
                    handle(record)
                    handled[place] = OffsetAndMetadata(record.offset, "", -1)
    finally:
        consumer.close()
