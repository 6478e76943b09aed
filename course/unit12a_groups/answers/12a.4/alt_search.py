def topic_for(partitions, failures):
    for copies in range(1, 100):
        for minimum in range(1, copies + 1):
            if minimum > failures and copies - failures >= minimum:
                configs = dict([("min.insync.replicas", str(minimum))])
                return dict(num_partitions=partitions, replication_factor=copies, configs=configs)
