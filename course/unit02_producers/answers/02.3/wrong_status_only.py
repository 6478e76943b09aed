# outcome: FAIL
# stage: what may pass
# message: to an answer of the rate limit (CryptoCompare)
def judge(answer):
    if answer.status_code == 200:
        return "ok"
    if answer.status_code in (401, 403):
        return "stop"
    return ("wait", float(answer.headers.get("Retry-After", 1)))
