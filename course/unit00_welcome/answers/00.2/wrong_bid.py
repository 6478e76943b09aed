# outcome: FAIL
# stage: lies in the middle
# message: the bid itself, and 2 below the ask
def mid_price(bid, ask):
    return bid
