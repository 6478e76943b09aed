# outcome: ERROR
# stage: what may pass
# message: JSONDecodeError
def judge(answer):
    if answer.status_code in (401, 403):
        return "stop"
    if answer.status_code != 200:
        return ("wait", float(answer.headers.get("Retry-After", 1)))
    body = answer.json()
    if body.get("Response") == "Error":
        return ("wait", 1) if body.get("Type") == 99 else "stop"
    return "ok"
