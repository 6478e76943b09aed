class MidPrice:
    def __call__(self, bid, ask):
        return sum([bid, ask]) / 2


mid_price = MidPrice()
