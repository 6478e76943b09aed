# outcome: FAIL
# stage: is a Decimal
# message: of type float
def mid_price(bid, ask):
    return (float(bid) + float(ask)) / 2
