"""What the exercises of unit 00 check."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from lab_utils.teaching.compare import same_number
from lab_utils.teaching.trial import Trial, short
from lab_utils.teaching.units import exercise

TITLE = "Welcome"
MINUTES = 30


@exercise(
    "00.1",
    "Look it up",
    needs=["kafka"],
    hints=[
        "Run the cell above. What it shows has one entry for each partition.",
        "The partitions are counted from 0. If the last is 9, there are ten.",
    ],
)
def check_partitions(trial: Trial, partitions: object) -> None:
    trial.broker.require_topic("crypto_topic", "lab up")
    trial.stage("is a number")
    assert isinstance(partitions, int) and not isinstance(partitions, bool), (
        f"`partitions` is {short(partitions)}, which is no whole number."
    )
    trial.stage("is what Kafka says")
    assert partitions == trial.broker.partitions("crypto_topic"), (
        f"`partitions` is {partitions}; asked for crypto_topic, Kafka counts another number of partitions."
    )


@exercise(
    "00.2",
    "The price between",
    hints=[
        "Add both, and halve it.",
        "Python divides before it adds, unless there are parentheses.",
    ],
)
def check_mid_price(trial: Trial, mid_price: Callable[..., Any]) -> None:
    trial.is_callable(mid_price, "mid_price")
    for bid, ask in (("100", "102"), ("2411.38", "2411.39"), ("0.00000001", "0.00000004")):
        given = f'mid_price(Decimal("{bid}"), Decimal("{ask}"))'
        result = trial.call(mid_price, Decimal(bid), Decimal(ask), given=given)
        trial.stage("is a Decimal")
        assert isinstance(result, Decimal), f"{given} gave {short(result)}, of type {type(result).__name__}."
        trial.stage("lies in the middle")
        assert result - Decimal(bid) == Decimal(ask) - result, (
            f"{given} gave {result}: that is {_beside(result, bid, 'bid')}, and {_beside(result, ask, 'ask')}."
        )


def _beside(price: Decimal, mark: str, name: str) -> str:
    """Where a price lies, seen from another."""
    distance = price - Decimal(mark)
    if distance == 0:
        return f"the {name} itself"
    return f"{abs(distance)} {'above' if distance > 0 else 'below'} the {name}"


@exercise(
    "00.3",
    "Text to price",
    hints=[
        "`text.split()` cuts a text at its spaces and gives a list.",
        "The first of that list is the number. `Decimal(…)` makes it a price; `float` would lose digits.",
    ],
)
def check_to_price(trial: Trial, to_price: Callable[..., Any]) -> None:
    trial.is_callable(to_price, "to_price")
    for number, currency in (("73843.24", "USD"), ("0.000000000000000001", "BTC"), ("81.020", "CHF"), ("12", "EUR")):
        text = f"{number} {currency}"
        price = trial.call(to_price, text)
        trial.stage("is a Decimal")
        assert isinstance(price, Decimal), f'to_price("{text}") gave {short(price)}, of type {type(price).__name__}.'
        trial.stage("has every digit")
        assert price.as_tuple() == Decimal(number).as_tuple(), f'to_price("{text}") gave {price}.'


@exercise(
    "00.4",
    "How far it moved",
    after=["00.3"],
    hints=[
        "How much is the difference? And how much is that of the price *before*?",
        "    100 * … / before",
    ],
)
def check_percent_moved(trial: Trial, percent_moved: Callable[..., Any]) -> None:
    trial.is_callable(percent_moved, "percent_moved")
    for before, now, wanted in (("160", "200", "25"), ("200", "160", "-20"), ("0.5", "0.5", "0"), ("80", "83", "3.75")):
        given = f'percent_moved(Decimal("{before}"), Decimal("{now}"))'
        percent = trial.call(percent_moved, Decimal(before), Decimal(now), given=given)
        trial.stage("is a number")
        assert same_number(percent, percent) and percent is not None, (
            f"{given} gave {short(percent)}, which is no number."
        )
        trial.stage("direction")
        assert (percent > 0) == (Decimal(now) > Decimal(before)), f"{given} gave {percent}: is that up or down?"
        trial.stage("size")
        assert same_number(percent, Decimal(wanted), within=1e-9), f"{given} gave {percent}."


@exercise(
    "00.5",
    "Say hello to Kafka",
    needs=["kafka"],
    hints=[
        "Two lines: one that sends, one that waits.",
        'The text above names both methods; the value is `b"hello"`.',
    ],
)
def check_say_hello(trial: Trial, say_hello: Callable[..., Any]) -> None:
    trial.is_callable(say_hello, "say_hello")
    topic = trial.name("hello")
    trial.broker.create_topic(topic, 1)
    producer, sent = trial.broker.watched_producer(linger_ms=700)
    trial.stage("Kafka has it")
    trial.call(say_hello, producer, topic)
    waiting = [future for future in sent if not future.is_done]
    assert not waiting, "When your function returned, the record was still in the producer's buffer."
    records = trial.broker.records(topic)
    assert records, "When your function had returned, the topic was still empty."
    trial.stage("one record")
    assert len(records) == 1, f"The topic holds {len(records)} records."
    trial.stage("the value")
    assert records[0].value == b"hello", f"The value of your record is {short(records[0].value)}."
