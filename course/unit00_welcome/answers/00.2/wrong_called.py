# outcome: FAIL
# stage: is a function
# message: not a function
def mid_price_of(bid, ask):
    return (bid + ask) / 2


mid_price = mid_price_of(Decimal(1), Decimal(2))
