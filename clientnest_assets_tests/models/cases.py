"""Every model in a small world of its own, told as the tables that it reads: what tests that hold for all models run on.

The worlds are those of the tasks' own tests. Not here: what is true of one model alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Final

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF, added_schema, get_historical_features
from clientnest_assets.features.sets import FeatureSet
from clientnest_assets.features.upstream import Inputs
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.model import Model, Trained, Training
from clientnest_assets.models.registry import MODELS
from clientnest_assets_tests.models import conftest as engagement
from clientnest_assets_tests.models.budget import conftest as budget
from clientnest_assets_tests.models.churn import conftest as churn
from clientnest_assets_tests.models.content_recommendation import conftest as content
from clientnest_assets_tests.models.growth import conftest as growth
from clientnest_assets_tests.models.hashtags import conftest as hashtags
from clientnest_assets_tests.models.posting_times import world as posting_times

KNOWN_AT = "label_known_at"
Rows = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Case:
    """A model, and a world for it.

    Attributes:
        model: its declaration.
        tables: what it reads, by name, with the columns and types that it declares.
        until: the end of the partition that is trained.
        asked_at: a moment at which there is something to score.
        label: the column of its truth.
        alone: the column of requests that tells which of them are answered together.
        joined: puts the features that the store has of the world to rows.
        dealt: labelled rows, and an order of them: the rows without any connection between what is known and what came.
    """

    model: Model
    tables: Mapping[str, pl.DataFrame]
    until: datetime
    asked_at: datetime
    label: str
    alone: str
    joined: Rows = lambda rows: rows
    dealt: Callable[[pl.DataFrame, np.random.Generator], pl.DataFrame] | None = None

    @property
    def features(self) -> FeatureSet | None:
        """The standard set."""
        return self.model.feature_sets[0] if self.model.feature_sets else None

    @property
    def inputs(self) -> Inputs:
        """The tables as the model is given them."""
        return {name: rows.lazy() for name, rows in self.tables.items()}

    @cached_property
    def examples(self) -> pl.DataFrame:
        """What the model learns from at the end of the partition, with features."""
        return self.joined(self.model.examples(self.inputs, self.until))

    @cached_property
    def requests(self) -> pl.DataFrame:
        """What is scored, with features."""
        return self.joined(self.model.requests(self.inputs, self.asked_at))

    @cached_property
    def trained(self) -> Trained:
        """The model of all examples."""
        return self.train(self.examples)

    def train(self, rows: pl.DataFrame, *, until: datetime | None = None, threads: int = 1) -> Trained:
        """The model of the rows."""
        return self.model.train(Training(rows, self.features, until or self.until, threads=threads))

    def without_skill(self, seed: int) -> pl.DataFrame:
        """The examples with their truths dealt out anew."""
        rng = np.random.default_rng(seed)
        if self.dealt:
            return self.dealt(self.examples, rng)
        truths = self.examples[self.label].gather(rng.permutation(self.examples.height))
        return self.examples.with_columns(truths)

    def thinned(self, thin: Rows) -> Case:
        """The case in what is left of its world."""
        return replace(self, tables={name: thin(rows) for name, rows in self.tables.items()})


def of_first(rows: pl.DataFrame, column: str, count: int) -> pl.DataFrame:
    """The rows of the first so many values of a column, where there is one."""
    if column not in rows.columns:
        return rows
    first = rows[column].drop_nulls().unique().sort().head(count)
    return rows.filter(pl.col(column).is_in(first.implode()))


def unknown_features(features: FeatureSet, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows as they are where the store knows of none of them."""
    added = {name: dtype for view in features.views for name, dtype in added_schema(view).items()}
    chosen = {name for name in added if name in features.columns or name.endswith(("__status", "__age_seconds"))}
    return rows.with_columns(
        pl.lit("MISSING" if name.endswith("__status") else None, added[name]).alias(name)
        for name in added
        if name in chosen
    )


def case_of(name: str) -> Case:
    """The case of a model of the registry, made once."""
    return _MAKERS[name](name)


def _declared(name: str, **tables: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The tables with what the model declares to read, so that nothing passes on a column or type no warehouse has."""
    return {
        each.table: tables[each.table].select(pl.col(column).cast(dtype) for column, dtype in each.columns)
        for each in MODELS[name].inputs
    }


@cache
def _engagement(name: str) -> Case:
    world, model = engagement.make_world(posts=1000), MODELS[name]
    (features, *_) = model.feature_sets

    def joined(rows: pl.DataFrame) -> pl.DataFrame:
        found = get_historical_features(rows, world.features).collect()
        known = {each for view in world.features for each in added_schema(view)}
        unknown = unknown_features(features, rows)
        return found.hstack(unknown.select(each for each in unknown.columns if each not in {*found.columns, *known}))

    return Case(
        model,
        _declared(
            name,
            dim_post=world.posts.with_columns(scheduled_at=pl.col("planned_at")),
            fact_posts=world.outcomes,
            fact_content_daily=world.observations,
        ),
        until=engagement.UNTIL,
        asked_at=datetime(2025, 3, 15, tzinfo=UTC),
        label="log_engagement",
        alone="post_id",
        joined=joined,
    )


@cache
def _churn(name: str) -> Case:
    world = churn.make_world()
    return Case(
        MODELS[name],
        _declared(name, fact_users_daily=world.user_days, social_posts=world.posts),
        until=churn.UNTIL,
        asked_at=churn.UNTIL,
        label="is_gone",
        alone="user_id",
        joined=lambda rows: churn.with_features(rows, world),
    )


@cache
def _posting_times(name: str) -> Case:
    return Case(
        MODELS[name],
        _declared(name, fact_posts=posting_times.make_world(own=0.6).posts),
        until=posting_times.UNTIL,
        asked_at=posting_times.UNTIL,
        label="log_engagement",
        alone="account_id",
    )


@cache
def _content(name: str) -> Case:
    posts = content.make_posts()
    since = {"valid_from": pl.lit(content.START).cast(MOMENT), "valid_to": pl.lit(None, MOMENT)}
    return Case(
        MODELS[name],
        _declared(
            name,
            fact_posts=posts,
            dim_social_account=posts.unique("account_id").with_columns(**since),
            dim_user=posts.unique("user_id").with_columns(**since),
        ),
        until=content.UNTIL,
        asked_at=content.UNTIL,
        label="log_engagement",
        alone="user_id",
    )


@cache
def _hashtags(name: str) -> Case:
    rows = hashtags.make_posts()
    published = pl.col(AS_OF)
    posts = rows.with_columns(
        subscription_tier=pl.lit("free"),
        published_at=published,
        created_at=published - timedelta(days=1),
        planned_at=published,
        status=pl.lit("published"),
        local_published_date=published.dt.date(),
        local_published_hour=pl.lit(12),
        mature_at=pl.col(KNOWN_AT),
        mature_engagement_score=pl.col("log_engagement").exp().round() - 1,
    ).rename(lambda column: column.removeprefix("content__"))
    return Case(
        MODELS[name],
        _declared(name, fact_posts=posts, dim_post=posts),
        until=hashtags.UNTIL,
        asked_at=datetime(2025, 4, 20, tzinfo=UTC),
        label="log_engagement",
        alone="post_id",
        joined=lambda asked: asked.join(
            rows.select("post_id", pl.col("^content__.*$")), on="post_id", how="left", maintain_order="left"
        ),
    )


@cache
def _growth(name: str) -> Case:
    events, movements = growth.subscription_tables(plans=growth.ALL_PLANS)
    tables = {
        "fact_social_daily": growth.follower_table(),
        "fact_subscription_events": events,
        "mrr_movements": movements,
    }
    return Case(
        MODELS[name],
        _declared(name, **tables),
        until=growth.UNTIL,
        asked_at=growth.UNTIL,
        label="label",
        # The total of all plans is the sum of their forecasts.
        alone={"follower_growth": "account_id", "mrr_growth": "horizon_days"}[name],
        dealt=_turned,
    )


def _turned(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Series that move on from each moment as far as they did, up or down by chance."""
    keys = [rows.columns[0], AS_OF]
    turns = rows.select(keys).unique().sort(keys)
    turns = turns.with_columns(turn=pl.Series(rng.choice([-1.0, 1.0], turns.height)))
    moved = pl.col("level") + pl.col("turn") * (pl.col("label") - pl.col("level"))
    return rows.join(turns, on=keys, maintain_order="left").with_columns(moved.alias("label")).drop("turn")


@cache
def _budget(name: str) -> Case:
    tables = {table: rows.collect() for table, rows in budget.make_inputs().items()}
    return Case(
        MODELS[name],
        _declared(name, **tables),
        until=budget.UNTIL,
        asked_at=budget.UNTIL,
        label="log_total",
        alone="user_id",
    )


_MAKERS: Final[Mapping[str, Callable[[str], Case]]] = {
    "engagement": _engagement,
    "early_signal": _engagement,
    "churn": _churn,
    "posting_times": _posting_times,
    "content_recommendation": _content,
    "hashtags": _hashtags,
    "follower_growth": _growth,
    "mrr_growth": _growth,
    "budget": _budget,
}
