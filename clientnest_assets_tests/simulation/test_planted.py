import json
from datetime import date, timedelta

import polars as pl
import pytest


@pytest.fixture(scope="module")
def planted(small):
    return json.loads((small.truth_folder / "effects.json").read_text())["planted"]


def by_day(frame, column):
    return frame.group_by(day=pl.col(column).dt.date()).len().sort("day")


def test_on_the_outage_day_nearly_nothing_happens(small, planted):
    (outage,) = (date.fromisoformat(day) for day in planted["outage_days"])
    assert outage == small.world.first_day + timedelta(days=20)
    published = small.tables["social_posts"].filter(pl.col("status") == "published")
    for frame, column in ((small.tables["user_sessions"], "created_at"), (published, "published_time")):
        counts = dict(by_day(frame, column).iter_rows())
        assert counts[outage] < 0.4 * counts[outage - timedelta(days=1)]
    start, end = planted["outage_hours_utc"]
    for table, column in (
        ("account_metrics", "collected_at"),
        ("post_metrics", "collected_at"),
        ("user_sessions", "created_at"),
    ):
        inside = small.tables[table].filter(
            (pl.col(column).dt.date() == outage)
            & (pl.col(column).dt.hour() >= start)
            & (pl.col(column).dt.hour() < end)
        )
        assert inside.is_empty(), table


def test_on_the_viral_day_one_platform_multiplies(small, planted):
    ((viral, platform),) = planted["viral_days"].items()
    truth = small.truth("posts").filter(pl.col("platform") == platform)
    scores = truth.group_by(day=pl.col("published_at").dt.date()).agg(pl.col("log_planted").mean(), pl.len())
    special = scores.filter(pl.col("log_planted") > 0)
    assert special["day"].to_list() == [date.fromisoformat(viral)]
    assert special["log_planted"].exp().item() == pytest.approx(planted["viral_factor"])


def test_the_runaway_day_costs_many_times_the_usual(small, planted):
    (runaway,) = (date.fromisoformat(day) for day in planted["runaway_cost_days"])
    costs = (
        small.tables["ai_usage_logs"]
        .group_by(day=pl.col("timestamp").dt.date())
        .agg(pl.col("cost").sum().cast(pl.Float64))
    )
    around = costs.filter((pl.col("day") - runaway).dt.total_days().abs().is_between(1, 7))
    assert costs.filter(pl.col("day") == runaway)["cost"].item() > 8 * around["cost"].max()


def test_experiments_are_split_as_told(small):
    told = json.loads((small.truth_folder / "effects.json").read_text())["experiments"]
    assignments = small.tables["experiment_assignments"]
    assert assignments.select("experiment_id", "user_id").is_unique().all()
    for experiment in told:
        entered = assignments.filter(pl.col("experiment_id") == experiment["id"])
        share = (entered["variant"] == "treatment").mean()
        spread = (0.25 / len(entered)) ** 0.5
        assert share == pytest.approx(experiment["treatment_share"], abs=3.5 * spread)
        days = entered["assigned_at"].dt.date()
        assert days.min() >= date.fromisoformat(experiment["first_day"])
        assert days.max() < date.fromisoformat(experiment["end_day"])
    statuses = dict(small.tables["experiments"].select("key", "status").iter_rows())
    assert statuses == {"caption_coach": "completed", "dark_mode": "running", "onboarding_checklist": "completed"}


def test_only_the_real_experiment_works_and_only_on_its_treated_users(small):
    treated = small.tables["experiment_assignments"].filter(
        (pl.col("experiment_id") == 1) & (pl.col("variant") == "treatment")
    )["user_id"]
    posts = small.truth("posts").with_columns(affected=pl.col("log_treatment") != 0)
    assert posts.filter("affected")["log_treatment"].unique().to_list() == [0.2]
    assert posts.filter("affected")["user_id"].is_in(treated.implode()).all()
    assert posts["affected"].sum() > 200
