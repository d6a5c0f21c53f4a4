"""What is known of a series at a moment: exactly, and nothing of what came after."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.upstream import Inputs
from clientnest_assets.models.growth import observations, states
from clientnest_assets.models.growth.moving import HALF_LIVES, days_column, drift_column
from clientnest_assets.models.growth.quantity import FOLLOWERS, HORIZON, HORIZONS, LABEL, MRR
from clientnest_assets.models.splits import LABEL_KNOWN_AT
from clientnest_assets_tests.models.growth.conftest import UNTIL

DAY0 = date(2025, 1, 1)
AS_OF = datetime(2025, 1, 11, tzinfo=UTC)


def told(values: dict[int, float]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "series": [7] * len(values),
            "group": ["instagram"] * len(values),
            "day": [DAY0 + timedelta(days=day) for day in values],
            "value": list(values.values()),
        },
        schema={"series": pl.Int64, "group": pl.String, "day": pl.Date, "value": pl.Float64},
    )


def test_a_state_is_what_its_definition_says():
    rows = states.current(told({1: 100.0, 2: 110.0, 5: 140.0, 8: 130.0}), FOLLOWERS, AS_OF)
    assert rows[HORIZON].to_list() == list(HORIZONS)
    state = rows.row(0, named=True)
    levels = np.log1p([100.0, 110.0, 140.0, 130.0])
    moves, days = np.diff(levels), np.array([1, 3, 3])
    assert state["observed_days"] == 7
    assert state["days_since_observed"] == 1
    assert state["value"] == 130
    assert state["moves"] == 3
    assert state["level"] == pytest.approx(levels[-1])
    assert state["naive_drift"] == pytest.approx((levels[-1] - levels[0]) / 7)
    around = np.sum(moves**2 / days) - moves.sum() ** 2 / days.sum()
    assert state["variance"] == pytest.approx(around / 2)
    assert state["mean_move"] == pytest.approx(np.mean(np.abs(moves) / days))
    for half_life in HALF_LIVES:
        weight = 0.5 ** ((9 - np.array([2, 5, 8])) / half_life)
        assert state[drift_column(half_life)] == pytest.approx(np.sum(weight * moves) / np.sum(weight * days))
        effective = np.sum(weight * days) ** 2 / np.sum(weight**2 * days)
        assert state[days_column(half_life)] == pytest.approx(effective)


def test_a_single_day_tells_a_level_and_no_drift():
    state = states.current(told({9: 50.0}), FOLLOWERS, AS_OF).row(0, named=True)
    assert (state["moves"], state["variance"], state["drift_14"]) == (0, None, None)


def test_what_was_last_told_long_ago_is_not_forecast():
    assert states.current(told({0: 5.0}), FOLLOWERS, datetime(2025, 1, 16, tzinfo=UTC)).is_empty()
    assert states.current(told({1: 5.0}), FOLLOWERS, datetime(2025, 1, 16, tzinfo=UTC)).height == len(HORIZONS)


def test_states_learned_from_are_those_that_would_have_been_scored(inputs: Inputs):
    series = observations.followers(inputs, UNTIL)
    learned = states.labelled(series, FOLLOWERS, UNTIL)
    for as_of in learned["as_of"].unique().sort()[::4]:
        then = observations.followers(inputs, as_of)
        scored = states.current(then, FOLLOWERS, as_of)
        known = learned.filter(pl.col("as_of") == as_of).drop(LABEL, LABEL_KNOWN_AT)
        assert known.height > 0
        assert known.equals(scored.join(known, on=["account_id", HORIZON], how="semi", maintain_order="left"))


def test_truths_are_those_of_the_target_day_and_known_before_the_end(inputs: Inputs):
    rows = states.labelled(observations.followers(inputs, UNTIL), FOLLOWERS, UNTIL)
    assert rows[LABEL_KNOWN_AT].max() < UNTIL
    assert set(rows["as_of"].dt.weekday()) == {1}
    target = (pl.col("as_of") + pl.duration(days=pl.col(HORIZON) - 1)).dt.date()
    table = inputs["fact_social_daily"].collect().select("account_id", pl.col("day").alias("target"), "followers")
    told_then = rows.with_columns(target=target).join(table, on=["account_id", "target"])
    assert told_then.height > 0.8 * rows.height
    assert np.allclose(told_then[LABEL], np.log1p(told_then["followers"]))


def test_later_days_change_no_earlier_state(inputs: Inputs):
    series = observations.followers(inputs, UNTIL)
    first = states.labelled(series, FOLLOWERS, UNTIL)
    moment = first["as_of"].unique().sort()[5]
    wild = series.with_columns(pl.when(pl.col("day") >= moment.date()).then(9e6).otherwise("value").alias("value"))
    second = states.labelled(wild, FOLLOWERS, UNTIL)
    unlabelled = [name for name in first.columns if name != LABEL]
    assert (
        first.filter(pl.col("as_of") <= moment)
        .select(unlabelled)
        .equals(second.filter(pl.col("as_of") <= moment).select(unlabelled))
    )


def test_revenue_is_what_the_events_add_up_to_by_day_and_plan():
    moments = [datetime(2025, 1, day, 12, tzinfo=UTC) for day in (1, 2, 4, 5)]
    events = pl.DataFrame(
        {
            "subscription_event_id": [1, 2, 3, 4],
            "user_id": [1, 2, 1, 2],
            "occurred_at": moments,
            "to_tier": ["starter", "starter", "business", "free"],
            "mrr_after": [19.0, 15.2, 149.0, 0.0],
        }
    )
    days = pl.DataFrame({"day": [DAY0 + timedelta(days=n) for n in range(6)], "is_subscriptions_missing": [False] * 6})
    missing = days.with_columns(is_subscriptions_missing=pl.col("day") == DAY0 + timedelta(days=2))
    rows = observations.mrr({"fact_subscription_events": events.lazy(), "mrr_movements": missing.lazy()}, AS_OF)
    by_plan = {name: part["value"].to_list() for (name,), part in rows.partition_by("series", as_dict=True).items()}
    assert by_plan == {
        "business": [149.0, 149.0, 149.0],
        "starter": [19.0, 34.2, 15.2, 0.0, 0.0],
        "total": [19.0, 34.2, 164.2, 149.0, 149.0],
    }


@pytest.mark.parametrize("quantity", [FOLLOWERS, MRR])
def test_nothing_observed_gives_no_rows(quantity):
    empty = told({}).with_columns(pl.col("series").cast(quantity.series_type))
    assert states.labelled(empty, quantity, UNTIL).is_empty()
    assert states.current(empty, quantity, UNTIL).is_empty()
