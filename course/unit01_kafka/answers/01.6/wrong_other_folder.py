# outcome: FAIL
# stage: stays in its place
# message: not below the folder
def broker_properties(folder, port, controller_port):
    return "\n".join(
        [
            "process.roles=broker,controller",
            "node.id=1",
            f"controller.quorum.voters=1@127.0.0.1:{controller_port}",
            f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
            "controller.listener.names=CONTROLLER",
            "log.dirs=/tmp/kafka-logs",
            "offsets.topic.replication.factor=1",
        ]
    )
