"""What knows the outcome is refused by name, however it says so; what is honest passes, however well it ranks."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.sets import variants
from clientnest_assets.models.errors import LeakingFeatureError
from clientnest_assets.models.foreknowledge import KNOWING, MIN_ROWS, refuse_foreknowledge
from clientnest_assets.models.registry import MODELS

from .cases import case_of

LABEL, ENTITY = "log_engagement", "account_id"
(FEATURES,) = variants("hashtags")
NUMBER, TEXT, FLAG = "content__content_length", "content__media_type", "content__ai_generated"
OF_POSTS = ("engagement", "early_signal", "hashtags")


def world(posts: int = 2000, accounts: int = 40, apart: float = 1.0, seed: int = 1) -> pl.DataFrame:
    """Posts of accounts whose levels are so far apart, and that vary by 1 around them."""
    rng = np.random.default_rng(seed)
    account = rng.integers(0, accounts, posts)
    level = apart * rng.normal(size=accounts)
    return pl.DataFrame(
        {
            "post_id": np.arange(posts),
            ENTITY: account,
            "level": level[account],
            LABEL: 5 + level[account] + rng.normal(size=posts),
            "noise": rng.normal(size=posts),
        }
    )


def look(rows: pl.DataFrame) -> None:
    refuse_foreknowledge(rows, FEATURES, LABEL, ENTITY)


TRUTH = pl.col(LABEL)
TENTH = (TRUTH.rank() * 10 / pl.len()).floor().cast(pl.Int64)
ABOVE = TRUTH.median() < TRUTH
KNOWING_FEATURES = {
    "itself": TRUTH,
    "turned around": -TRUTH,
    "as a count": TRUTH.exp().round().cast(pl.Int64),
    "with noise of a fifth of its spread": TRUTH + 0.2 * TRUTH.std() * pl.col("noise"),
    "rounded": TRUTH.round(0),
    "in tenths": TENTH,
    "in thirds": TENTH // 4,
    "above or below the median": ABOVE,
    "one of ten": TENTH >= 9,
    "a number only where it is high": pl.when(ABOVE).then("noise"),
    "text of tenths": ("of " + TENTH.cast(pl.String).str.reverse()),
    "text of thirds": (TENTH // 4).replace_strict({0: "b", 1: "c", 2: "a"}),
    "one of two texts": pl.when(ABOVE).then(pl.lit("image")).otherwise(pl.lit("video")),
    "a category": pl.when(ABOVE).then(pl.lit("image")).otherwise(pl.lit("video")).cast(pl.Categorical),
    "text only where it is high": pl.when(ABOVE).then(pl.lit("image")),
    "a day": pl.lit(0).cast(pl.Date) + pl.duration(days=TENTH),
}


@pytest.mark.parametrize("knowing", KNOWING_FEATURES.values(), ids=KNOWING_FEATURES)
@pytest.mark.parametrize("apart", [0.0, 1.0], ids=["accounts alike", "accounts apart"])
def test_what_knows_the_outcome_is_refused_by_name(knowing, apart):
    rows = world(apart=apart)
    look(rows)
    with pytest.raises(LeakingFeatureError, match=f"{TEXT} .*take it out of the feature set hashtags/standard"):
        look(rows.with_columns(knowing.alias(TEXT)))


HONEST_FEATURES = {
    "the level of the account": pl.col("level"),
    "the account itself": pl.col(ENTITY).cast(pl.String),
    "the post itself": pl.col("post_id").cast(pl.String),
    "the post's number": pl.col("post_id"),
    "a text of two posts each": (pl.col("post_id") // 2).cast(pl.String),
    "half of the outcome": TRUTH + TRUTH.std() * pl.col("noise"),
    "noise": pl.col("noise"),
    "noise in halves": pl.col("noise") > 0,
    "one value": pl.lit(1.0),
    "one text": pl.lit("image"),
    "nothing": pl.lit(None, pl.Float64),
    "no text": pl.lit(None, pl.String),
    "not a number": pl.lit(float("nan")),
    "of a few posts alone": pl.when(pl.col("post_id") < MIN_ROWS // 2).then(LABEL),
    "lists": pl.concat_list(pl.col(ENTITY).cast(pl.String)),
}


@pytest.mark.parametrize("honest", HONEST_FEATURES.values(), ids=HONEST_FEATURES)
@pytest.mark.parametrize("apart", [0.0, 1.0, 5.0], ids=["alike", "apart", "far apart"])
def test_what_is_honest_passes(honest, apart):
    look(world(apart=apart).with_columns(honest.alias(TEXT)))


def test_an_honest_level_may_rank_posts_nearly_perfectly_across_accounts():
    rows = world(apart=8.0).with_columns(pl.col("level").alias(NUMBER))
    assert rows.select(pl.corr(NUMBER, LABEL, method="spearman")).item() > KNOWING
    look(rows)


def test_examples_without_a_label_and_accounts_with_one_post_say_nothing():
    rows = world()
    nobody = rows.with_columns(pl.when(pl.col("post_id") % 40 == 0).then(LABEL), TRUTH.alias(TEXT))
    look(nobody)
    look(rows.with_columns(pl.col("post_id").alias(ENTITY), TRUTH.alias(TEXT)))


def test_noise_is_taken_for_knowledge_by_no_chance():
    rng = np.random.default_rng(5)
    for seed in range(20):
        rows = world(posts=250, accounts=60, seed=seed)
        few = pl.Series(rng.choice(["a", "b", "c"], rows.height))
        look(
            rows.with_columns(
                few.alias(TEXT), (few == "a").alias(FLAG), pl.Series(NUMBER, rng.normal(size=rows.height))
            )
        )


@pytest.mark.parametrize("name", OF_POSTS)
@pytest.mark.parametrize("knowing", ["rounded", "above or below the median", "text of tenths"])
def test_training_looks_first(name, knowing):
    case = case_of(name)
    column = case.features.columns[0]
    told = case.examples.with_columns(KNOWING_FEATURES[knowing].alias(column))
    with pytest.raises(LeakingFeatureError, match=re.escape(column)):
        case.train(told)


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.feature_sets])
def test_no_set_of_the_models_is_refused_in_their_worlds(name):
    case = case_of(name)
    rows = case.examples.with_columns(pl.col(case.label).cast(pl.Float64))
    for features in case.model.feature_sets:
        refuse_foreknowledge(rows, features, case.label, case.model.gate.cluster)
