# outcome: FAIL
# stage: free slots
# message: gave 7 free slots
def look_at(answer):
    free = sum(w["coresfree"] for w in answer["workers"])
    lost = [w["id"] for w in answer["workers"] if w["state"] != "ALIVE"]
    waiting = [p["name"] for p in answer["activeapps"] if p["cores"] == 0]
    return free, lost, waiting
