# outcome: FAIL
# stage: lies in the middle
# message: below the bid
def mid_price(bid, ask):
    return (bid + ask) // 2
