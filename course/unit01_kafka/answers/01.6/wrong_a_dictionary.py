# outcome: FAIL
# stage: returns text
# message: which is no text
def broker_properties(folder, port, controller_port):
    return {"node.id": 1, "log.dirs": str(folder)}
