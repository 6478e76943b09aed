# outcome: ERROR
# stage: has every digit
# message: ConversionSyntax
def to_price(text):
    return Decimal(text.removesuffix(" USD"))
