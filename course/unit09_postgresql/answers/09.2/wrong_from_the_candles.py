# outcome: FAIL
# stage: which rows
# message: has 0 rows
def latest_prices(engine):
    return ask(engine, "SELECT * FROM latest_prices")
