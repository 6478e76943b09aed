"""Exactly once under fire: each fault twice while ticks flow, and after each what is stored is what was sent.

`lab torture --rounds N --seed S` does the same for as long as one likes.
"""

import random
from collections.abc import Iterator

import pytest
from _pytest.mark.structures import ParameterSet

from lab_utils.torture.campaign import Campaign
from lab_utils.torture.faults import FAULTS, Fault, moment
from tests.labs import Lab

SEED = 20261124

pytestmark = pytest.mark.timeout(900)  # for a machine that is busy with other things


@pytest.fixture(scope="module")
def campaign(session_lab: Lab) -> Iterator[Campaign]:
    under_fire = Campaign(SEED)
    yield under_fire
    under_fire.stop()


def plan() -> list[ParameterSet]:
    """Each fault twice, in a seeded order: the same faults meet another state of the pipeline each time."""
    faults = [*FAULTS, *FAULTS]
    random.Random(SEED).shuffle(faults)
    names: dict[Fault, int] = {}
    cases = []
    for fault in faults:
        names[fault] = names.get(fault, 0) + 1
        cases.append(pytest.param(fault, id=f"{fault.__name__}-{names[fault]}"))
    return cases


@pytest.mark.parametrize("fault", plan())
def test_each_record_is_stored_once_as_it_was_sent_after(campaign: Campaign, fault: Fault) -> None:
    campaign.flow()
    moment(campaign)
    fault(campaign)
    result = campaign.settle()
    assert result.is_clean, result
