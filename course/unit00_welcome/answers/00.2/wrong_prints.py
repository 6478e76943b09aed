# outcome: FAIL
# stage: is a number
# message: gave None
def mid_price(bid, ask):
    print((bid + ask) / 2)
