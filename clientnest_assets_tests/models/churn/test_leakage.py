"""The leakage check: a feature that only a leaver has is named and refused, and honest ones are not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from clientnest_assets.models.churn.declaration import CHURN
from clientnest_assets.models.churn.leakage import no_leaver_features
from clientnest_assets.models.churn.predictor import columns_of
from clientnest_assets.models.encoding import ModelColumns
from clientnest_assets.models.errors import LeakingFeatureError

from .conftest import SET, training_of

GONE = pl.col("is_gone")


def closed(share: float) -> pl.Expr:
    """A share of those who left, by user."""
    return GONE & (pl.col("user_id") % 100 < 100 * share)


PLANTED = {
    "a login closed when they left": ("support__opened_30d", closed(0.25).cast(pl.Int64), "is present"),
    "a login that is open until they leave": ("support__opened_30d", (~closed(0.25)).cast(pl.Int64), "is 0"),
    "a time that leavers have": ("support__oldest_open_age_days", pl.when(closed(0.25)).then(3.5), "is present"),
    "a value that leavers lack": (
        "support__mean_resolution_hours_90d", pl.when(~closed(0.25)).then(300.0), "is absent"
    ),
    "a plan that leavers are put on": (
        "user_activity__subscription_tier", pl.when(closed(0.25)).then(pl.lit("closed")).otherwise(pl.lit("free")),
        "is 'closed'",
    ),
    "visits of the days after": (
        "user_activity__sessions_7d", pl.when(GONE).then(0).otherwise(pl.col("user_id") % 5 + 1), "ranks those who left"
    ),
}  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED)
def test_training_refuses_a_feature_that_only_a_leaver_has_and_names_it(rows, planted):
    feature, value, why = PLANTED[planted]
    with pytest.raises(LeakingFeatureError, match=feature) as error:
        CHURN.train(training_of(rows.with_columns(value.cast(rows.schema[feature]).alias(feature))))
    assert why in str(error.value)
    others = set(columns_of(SET).names) - {feature}
    assert not any(f" {other}" in str(error.value) for other in others)


def test_honest_features_pass_and_are_ranked(rows):
    found = no_leaver_features(rows, columns_of(SET))
    assert found["feature"][0] == "days_since_visit"
    assert 0.7 < found["auc"][0] < 0.95
    assert set(found["feature"]) == set(columns_of(SET).numeric)


def test_what_a_few_leavers_have_can_be_chance():
    rng = np.random.default_rng(0)
    gone = rng.random(400) < 0.3
    rows = pl.DataFrame({"user_id": np.arange(400), "is_gone": gone})

    def check(users: int) -> pl.DataFrame:
        of_leavers = np.flatnonzero(gone)[:users]
        return no_leaver_features(
            rows.with_columns(trait=pl.Series(np.isin(np.arange(400), of_leavers))), ModelColumns(("trait",))
        )

    assert check(8).height == 1
    with pytest.raises(LeakingFeatureError, match="trait, which is present in 16 users"):
        check(16)


def test_a_flag_that_is_false_of_leavers_alone_is_refused():
    rng = np.random.default_rng(0)
    gone = rng.random(2000) < 0.3
    rows = pl.DataFrame({"user_id": np.arange(2000), "is_gone": gone, "is_open": ~gone | (rng.random(2000) < 0.5)})
    with pytest.raises(LeakingFeatureError, match=r"is_open, which is 0 in \d+ users"):
        no_leaver_features(rows, ModelColumns(("is_open",)))
    honest = rows.with_columns(is_open=pl.Series(rng.random(2000) < 0.5))
    assert no_leaver_features(honest, ModelColumns(("is_open",))).height == 1


def test_one_outcome_alone_says_nothing_of_leaks():
    rows = pl.DataFrame({"user_id": [1, 2], "is_gone": [True, True], "trait": [1.0, None]})
    assert no_leaver_features(rows, ModelColumns(("trait",)))["auc"].to_list() == [0.5]
