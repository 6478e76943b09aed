from decimal import ROUND_CEILING, Decimal, localcontext


def partitions_needed(rate, microseconds, busy, top):
    with localcontext() as context:
        context.prec = 100
        work = Decimal(rate) * microseconds / 10_000
        if work * top > Decimal(busy) * 100:
            return None
        return max(1, int((work / busy).to_integral_value(ROUND_CEILING)))
