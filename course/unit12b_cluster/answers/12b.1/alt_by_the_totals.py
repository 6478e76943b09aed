def look_at(answer):
    lost = [worker["id"] for worker in answer["workers"] if worker["state"] != "ALIVE"]
    waiting = [program["name"] for program in answer["activeapps"] if program["state"] == "WAITING"]
    return answer["cores"] - answer["coresused"], lost, waiting
