def to_price(text):
    return Decimal(text.rstrip(" ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
