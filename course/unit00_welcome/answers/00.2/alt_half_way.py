def mid_price(bid, ask):
    return bid + (ask - bid) * Decimal("0.5")
