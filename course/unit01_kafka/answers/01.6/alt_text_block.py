def broker_properties(folder, port, controller_port):
    return f"""
# clients and controllers on one machine
node.id = 7
process.roles = controller,broker
listeners = CONTROLLER://localhost:{controller_port},PLAINTEXT://localhost:{port}
advertised.listeners = PLAINTEXT://localhost:{port}
controller.listener.names = CONTROLLER
controller.quorum.voters = 7@localhost:{controller_port}
log.dirs = {folder.as_posix()}
offsets.topic.replication.factor = 1
"""
