# outcome: FAIL
# stage: waiting programs
# message: gave ['notebook', 'report', 'old'] as waiting
def look_at(answer):
    free = sum(w["coresfree"] for w in answer["workers"] if w["state"] == "ALIVE")
    lost = [w["id"] for w in answer["workers"] if w["state"] != "ALIVE"]
    waiting = [p["name"] for p in answer["activeapps"] + answer["completedapps"] if p["cores"] == 0]
    return free, lost, waiting
