# outcome: ERROR
# stage: runs until it is stopped
# message: Your code raised
def run_producer(client, symbols, producer, topic, stopped):
    params = {"fsyms": ",".join(symbols), "tsyms": "USD"}
    seen = {}
    while not stopped.is_set():
        quotes = client.get("/data/pricemultifull", params=params).json(parse_float=str)["RAW"]
        for symbol, by_currency in quotes.items():
            quote = by_currency["USD"]
            if quote["LASTUPDATE"] > seen.get(symbol, 0):
                seen[symbol] = quote["LASTUPDATE"]
                tick = {"symbol": symbol, "price": quote["PRICE"], "time": quote["LASTUPDATE"]}
                producer.send(topic, key=symbol.encode(), value=json.dumps(tick).encode())
        stopped.wait(0.1)
    producer.flush()
