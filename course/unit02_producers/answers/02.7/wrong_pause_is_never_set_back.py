# outcome: FAIL
# stage: begins with short pauses
# message: the first pauses are too long
def run_producer(client, symbols, producer, topic, stopped):
    params = {"fsyms": ",".join(symbols), "tsyms": "USD"}
    seen = {}
    pause = 0.1
    while not stopped.is_set():
        try:
            answer = client.get("/data/pricemultifull", params=params)
            quotes = json.loads(answer.content, parse_float=str)["RAW"]
        except (httpx.HTTPError, ValueError, KeyError):
            stopped.wait(pause)
            pause = min(3, 2 * pause)
            continue
        for symbol in quotes:
            quote = quotes[symbol]["USD"]
            if quote["LASTUPDATE"] > seen.get(symbol, 0):
                seen[symbol] = quote["LASTUPDATE"]
                tick = {"symbol": symbol, "price": str(quote["PRICE"]), "time": quote["LASTUPDATE"]}
                producer.send(topic, key=symbol.encode(), value=json.dumps(tick).encode())
        stopped.wait(pause)
    producer.flush()
