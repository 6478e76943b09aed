# outcome: FAIL
# stage: in real-time mode
# message: allowlist
from decimal import Decimal


def alerts(records, percent):
    @F.udf("boolean")
    def moved(value):
        try:
            tick = json.loads(bytes(value), parse_float=Decimal, parse_int=Decimal)
            price, before = tick["price"], tick["before"]
            return before > 0 and abs(price - before) * 100 >= before * percent
        except (ValueError, KeyError, TypeError):
            return False

    return records.where(moved("value")).select("key", "value")
