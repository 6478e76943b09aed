import math
from fractions import Fraction


def partitions_needed(rate, microseconds, busy, top):
    seconds = Fraction(rate * microseconds, 1_000_000)
    limit = Fraction(busy, 100)
    if seconds * top / 100 > limit:
        return None
    return max(1, math.ceil(seconds / limit))
