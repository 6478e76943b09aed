"""The benchmarks and the torture run from the command line, small."""

import json

import pytest

from benchmarks import cluster, sink
from lab_utils import db_utils
from lab_utils.errors import LabError
from lab_utils.servers.profiles import Profile
from lab_utils.settings import environment
from tests.labs import Lab

SINK = ("bench", "sink", "--ticks", "2000", "--rounds", "1", "--json")


@pytest.mark.timeout(600)
def test_the_sink_benchmark_compares_all_its_variants_on_servers_of_its_own(fresh_lab: Lab) -> None:
    done = fresh_lab.run(*SINK, timeout=500)
    assert done.returncode == 0, done.stderr
    assert [row["key"] for row in json.loads(done.stdout)["results"]] == ["a", "b", "b'", "b''", "c", "d", "e", "f"]
    kept = {path.name for path in (fresh_lab.state_dir / "bench" / "results").iterdir()}
    assert kept == {"sink.json", "sink.svg"}
    assert not fresh_lab.processes()


def test_a_variant_that_is_not_there_is_a_sentence(idle_lab: Lab) -> None:
    done = idle_lab.run(*SINK, "--only", "z")
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no variant z." in done.stderr and "a, b, b', b'', c, d, e, f" in done.stderr


def test_a_table_is_grown_by_as_many_ticks_as_asked_for(running_lab: Lab) -> None:
    del running_lab
    sink.grow(1500)
    with db_utils.cursor() as cursor:
        cursor.execute("SELECT count(*), count(DISTINCT symbol), max(kafka_partition) FROM crypto_data")
        assert cursor.fetchone() == (1500, 8, 7)


@pytest.mark.timeout(600)
def test_the_cluster_benchmark_compares_both_labs_and_leaves_no_server(fresh_lab: Lab) -> None:
    small = ("--ticks", "400", "--rounds", "1", "--partitions", "1", "--partitions", "3")
    done = fresh_lab.run("bench", "cluster", *small, "--json", timeout=500)
    assert done.returncode == 0, done.stderr
    points = json.loads(done.stdout)["results"]
    assert [(point["profile"], point["partitions"]) for point in points] == [
        ("embedded", 1), ("cluster", 1), ("embedded", 3), ("cluster", 3),
    ]  # fmt: skip
    assert all(len(point["rows_per_second"]) == 1 and point["rows_per_second"][0] > 0 for point in points)
    assert not fresh_lab.processes()


def test_a_lab_of_a_benchmark_that_ended_is_named_with_its_reason(idle_lab: Lab) -> None:
    idle_lab.state_dir.mkdir(parents=True)
    (idle_lab.state_dir / "bench-cluster").write_text("a file where its folder should be")
    with (
        environment(**idle_lab.settings),
        pytest.raises(LabError, match=r"profile cluster ended: .*bench-cluster"),
        cluster._lab(Profile.cluster) as order,
    ):
        for _ in range(100):  # the first ones may find it still alive
            with pytest.raises(LabError):
                order(order="fill", ticks=1, partitions=1)
        order(order="fill", ticks=1, partitions=1)


@pytest.mark.timeout(600)
def test_a_torture_of_one_round_says_that_no_harm_was_done(fresh_lab: Lab) -> None:
    done = fresh_lab.run("torture", "--rounds", "1", "--seed", "7", timeout=500)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["1 faults, 0 did harm."]), done.stdout + done.stderr
