# outcome: FAIL
# stage: lost workers
# message: gave 0 as lost
def look_at(answer):
    free = sum(w["coresfree"] for w in answer["workers"] if w["state"] == "ALIVE")
    lost = len(answer["workers"]) - answer["aliveworkers"]
    waiting = [p["name"] for p in answer["activeapps"] if p["cores"] == 0]
    return free, lost, waiting
