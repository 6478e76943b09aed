# outcome: FAIL
# stage: lies in the middle
# message: 0 above the bid
def mid_price(bid, ask):
    return bid
