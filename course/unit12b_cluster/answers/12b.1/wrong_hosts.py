# outcome: FAIL
# stage: lost workers
# message: gave ['10.0.0.3'] as lost
def look_at(answer):
    free = sum(w["coresfree"] for w in answer["workers"] if w["state"] == "ALIVE")
    lost = [w["host"] for w in answer["workers"] if w["state"] != "ALIVE"]
    waiting = [p["name"] for p in answer["activeapps"] if p["cores"] == 0]
    return free, lost, waiting
