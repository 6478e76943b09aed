# outcome: ERROR
# stage: good answers
# message: KeyError
def judge(answer):
    wait = ("wait", float(answer.headers["Retry-After"]))
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
