"""Channel weeks: what was posted, what became of it, and what was known of the channel on its Monday."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.upstream import Inputs
from clientnest_assets.models.budget import weeks
from clientnest_assets_tests.models.budget.conftest import UNTIL

CHANNEL = {"user_id": 5, "platform": "linkedin"}


def test_a_week_is_what_its_posts_are(inputs: Inputs):
    posts = inputs["fact_posts"].filter(**CHANNEL).collect()
    row = weeks.labelled(inputs, UNTIL).filter(**CHANNEL).row(-2, named=True)
    own = posts.filter(pl.col("published_at").is_between(row["as_of"], row["as_of"] + timedelta(days=7), closed="left"))
    scores = own["mature_engagement_score"].to_numpy()
    assert row["posts"] == own.height
    assert row["ai_share"] == pytest.approx(own["ai_generated"].mean())
    assert row["mean_log"] == pytest.approx(np.mean(np.log1p(scores)), abs=1e-6)
    assert row["log_total"] == pytest.approx(np.log1p(scores.sum()))
    assert row["label_known_at"] == own["mature_at"].max()


def test_the_past_is_what_was_mature_before_the_monday(inputs: Inputs):
    posts = inputs["fact_posts"].filter(**CHANNEL).collect()
    row = weeks.labelled(inputs, UNTIL).filter(**CHANNEL).row(-1, named=True)
    monday = pl.col("published_at").dt.truncate("1w")
    past = posts.with_columns(in_week=pl.len().over(monday), week=monday).filter(
        pl.col("mature_at") < row["as_of"],
        pl.col("mature_at") >= row["as_of"] - timedelta(days=weeks.PAST_DAYS),
    )
    assert row["past_posts"] == past.height > 20
    assert row["past_mean_log"] == pytest.approx(past["mature_engagement_score"].log1p().mean(), abs=1e-6)
    assert row["past_mean_log_posts"] == pytest.approx(past["in_week"].log().mean(), abs=1e-6)
    assert row["past_ai_share"] == pytest.approx(past["ai_generated"].mean())


def test_what_came_to_be_known_later_changes_no_earlier_past(inputs: Inputs):
    first = weeks.labelled(inputs, UNTIL)
    moment = first["as_of"].unique().sort()[8]
    score = pl.when(pl.col("mature_at") >= moment).then(10**6).otherwise("mature_engagement_score")
    later = inputs | {"fact_posts": inputs["fact_posts"].with_columns(score.alias("mature_engagement_score"))}
    known = ["user_id", "platform", "as_of", *weeks.PAST]
    earlier = pl.col("as_of") <= moment
    assert first.filter(earlier).select(known).equals(weeks.labelled(later, UNTIL).filter(earlier).select(known))


def test_requests_know_what_examples_knew(inputs: Inputs):
    monday = weeks.labelled(inputs, UNTIL)["as_of"].max()
    learned = weeks.labelled(inputs, UNTIL).filter(pl.col("as_of") == monday)
    asked = weeks.current(inputs, monday).join(learned, on=["user_id", "platform"], how="semi")
    same = asked.join(learned, on=["user_id", "platform"], suffix="_learned", validate="1:1")
    assert same.height > 100
    assert all(same[name].equals(same[f"{name}_learned"].alias(name)) for name in weeks.PAST)


def test_weeks_with_a_post_that_is_not_mature_are_left_out(inputs: Inputs):
    rows = weeks.labelled(inputs, UNTIL)
    assert rows["label_known_at"].max() < UNTIL
    assert rows["as_of"].max() <= UNTIL - timedelta(days=14)
    young = pl.when(pl.col("post_id") == 1).then(None).otherwise("mature_engagement_score")
    posts = inputs["fact_posts"].with_columns(young.alias("mature_engagement_score"))
    assert weeks.labelled(inputs | {"fact_posts": posts}, UNTIL).height == rows.height - 1


def test_accounts_given_up_and_users_gone_are_not_planned_for(inputs: Inputs):
    gone = datetime(2025, 3, 1, tzinfo=UTC)
    posts = inputs["fact_posts"].filter((pl.col("user_id") != 7) | (pl.col("published_at") < gone))
    channels = weeks.current(inputs | {"fact_posts": posts}, UNTIL)
    assert 7 not in channels["user_id"].to_list()
    assert channels.select("user_id", "platform").n_unique() == channels.height
