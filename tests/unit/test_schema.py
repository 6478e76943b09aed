"""What Spark, the CSV lines and the tables take from the tick models."""

import re
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.streaming.postgres_sink import tick_columns
from lab_utils.streaming.transforms import RULES, text_schema
from lab_utils.ticks import (
    AMOUNT,
    ASSETS,
    CHANGE,
    NAME,
    PRICE,
    UTC_TIME,
    VERSION,
    Amount,
    Asset,
    Rule,
    Tick,
)

each_asset = pytest.mark.parametrize("asset", ASSETS, ids=lambda asset: asset.name)
each_rule = pytest.mark.parametrize(
    "rule", [NAME, PRICE, AMOUNT, CHANGE, UTC_TIME, VERSION], ids=lambda rule: rule.sql_type
)
SPECIAL_IN_CSV = ',"\n\r\\'


def test_the_rules_named_here_are_those_of_the_models() -> None:
    assert set(RULES.values()) == {NAME, PRICE, AMOUNT, CHANGE, UTC_TIME, VERSION}


@each_rule
@given(data=st.data())
def test_no_text_of_a_field_needs_quotes_in_csv(rule: Rule, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(re.compile(rule.pattern, re.ASCII), fullmatch=True))
    assert not set(text) & set(SPECIAL_IN_CSV)


@each_rule
@given(data=st.data())
def test_a_character_that_csv_reserves_makes_a_text_break_its_rule(rule: Rule, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(re.compile(rule.pattern, re.ASCII), fullmatch=True))
    position = data.draw(st.integers(0, len(text)))
    spoilt = text[:position] + data.draw(st.sampled_from(SPECIAL_IN_CSV)) + text[position:]
    with pytest.raises(ValueError, match=re.escape(rule.says)):
        rule.text_of(spoilt)


@each_rule
def test_no_field_of_a_tick_is_the_empty_text(rule: Rule) -> None:
    """COPY reads an empty field as NULL."""
    assert not re.fullmatch(rule.pattern, "")


def test_spark_reads_every_field_of_every_model_once() -> None:
    assert sorted(text_schema().fieldNames()) == sorted({name for asset in ASSETS for name in asset.tick.model_fields})


def test_a_name_has_one_rule_whichever_tick_it_is_a_field_of() -> None:
    assert all(RULES[name] == rule for asset in ASSETS for name, rule in asset.tick.rules().items())


@each_asset
def test_the_csv_lines_have_every_field_of_the_model_and_sort_by_event_time(asset: Asset) -> None:
    columns = tick_columns(asset)
    assert sorted(columns) == sorted((*asset.tick.model_fields, "kafka_partition", "kafka_offset"))
    assert columns[0] == "event_time"


def test_a_field_added_to_a_model_is_judged_and_stored() -> None:
    class WithBid(Tick):
        bid: Annotated[Amount | None, AMOUNT] = None

    asset = Asset("test", WithBid, "topic", "table")
    assert (WithBid.rules()["bid"], tick_columns(asset)[-3]) == (AMOUNT, "bid")
