# outcome: FAIL
# stage: doors
# message: Clients will come to port
def broker_properties(folder, port, controller_port):
    return "\n".join(
        [
            "process.roles=broker,controller",
            "node.id=1",
            f"controller.quorum.voters=1@127.0.0.1:{controller_port}",
            f"listeners=PLAINTEXT://127.0.0.1:{controller_port},CONTROLLER://127.0.0.1:{port}",
            "controller.listener.names=CONTROLLER",
            f"log.dirs={folder}/data",
            "offsets.topic.replication.factor=1",
        ]
    )
