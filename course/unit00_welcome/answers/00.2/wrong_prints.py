# outcome: FAIL
# stage: is a Decimal
# message: gave None
def mid_price(bid, ask):
    print((bid + ask) / 2)
