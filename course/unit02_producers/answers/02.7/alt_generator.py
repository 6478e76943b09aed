import time


def good_answers(client, params, stopped):
    failures = 0
    while True:
        try:
            answer = client.get("/data/pricemultifull", params=params, timeout=5)
            answer.raise_for_status()
            body = answer.json(parse_float=Decimal, parse_int=Decimal)
            good = isinstance(body, dict) and "RAW" in body
        except (httpx.HTTPError, ValueError):
            good = False
        failures = 0 if good else failures + 1
        if good:
            yield body["RAW"]
        time.sleep(0.1 if good else min(1.0, 0.05 * 2**failures))
        if stopped.is_set():
            return


def run_producer(client, symbols, producer, topic, stopped):
    last = dict.fromkeys(symbols, 0)
    waiting = []
    for quotes in good_answers(client, {"fsyms": ",".join(symbols), "tsyms": "USD"}, stopped):
        for symbol, found in quotes.items():
            at = int(found["USD"]["LASTUPDATE"])
            if at > last[symbol]:
                last[symbol] = at
                value = {"time": at, "symbol": symbol, "price": format(found["USD"]["PRICE"], "f")}
                waiting.append(producer.send(topic, json.dumps(value).encode(), symbol.encode()))
    for future in waiting:
        future.get(timeout=20)
