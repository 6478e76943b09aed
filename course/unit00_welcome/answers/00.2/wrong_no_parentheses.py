# outcome: FAIL
# stage: lies in the middle
# message: that is 51 above the bid
def mid_price(bid, ask):
    return bid + ask / 2
