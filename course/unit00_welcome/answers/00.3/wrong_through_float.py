# outcome: FAIL
# stage: has every digit
# message: gave
def to_price(text):
    return Decimal(float(text.split()[0]))
