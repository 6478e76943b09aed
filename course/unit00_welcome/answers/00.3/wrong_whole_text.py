# outcome: ERROR
# stage: is a function
# message: ConversionSyntax
def to_price(text):
    return Decimal(text)
