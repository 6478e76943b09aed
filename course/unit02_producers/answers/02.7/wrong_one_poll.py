# outcome: FAIL
# stage: runs until it is stopped
# message: returned before it was stopped
def run_producer(client, symbols, producer, topic, stopped):
    answer = client.get("/data/pricemultifull", params={"fsyms": ",".join(symbols), "tsyms": "USD"})
    for symbol, by_currency in json.loads(answer.content, parse_float=str)["RAW"].items():
        quote = by_currency["USD"]
        tick = {"symbol": symbol, "price": quote["PRICE"], "time": quote["LASTUPDATE"]}
        producer.send(topic, key=symbol.encode(), value=json.dumps(tick).encode())
    producer.flush()
