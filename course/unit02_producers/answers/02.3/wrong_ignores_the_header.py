# outcome: FAIL
# stage: how long to wait
# message: Retry-After: 7
def judge(answer):
    wait = ("wait", 1)
    if answer.status_code in {401, 403}:
        return "stop"
    if answer.status_code != 200:
        return wait
    try:
        body = answer.json()
    except ValueError:
        return wait
    if body.get("Response") == "Error":
        return wait if body.get("Type") == 99 else "stop"
    return "ok"
