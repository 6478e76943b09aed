# outcome: FAIL
# stage: waiting programs
# message: gave ['stream', 'notebook'] as waiting
def look_at(answer):
    free = sum(w["coresfree"] for w in answer["workers"] if w["state"] == "ALIVE")
    lost = [w["id"] for w in answer["workers"] if w["state"] != "ALIVE"]
    waiting = [p["name"] for p in answer["activeapps"]]
    return free, lost, waiting
