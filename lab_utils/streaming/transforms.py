"""From Kafka records to ticks, dead letters and candles: pure functions DataFrame → DataFrame.

The lessons, the tests and the pipeline call the same ones. Spark 4 runs in ANSI mode, where one bad `cast` ends the
query, and again at every restart: hence `try_cast`.

Most records are *plain ticks*: as the lab's own producer writes them, fields in order, nothing escaped. One regular
expression recognises these and takes them apart (`plain_ticks`). `parse_ticks` judges whatever a topic may hold, at
many times the cost. `valid_ticks` gives each record to the cheaper one that can judge it.
"""

from collections.abc import Callable
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from lab_utils.ticks import (
    ASSETS,
    DECIMAL_PLACES,
    INTEGER_DIGITS,
    MAX_AHEAD,
    MAX_DEPTH,
    PLAIN_NUMBER,
    SCIENTIFIC_NUMBER,
    Asset,
    Rule,
    Tick,
)

RULES: dict[str, Rule] = {name: rule for asset in ASSETS for name, rule in asset.tick.rules().items()}
"""The rule of every field of any kind of tick; a name means the same in all of them."""

CANDLE_WIDTH = "1 minute"

_DAY = (
    r"(?:19[7-9][0-9]|20[0-9]{2})-"
    r"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_LEAP_DAY = r"(?:19(?:[79][26]|8[048])|20(?:[02468][048]|[13579][26]))-02-29"
PLAIN_TIME = rf"(?:{_DAY}|{_LEAP_DAY})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{{3}}Z"
"""As `ticks.utc_text` writes it. Such texts sort like the times, and none is a day that does not exist: a cast that
finds out would cost as much as all other fields together."""
JSON_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"


JSON_OPTIONS = {
    "allowSingleQuotes": "false",
    "allowNonNumericNumbers": "false",
    "maxNumLen": str(2**31 - 1),
    "maxNestingDepth": str(MAX_DEPTH + 1),  # the text lies in an object, or in an array, of our own
}
"""For `from_json`: strict, as Python's json is."""


def text_schema() -> StructType:
    """The tick models as a Spark schema in which each field is still the text that was sent."""
    return StructType([StructField(name, StringType()) for name in RULES])


def parse_ticks(records: DataFrame) -> DataFrame:
    """Kafka records as ticks.

    Args:
        records: what `format("kafka")` gives, with headers.

    Returns:
        `topic`, `kafka_partition`, `kafka_offset`, `raw` (the value's bytes), `texts` (a struct with the text of
        each field), one typed column a field, and `reason`: NULL for a tick, else why the record is none.
    """
    return (
        records.select(
            "topic",
            F.col("partition").alias("kafka_partition"),
            F.col("offset").alias("kafka_offset"),
            F.col("value").alias("raw"),
            _judged(_record()).alias("judged"),
        )
        .select("*", "judged.*")
        .drop("judged")
    )


def plain_ticks(records: DataFrame) -> DataFrame:
    """Kafka records with one more column, `csv`: NULL for a record that is no plain tick.

    It has the texts of the fields as they were sent, digits and all, in the order of `Asset.line_fields`; a plain
    tick has no comma or quote in them. What is plain is a sound tick; what is not may be one as well.
    """
    text = F.col("value").cast("string")
    replaced = F.lit(None).cast("string")
    for asset in ASSETS:
        numbers = {name: number for number, name in enumerate(asset.tick.model_fields, 1)}
        fields = ",".join(f"${numbers[name]}" for name in asset.line_fields)
        csv = F.regexp_replace(text, plain_pattern(asset), fields)
        replaced = F.when(F.col("topic") == asset.topic, csv).otherwise(replaced)
    # What does not match stays as it is: an object still begins with its brace.
    csv = F.when(text.startswith("{") & ~F.col("replaced").startswith("{"), F.col("replaced"))
    # By whole days, which are read in no time. Dates go by the session's time zone: hence two days less.
    latest_day = F.date_add(F.to_date("timestamp"), MAX_AHEAD.days - 2)
    is_sound = F.substring("csv", 1, len("2026-11-24")).try_cast("date") <= latest_day
    return (
        records.withColumn("replaced", replaced)
        .withColumn("csv", csv)
        .withColumn("csv", F.when(is_sound, F.col("csv")))
        .drop("replaced")
    )


def valid_ticks(records: DataFrame) -> DataFrame:
    """The ticks among Kafka records, with the columns that candles are made of.

    The same rows and values as `parse_ticks` and `split_valid` give. One pass, not a union of two: a stream that is
    used twice is read twice.
    """
    rules = Tick.rules()
    is_plain = F.col("csv").isNotNull()
    parts = (
        plain_ticks(records)
        .withColumn("texts", F.split("csv", ","))
        .withColumn("judged", F.when(~is_plain, _judged(_record())))
    )
    values = {
        name: F.when(is_plain, F.nullif(F.col("texts")[place], F.lit("")).cast(rules[name].sql_type)).otherwise(
            F.col("judged")[name]
        )
        for place, name in enumerate(ASSETS[0].line_fields)
        if name in {"symbol", "currency", "price", "size", "event_time"}
    }
    return parts.where(is_plain | F.col("judged.reason").isNull()).select(
        "topic",
        F.col("partition").alias("kafka_partition"),
        F.col("offset").alias("kafka_offset"),
        *(value.alias(name) for name, value in values.items()),
    )


def plain_pattern(asset: Asset) -> str:
    """Java pattern for a tick as the lab's producer writes it, with a group for each field.

    It may refuse what is sound, such as a number in quotes, and accepts nothing that is not, but for an event time
    that lies far ahead.
    """
    fields = (
        f'"{name}": ?{_plain_value(rule, is_required=name in asset.tick.required())}'
        for name, rule in asset.tick.rules().items()
    )
    return f"^\\{{{', ?'.join(fields)}\\}}\\z"


def _plain_value(rule: Rule, *, is_required: bool) -> str:
    if rule.sql_type == "smallint":
        value = f"({rule.pattern})"
    elif rule.sql_type == "timestamp":
        value = f'"({PLAIN_TIME})"'
    elif not rule.sql_type.startswith("decimal"):
        value = f'"({rule.pattern})"'
    elif rule.minimum is None:
        value = f"({PLAIN_NUMBER})"
    else:
        not_zero = "(?=[0-9.]*[1-9])" if rule.above_minimum else ""
        value = f"({not_zero}{PLAIN_NUMBER.removeprefix('-?')})"
    return value if is_required else f"(?:{value}|null)"


def split_valid(parsed: DataFrame) -> tuple[DataFrame, DataFrame]:
    """The ticks, and the records that are none."""
    return parsed.where(F.col("reason").isNull()), parsed.where(F.col("reason").isNotNull())


def one_minute_candles(ticks: DataFrame) -> DataFrame:
    """Open, high, low, close, volume and number of ticks of each symbol and minute (UTC).

    Open and close are the prices of the first and the last tick by event time, then by place in Kafka: `first()`
    and `last()` would depend on the order in which a shuffle happens to deliver. `last_event` is the newest event
    time in the candle.
    """
    place = F.struct("event_time", "kafka_partition", "kafka_offset")
    asset_class = reduce(
        lambda otherwise, asset: F.when(F.col("topic") == asset.topic, asset.name).otherwise(otherwise),
        ASSETS,
        F.lit(None).cast("string"),
    )
    return (
        ticks.groupBy(
            asset_class.alias("asset_class"),
            "symbol",
            "currency",
            F.window("event_time", CANDLE_WIDTH).alias("window"),
        )
        .agg(
            F.min_by("price", place).alias("open"),
            F.max("price").alias("high"),
            F.min("price").alias("low"),
            F.max_by("price", place).alias("close"),
            F.coalesce(F.try_sum("size"), F.lit(0)).alias("volume"),
            F.count("*").alias("tick_count"),
            F.max("event_time").alias("last_event"),
        )
        .select(
            "asset_class",
            "symbol",
            "currency",
            F.col("window.start").alias("window_start"),
            *("open", "high", "low", "close", "volume", "tick_count", "last_event"),
        )
    )


def _record() -> Column:
    """What a record is judged by."""
    return F.struct("topic", "timestamp", "value", "headers")


def _judged(record: Column) -> Column:
    """A record as a struct: `texts`, a typed field for each of `RULES`, and `reason`.

    One expression, which Spark leaves alone where a `when` does not ask for it: as columns of their own, the some
    thirty conditions would be computed, planned and compiled for plain ticks as well.
    """
    text = record["value"].cast("string")
    envelope = StructType([StructField("tick", text_schema()), StructField("end", StringType())])

    def judge(json: Column) -> Column:
        texts = json["tick"]
        typed = F.struct(*(_typed(texts[name], rule).alias(name) for name, rule in RULES.items()))
        return _let(
            typed,
            lambda values: F.struct(
                texts.alias("texts"),
                *(values[name].alias(name) for name in RULES),
                _reason(record, json, values).alias("reason"),
            ),
        )

    return _let(F.from_json(_in_envelope(text), envelope, JSON_OPTIONS), judge)


def _let(value: Column, body: Callable[[Column], Column]) -> Column:
    """`body(value)`, with `value` computed once however often `body` uses it."""
    return F.transform(F.array(value), body)[0]


def _dead_letter_reason(record: Column) -> Column:
    """The reason that a producer wrote into the headers of its dead letter."""
    topics = [asset.dead_letter_topic for asset in ASSETS]
    reasons = F.filter(record["headers"], lambda header: header["key"] == "reason")
    # Not decode(): it ends the query when the bytes are no UTF-8.
    sent = F.make_valid_utf8(F.try_element_at(reasons, F.lit(1))["value"].cast("string"))
    return F.when(record["topic"].isin(topics), F.coalesce(sent, F.lit("dead letter without a reason")))


def _in_envelope(text: Column) -> Column:
    """The JSON text inside an object of our own, with the numbers of tick fields in quotes.

    The envelope, because `from_json` stops reading at the end of the first object and takes `{…} rubbish` for
    sound: here rubbish breaks the envelope. The quotes, because `from_json` reads a number through a double when
    asked for a string, and rounds it without a word when asked for a decimal: either way digits are lost.
    """
    plain, spelt = ("|".join(names) for names in (RULES, map(_spelling, RULES)))
    quoted = F.when(text.contains("\\u"), _quote_numbers(text, spelt)).otherwise(_quote_numbers(text, plain))
    return F.concat(F.lit('{"tick":'), quoted, F.lit(',"end":1}'))


def _quote_numbers(text: Column, names: str) -> Column:
    return F.regexp_replace(text, f'("(?:{names})"\\s*:\\s*)({JSON_NUMBER})', '$1"$2"')


def _spelling(name: str) -> str:
    """Pattern for `name` as JSON may spell it: each character as it is or as its \\u escape."""
    return "".join(rf"(?:{letter}|\\u00(?i:{ord(letter):02x}))" for letter in name)


def _is_one_value(text: Column) -> Column:
    """Whether nothing stands behind the first JSON value.

    The object around it lets `{…},"more":1` pass; an array in its place does not. Reading a text twice is dear, so
    one with a single pair of braces, as ticks have, is judged by these.
    """
    values = F.from_json(F.concat(F.lit("["), text, F.lit("]")), "array<string>", JSON_OPTIONS)
    flat = text.rlike(r"^\s*\{[^{}]*\}\s*\z")
    return F.when(flat, F.lit(True)).otherwise(F.coalesce(F.size(values) == 1, F.lit(False)))


def _matches(text: Column, pattern: str) -> Column:
    # \z and not $: in Java $ also matches before a newline at the end.
    return text.rlike(f"^(?:{pattern})\\z")


def _typed(text: Column, rule: Rule) -> Column:
    """The value of a field, or NULL where its text breaks the rule."""
    if rule.sql_type == "string":
        return F.when(_matches(text, rule.pattern), text)
    value = text.try_cast(rule.sql_type)
    if not rule.sql_type.startswith("decimal"):
        return F.when(_matches(text, rule.pattern), value)
    fraction = F.length(F.regexp_extract(text, r"\.([0-9]+)", 1))
    # NULL and not an empty text where there is none: try_cast raises and catches an exception for each text that is
    # no number, which for a handful of fields costs more than all the rest of the parsing.
    exponent = F.nullif(F.regexp_extract(text, r"[eE]([+-]?[0-9]+)", 1), F.lit("")).try_cast("int")
    exact = _matches(text, PLAIN_NUMBER) | (
        _matches(text, SCIENTIFIC_NUMBER) & (fraction - exponent).between(1 - INTEGER_DIGITS, DECIMAL_PLACES)
    )
    if rule.minimum is not None:
        exact &= value > rule.minimum if rule.above_minimum else value >= rule.minimum
    return F.when(exact, value)


def _reason(record: Column, json: Column, values: Column) -> Column:
    text = record["value"].cast("string")
    empty = record["value"].isNull() | text.rlike(r"^\s*\z")
    is_object = json["tick"].isNotNull() & json["end"].isNotNull() & _is_one_value(text)
    sent_reason = _dead_letter_reason(record)
    return (
        F.when(sent_reason.isNotNull(), sent_reason)
        .when(empty, "empty value")
        .when(~F.is_valid_utf8(text), "not UTF-8")
        .when(~is_object, "not a JSON object")
        .otherwise(F.coalesce(_field_reason(record, json["tick"], values), _ahead_reason(record, values)))
    )


def _field_reason(record: Column, texts: Column, values: Column) -> Column:
    """The first field that is missing or breaks its rule, in the order of the topic's model."""
    return F.coalesce(*(_reason_of(name, rule, record, texts, values) for name, rule in RULES.items()))


def _reason_of(name: str, rule: Rule, record: Column, texts: Column, values: Column) -> Column:
    text = texts[name]
    bad = text.isNotNull() & values[name].isNull()
    users = [asset for asset in ASSETS if name in asset.tick.model_fields]
    if len(users) < len(ASSETS):  # to the other topics it is an unknown extra field
        bad &= record["topic"].isin([asset.topic for asset in users])
    reason = F.when(bad, f"{name}: {rule.says}")
    if any(name in asset.tick.required() for asset in users):
        return F.when(text.isNull(), f"{name}: missing").otherwise(reason)
    return reason


def _ahead_reason(record: Column, values: Column) -> Column:
    latest = record["timestamp"] + F.expr(f"INTERVAL {MAX_AHEAD.days} DAYS")
    says = f"event_time: more than {MAX_AHEAD.days} days ahead of the broker's clock"
    return F.when(values["event_time"] > latest, says)
