# outcome: FAIL
# stage: is a Decimal
# message: of type float
def to_price(text):
    return float(text.split()[0])
