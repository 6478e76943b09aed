def look_at(answer):
    free, lost = 0, []
    for worker in answer["workers"]:
        if worker["state"] == "ALIVE":
            free += worker["cores"] - worker["coresused"]
        else:
            lost.append(worker["id"])
    return [free, lost, [program["name"] for program in answer["activeapps"] if not program["cores"]]]
