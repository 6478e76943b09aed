import pytest

from lab_utils.teaching.mutants import mutants
from lab_utils.teaching.sql_mutants import changes


def descriptions(text: str) -> set[str]:
    return {change.description for change in changes(text)}


@pytest.mark.parametrize(
    ("query", "change"),
    [
        ("SELECT a FROM t WHERE a >= 1 AND a < 2", ">= → >"),
        ("SELECT a FROM t WHERE a >= 1 AND a < 2", "< → <="),
        ("SELECT a FROM t WHERE a = :a", "= → <>"),
        ("SELECT a FROM t ORDER BY a DESC", "DESC → removed"),
        ("SELECT a FROM t LEFT JOIN u ON true", "LEFT JOIN → JOIN"),
        ("SELECT a FROM t JOIN u ON true", "JOIN → LEFT JOIN"),
        ("SELECT lag(a) OVER (PARTITION BY b ORDER BY c) FROM t", "PARTITION BY b → removed"),
        ("SELECT lag(a) OVER (PARTITION BY b ORDER BY c) FROM t", "ORDER BY c → removed"),
        ("SELECT lag(a) OVER (PARTITION BY b ORDER BY c) FROM t", "lag → lead"),
        ("SELECT avg(a) OVER (ORDER BY c ROWS 4 PRECEDING) FROM t", "4 → 5"),
        ("SELECT avg(a) OVER (ORDER BY c ROWS 4 PRECEDING) FROM t", "ROWS → RANGE"),
        ("SELECT coalesce(sum(a), 0) FROM t", "coalesce(sum(a), 0) → sum(a)"),
        ("SELECT a / nullif(sum(b), 0) FROM t", "nullif(sum(b), 0) → sum(b)"),
        ("SELECT count(*) FILTER (WHERE a > 1) FROM t", "FILTER (WHERE a > 1) → removed"),
        ("SELECT a\nFROM t\nWHERE b = 1\n  AND c = 2", "AND c = 2 → removed"),
    ],
)
def test_a_query_has_the_mutants_of_its_parts(query: str, change: str) -> None:
    assert change in descriptions(query)


def test_one_place_is_changed_at_a_time() -> None:
    found = [change.text for change in changes("SELECT a FROM t WHERE a < 1 AND b < 2") if "<=" in change.text]
    assert found == ["SELECT a FROM t WHERE a <= 1 AND b < 2", "SELECT a FROM t WHERE a < 1 AND b <= 2"]


@pytest.mark.parametrize("text", ["BTC < ETH", "select the best", ""])
def test_other_texts_have_none(text: str) -> None:
    assert descriptions(text) == set()


def test_stars_casts_times_and_arrows_are_left_alone() -> None:
    found = descriptions("SELECT count(*), a::int, b->>'x', '2026-11-02 14:30' FROM t2")
    assert found == set()


def test_an_answer_that_holds_a_query_has_its_mutants_beside_those_of_its_python() -> None:
    answer = (
        'def f(engine):\n    """SELECT nothing < something."""\n    return read("SELECT a FROM t WHERE a < 1", engine)'
    )
    found = {mutant.description: mutant.code for mutant in mutants(answer, answer)}
    assert "a <= 1" in found["SQL: < → <="]
    assert all("SELECT nothing < something" in code for code in found.values())


def test_a_view_is_a_query_with_a_name() -> None:
    made = "CREATE OR REPLACE VIEW v AS SELECT a FROM t WHERE a > 1"
    assert descriptions(made) == descriptions("SELECT a FROM t WHERE a > 1"), "and its own words stay"
