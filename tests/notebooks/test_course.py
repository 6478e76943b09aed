"""The whole course is proved: `lab verify` on servers of its own, and what it must come to for each unit."""

import json
import subprocess
import sys

import pytest

from lab_utils.settings import ROOT
from lab_utils.teaching.proof import MIN_KILLED
from lab_utils.teaching.units import Unit, find_units
from tests.labs import clean_environment


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("unit", find_units(ROOT / "course"), ids=lambda unit: unit.name)
def test_the_unit_is_proved(unit: Unit) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab_utils.cli", "verify", unit.number, "--json"],
        env=clean_environment(PYTHONPATH=str(ROOT)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.stdout, "lab verify printed nothing; its standard error is above"
    (found,) = json.loads(done.stdout)
    print(json.dumps(found, indent=2))
    assert found["problems"] == []
    assert found["wrong_caught"] == found["wrong"] >= 3 * found["exercises"] > 0
    assert found["alternatives_accepted"] == found["alternatives"] >= found["exercises"]
    assert found["mutants_killed"] >= MIN_KILLED * found["mutants"] > 0
