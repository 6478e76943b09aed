# outcome: FAIL
# stage: has every digit
# message: gave 0.00
def to_price(text):
    return round(Decimal(text.split()[0]), 2)
