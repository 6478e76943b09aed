"""The benchmarks and the torture run from the command line, small."""

import json

import pytest

from tests.labs import Lab

SINK = ("bench", "sink", "--ticks", "2000", "--rounds", "1", "--json")


@pytest.mark.timeout(600)
def test_the_sink_benchmark_compares_all_its_variants_on_servers_of_its_own(fresh_lab: Lab) -> None:
    done = fresh_lab.run(*SINK, timeout=500)
    assert done.returncode == 0, done.stderr
    assert [row["key"] for row in json.loads(done.stdout)["results"]] == ["a", "b", "b'", "c", "d", "e", "f"]
    kept = {path.name for path in (fresh_lab.state_dir / "bench" / "results").iterdir()}
    assert kept == {"sink.json", "sink.svg"}
    assert not fresh_lab.processes()


@pytest.mark.timeout(600)
def test_a_torture_of_one_round_says_that_no_harm_was_done(fresh_lab: Lab) -> None:
    done = fresh_lab.run("torture", "--rounds", "1", "--seed", "7", timeout=500)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["1 faults, 0 did harm."]), done.stdout + done.stderr
