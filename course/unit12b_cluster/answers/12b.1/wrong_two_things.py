# outcome: FAIL
# stage: three things
# message: not three things
def look_at(answer):
    free = sum(w["coresfree"] for w in answer["workers"] if w["state"] == "ALIVE")
    lost = [w["id"] for w in answer["workers"] if w["state"] != "ALIVE"]
    waiting = [p["name"] for p in answer["activeapps"] if p["cores"] == 0]
    return free, lost
