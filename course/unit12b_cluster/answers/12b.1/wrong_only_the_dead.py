# outcome: FAIL
# stage: lost workers
# message: UNKNOWN
def look_at(answer):
    free = sum(w["coresfree"] for w in answer["workers"] if w["state"] == "ALIVE")
    lost = [w["id"] for w in answer["workers"] if w["state"] == "DEAD"]
    waiting = [p["name"] for p in answer["activeapps"] if p["cores"] == 0]
    return free, lost, waiting
