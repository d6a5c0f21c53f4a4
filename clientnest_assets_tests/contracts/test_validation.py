"""Parting good rows from bad: every row ends in exactly one part, and the bad ones say why."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientnest_assets.contracts import CONTRACTS, ContractError
from clientnest_assets.contracts.validation import REASONS, RULES, reason, schema_with, validate

MOMENT = datetime(2025, 1, 6, tzinfo=UTC)
POSTS, SESSIONS, METRICS = (CONTRACTS[name] for name in ("social_posts", "user_sessions", "account_metrics"))


def posts(*changes):
    row = {
        **dict.fromkeys(POSTS.source_schema),
        "id": 1,
        "user_id": 1,
        "account_id": 1,
        "platform": "twitter",
        "hashtags": ["a"],
        "status": "draft",
        "ai_generated": False,
        "created_at": MOMENT,
        "updated_at": MOMENT,
    }
    return pl.DataFrame([{**row, **change} for change in changes], schema=POSTS.source_schema)


def sessions(*rows):
    whole = [(number, user, MOMENT, duration, None, None) for number, user, duration in rows]
    return pl.DataFrame(whole, schema=SESSIONS.source_schema, orient="row")


def why(checked):
    return checked.invalid.sort("id").select(reason(pl.col(RULES))).to_series().to_list()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"user_id": None}, "user_id is missing"),
        ({"updated_at": None}, "updated_at is missing"),
        ({"platform": "myspace"}, "platform is not one of the allowed values"),
        ({"user_id": 0}, "user_id is below its minimum"),
        ({"hashtags": ["a", None]}, "hashtags has an empty element"),
        (
            {"user_id": None, "status": "archived"},
            "user_id is missing; status is not one of the allowed values",
        ),
    ],
)
def test_a_bad_row_says_which_rule_it_breaks(change, expected):
    checked = validate(POSTS, posts({}, {"id": 2, **change}))

    assert checked.valid.get_column("id").to_list() == [1]
    assert why(checked) == [expected]


def test_numbers_that_are_none_do_not_pass_as_large():
    frame = pl.DataFrame(
        [
            (number, 1, MOMENT, None, None, None, rate)
            for number, rate in enumerate([0.1, float("nan"), float("inf")], 1)
        ],
        schema=METRICS.source_schema,
        orient="row",
    )
    checked = validate(METRICS, frame)

    assert checked.valid.get_column("id").to_list() == [1]
    assert why(checked) == ["engagement_rate is not a number (NaN)", "engagement_rate is infinite"]


def test_of_rows_alike_one_is_kept_and_the_copies_are_named():
    checked = validate(POSTS, posts({}, {}, {}))

    assert checked.valid.height == 1
    assert why(checked) == ["the same row came more than once; one copy was kept"] * 2


def test_of_rows_that_share_a_key_and_differ_none_is_believed():
    checked = validate(POSTS, posts({"content": "a"}, {"content": "b"}, {"content": "b"}, {"id": 2}))

    assert checked.valid.get_column("id").to_list() == [2]
    assert sorted(why(checked)) == sorted(
        [
            *["the key stands in more than one different row"] * 2,
            "the same row came more than once; one copy was kept",
        ]
    )


def test_versions_of_a_mutable_row_are_different_rows():
    later = datetime(2025, 1, 7, tzinfo=UTC)

    assert validate(POSTS, posts({}, {"updated_at": later})).valid.height == 2


def test_missing_and_retyped_columns_are_all_named_and_fail_the_batch():
    frame = posts({}).drop("status", "content").with_columns(pl.col("id").cast(pl.Int32))

    with pytest.raises(ContractError) as raised:
        validate(POSTS, frame)

    assert "social_posts" in str(raised.value)
    assert "missing: content, status" in str(raised.value)
    assert "id is Int32 instead of Int64" in str(raised.value)


def test_a_new_column_comes_along_unchecked_in_both_parts():
    frame = posts({}, {"id": 2, "platform": "myspace"}).with_columns(mood=pl.Series(["good", None]))
    checked = validate(POSTS, frame)

    assert checked.valid.select("id", "mood").rows() == [(1, "good")]
    assert checked.invalid.select("id", "mood").rows() == [(2, None)]
    assert why(checked) == ["platform is not one of the allowed values"]


def test_rows_that_differ_in_a_new_column_only_are_not_alike():
    frame = posts({}, {}, {"id": 2}, {"id": 2}).with_columns(mood=pl.Series(["good", "bad", "good", "good"]))
    checked = validate(POSTS, frame)

    assert checked.valid.get_column("id").to_list() == [2]
    assert sorted(why(checked)) == [
        *["the key stands in more than one different row"] * 2,
        "the same row came more than once; one copy was kept",
    ]


def test_a_key_without_a_value_is_told_and_never_a_repetition():
    checked = validate(POSTS, posts({"id": None}, {"id": 2, "updated_at": None}, {"id": 3}))

    assert checked.valid.get_column("id").to_list() == [3]
    assert sorted(why(checked)) == ["id is missing", "updated_at is missing"]


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_every_rule_of_every_contract_is_told_in_words(contract):
    rules = {rule.rsplit("|", 1)[-1] for rule in contract.schema._validation_rules(with_cast=False)}

    assert rules <= REASONS.keys()


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_no_rule_of_a_contract_is_left_out(contract):
    declared = set(contract.schema._validation_rules(with_cast=False))

    assert set(schema_with(contract, [], keyed=True)._validation_rules(with_cast=False)) == declared
    assert set(schema_with(contract, ["new"], keyed=False)._validation_rules(with_cast=False)) == declared - {
        "primary_key"
    }


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_no_rows_are_valid_rows(contract):
    checked = validate(contract, pl.DataFrame(schema=contract.source_schema))

    assert checked.valid.schema == contract.source_schema
    assert checked.valid.is_empty()
    assert checked.invalid.is_empty()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.integers(0, 4)), st.one_of(st.none(), st.integers(0, 2)), st.integers(-1, 1)),
        max_size=12,
    )
)
def test_every_row_is_in_exactly_one_part(rows):
    frame = sessions(*rows)
    checked = validate(SESSIONS, frame)

    together = pl.concat([checked.valid, checked.invalid.drop(RULES)])
    assert sorted(together.rows(), key=str) == sorted(frame.rows(), key=str)
    assert checked.valid.get_column("id").is_unique().all()
    assert checked.valid.filter((pl.col("id") < 1) | (pl.col("user_id") < 1) | (pl.col("duration") < 0)).is_empty()
    assert checked.invalid.filter(pl.col(RULES).list.len() == 0).is_empty()
