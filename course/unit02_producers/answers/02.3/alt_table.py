def judge(answer):
    seconds = int(answer.headers["retry-after"]) if "retry-after" in answer.headers else 1
    match answer.status_code:
        case 401 | 403:
            return "stop"
        case 200:
            pass
        case _:
            return "wait", seconds
    try:
        found = json.loads(answer.content)
    except json.JSONDecodeError:
        return "wait", seconds
    if isinstance(found, dict) and "Response" in found:
        return ["wait", seconds] if found["Type"] == 99 else "stop"
    return "ok"
