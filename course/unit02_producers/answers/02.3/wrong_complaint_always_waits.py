# outcome: FAIL
# stage: what cannot pass
# message: to a refused key (CryptoCompare)
def judge(answer):
    wait = ("wait", float(answer.headers.get("Retry-After", 1)))
    if answer.status_code in {401, 403}:
        return "stop"
    if answer.status_code != 200:
        return wait
    try:
        body = answer.json()
    except ValueError:
        return wait
    if body.get("Response") == "Error":
        return wait
    return "ok"
