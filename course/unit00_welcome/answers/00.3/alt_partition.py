def to_price(text):
    return Decimal(text.partition(" ")[0])
