"""The simulated world's experiments through the warehouse's own SQL: the real effect is found, the null is not."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import polars as pl
import pytest

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.contracts.dbt_sources import DBT_PROJECT
from clientnest_assets.insights.experiments.effects import RESULTS, effects
from clientnest_assets.insights.experiments.verdicts import BROKEN_SPLIT, HARMS, WORKS
from clientnest_assets.partitions import midnight
from clientnest_assets.simulation import World
from clientnest_assets.simulation.planted import EXPERIMENTS
from clientnest_assets.simulation.story import Story
from clientnest_assets.simulation.truth import TruthFiles
from clientnest_assets.simulation.writer import conform
from clientnest_assets.warehouse.read import read_table

LAST_DAY = date(2026, 4, 19)
MODELS = ("int_experiment_users", "int_experiment_outcomes", "experiment_results")
NEEDED = (
    "experiments",
    "experiment_assignments",
    "user_sessions",
    "social_media_accounts",
    "account_metrics",
    "social_posts",
    "post_metrics",
)


class Kept:
    """Keeps the rows of the tables that experiments are measured by."""

    def __init__(self):
        self.frames = defaultdict(list)

    def write(self, table, frame):
        if table in NEEDED:
            self.frames[table].append(conform(CONTRACTS[table], frame))


def planted_world(seed: int, folder: Path) -> dict[str, pl.DataFrame]:
    """The facts of a world of 2,000 users that lasts until the engagement of its experiments' posts is mature."""
    kept = Kept()
    world = World(users=2000, days=max(each.end_day for each in EXPERIMENTS) + 2, seed=seed, last_day=LAST_DAY)
    Story(world, kept, TruthFiles(folder)).run(lambda _day, _days: None)
    app = {name: pl.concat(frames) for name, frames in kept.frames.items()}
    score = pl.col("likes_count") + 2 * pl.col("comments_count") + 3 * pl.col("shares_count")
    published = (
        app["social_posts"].filter(status="published").rename({"id": "post_id", "published_time": "published_at"})
    )
    mature = (
        app["post_metrics"]
        .join(published.select("post_id", "published_at"), on="post_id")
        .filter(pl.col("collected_at") >= pl.col("published_at") + pl.duration(days=7))
        .sort("collected_at")
        .group_by("post_id")
        .agg(score.first().cast(pl.Int64).alias("mature_engagement_score"))
        .with_columns(mature_engagement_total="mature_engagement_score")
    )
    return {
        "stg_app__experiments": app["experiments"].rename({"id": "experiment_id", "key": "experiment_key"}),
        "stg_app__experiment_assignments": app["experiment_assignments"].rename({"id": "assignment_id"}),
        "fact_sessions": app["user_sessions"].select(
            "user_id",
            pl.col("created_at").alias("started_at"),
            pl.col("created_at").dt.date().alias("day"),
            pl.col("duration").alias("duration_seconds"),
        ),
        "fact_social_daily": app["account_metrics"]
        .join(app["social_media_accounts"].select(pl.col("id").alias("account_id"), "user_id"), on="account_id")
        .select(
            "user_id",
            "account_id",
            pl.col("collected_at").dt.date().alias("day"),
            pl.col("collected_at").alias("observed_at"),
            pl.col("followers_count").alias("followers"),
        ),
        "fact_posts": published.select("post_id", "user_id", "account_id", "platform", "published_at").join(
            mature, on="post_id", how="left"
        ),
    }


def experiment_results(facts: dict[str, pl.DataFrame], url: str) -> pl.DataFrame:
    """The mart, made by the models' own SQL in a database of its own."""
    seed = list(csv.reader((DBT_PROJECT / "seeds" / "experiment_metrics.csv").open()))
    with adbc.connect(url) as connection, connection.cursor() as cursor:
        for name, frame in facts.items():
            cursor.adbc_ingest(name, frame.to_arrow(), mode="create")
        cursor.adbc_ingest("experiment_metrics", pl.DataFrame(seed[1:], schema=seed[0], orient="row").to_arrow())
        for statement in (
            "create table fact_ai_requests (user_id bigint, created_at timestamptz, tokens bigint, cost numeric)",
            "create table fact_subscription_events (user_id bigint, occurred_at timestamptz, mrr_change numeric)",
            "create table int_user_activation (user_id bigint, activated_at timestamptz, paid_at timestamptz)",
            *(f"create table {name} as {_sql(name)}" for name in MODELS),
        ):
            cursor.execute(statement)
        connection.commit()
    return read_table(url, "public", "experiment_results", RESULTS)


def _sql(model: str) -> str:
    file = next((DBT_PROJECT / "models").rglob(f"{model}.sql"))
    text = re.sub(r"\{\{ ref\('(\w+)'\) \}\}", r"\1", file.read_text())
    return re.sub(r"\{\{ utc_day\('([\w.]+)'\) \}\}", r"(\1 at time zone 'UTC')::date", text)


@pytest.fixture(scope="module")
def told(databases, tmp_path_factory):
    facts = planted_world(1, tmp_path_factory.mktemp("truth") / "truth")
    found = effects(experiment_results(facts, databases.create()), midnight(LAST_DAY + timedelta(days=1)))
    return {row["experiment_key"]: row for row in found.iter_rows(named=True)}


def test_the_real_effect_is_found_as_large_as_it_is(told):
    coach = told["caption_coach"]
    true_lift = np.expm1(EXPERIMENTS[0].log_engagement_effect)

    assert coach["verdict"] == WORKS
    assert coach["lift_low"] < true_lift < coach["lift_high"]


def test_the_experiment_without_an_effect_is_not_said_to_have_one(told):
    assert told["dark_mode"]["verdict"] not in (WORKS, HARMS)


def test_the_broken_split_is_noticed(told):
    assert told["onboarding_checklist"]["verdict"] == BROKEN_SPLIT
