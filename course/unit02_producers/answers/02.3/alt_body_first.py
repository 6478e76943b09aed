def judge(answer):
    try:
        body = json.loads(answer.text)
    except ValueError:
        body = None
    complains = isinstance(body, dict) and body.get("Response") == "Error"
    if answer.status_code in (401, 403) or (complains and answer.is_success and body.get("Type") != 99):
        return "stop"
    if body is None or complains or not answer.is_success:
        return ("wait", float(answer.headers.get("Retry-After") or 1))
    return "ok"
