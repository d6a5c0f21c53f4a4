"""What to expect of a post before any tree is grown: its account's level, plus what its form adds.

An account's plain trailing mean mixes how good the account is with how good its last posts were. Here the
posts' own traits are first taken out of their outcomes, so that the level is of the account alone. What
the trees make of it is in `training.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF, age_column, column, get_historical_features, status_column
from clientnest_assets.features.upstream import Inputs
from clientnest_assets.features.view import Feature, FeatureView
from clientnest_assets.models.additive import Additive, Traits, Vector, fit_additive
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.audience import Audience
from clientnest_assets.models.engagement.baselines import NaiveRules
from clientnest_assets.models.engagement.spec import (
    ACCOUNT_LEVEL,
    CONTENT_EFFECT,
    EXPECTED,
    LABEL,
    LABEL_KNOWN_AT,
    PLATFORM_MEAN,
)
from clientnest_assets.partitions import Window

SURPLUS: Final = "surplus"
"""LABEL less what the post's form, its platform and its account's followers let expect: what is left is the author's."""

NEIGHBOURS: Final = 10
"""A post is compared with up to so many posts of its account on either side."""
HALF_LIFE_POSTS: Final = 10
FULL_WEIGHT_POSTS: Final = 14
"""A decayed mean never rests on more posts than about this many: 1 / (1 - 0.5^(1/10))."""

_LEVELS: Final = (
    Feature("posts", pl.Int64(), "Matured posts.", "posts"),
    Feature("surplus", pl.Float64(), "Decayed mean surplus.", "log engagement"),
    Feature("surplus_5", pl.Float64(), "Mean surplus of the last 5 posts.", "log engagement"),
    Feature("surplus_60", pl.Float64(), "Mean surplus of the last 60 posts.", "log engagement"),
    Feature("surplus_std_20", pl.Float64(), "Standard deviation of surplus over the last 20 posts.", "log engagement"),
)


def _not_stored(_inputs: Inputs, _window: Window) -> pl.LazyFrame:
    raise NotImplementedError("a level is computed with its model, not stored")


def _level_view(entity: str) -> FeatureView:
    """Not a view of the feature store: it depends on the model. It has the form to be read by the same join."""
    return FeatureView(
        name=f"{entity}_level",
        version=1,
        entity_keys=(f"{entity}_id",),
        features=_LEVELS,
        compute=_not_stored,
        upstream=(),
        owner="data@clientnest.example",
        description="How posts did beyond what their form explains.",
    )


_ACCOUNT, _USER = _level_view("account"), _level_view("user")
LEVEL_COLUMNS: Final = (
    CONTENT_EFFECT,
    ACCOUNT_LEVEL,
    EXPECTED,
    *(column(view, feature.name) for view in (_ACCOUNT, _USER) for feature in _LEVELS),
)


@dataclass(frozen=True)
class Level:
    """What a post's form adds, the platforms' means, and what followers add: fitted on the training rows."""

    form: Additive
    naive: NaiveRules
    audience: Audience

    def describe(self, rows: pl.DataFrame, past: pl.DataFrame, *, past_effect: Vector | None = None) -> pl.DataFrame:
        """The rows, in their order, with LEVEL_COLUMNS and the naive rules' predictions added.

        Args:
            rows: posts with features.
            past: labelled posts with features, at least all of the rows' authors; each enters only from the
                moment its outcome was known, so later ones do no harm.
            past_effect: what the form of each past post adds; by default what the model says.
        """
        effect = self.form.predict(past) if past_effect is None else past_effect
        surplus = self.naive.predict(past).with_columns(
            (pl.col(LABEL) - pl.Series(effect) - pl.col(PLATFORM_MEAN) - pl.Series(self.audience.adds(past))).alias(
                SURPLUS
            )
        )
        known = get_historical_features(
            rows, {view: _levels(surplus, view.entity_keys[0]) for view in (_ACCOUNT, _USER)}
        ).collect()
        posts = pl.col(column(_ACCOUNT, "posts")).fill_null(0).clip(0, FULL_WEIGHT_POSTS)
        own = pl.col(column(_ACCOUNT, "surplus")).fill_null(0)
        weight = posts / (posts + self.audience.prior_posts)
        return (
            self.naive.predict(known)
            .with_columns(
                pl.Series(CONTENT_EFFECT, self.form.predict(rows)),
                (pl.col(PLATFORM_MEAN) + pl.Series(self.audience.adds(rows)) + own * weight).alias(ACCOUNT_LEVEL),
            )
            .with_columns((pl.col(ACCOUNT_LEVEL) + pl.col(CONTENT_EFFECT)).alias(EXPECTED))
            .drop(name for view in (_ACCOUNT, _USER) for name in (status_column(view), age_column(view)))
        )

    def to_json(self) -> dict[str, Any]:
        """For the model's card."""
        return {"form": self.form.to_json(), "naive": self.naive.to_json(), "audience": self.audience.to_json()}

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        return cls(
            Additive.from_json(card["form"]),
            NaiveRules.from_json(card["naive"]),
            Audience.from_json(card["audience"]),
        )


def fit_level(rows: pl.DataFrame, form: Traits, followers: str | None) -> tuple[Level, pl.DataFrame]:
    """The level, and the training rows described by it.

    The effect of a post's form is learned from contrasts: its outcome against the mean of its neighbours
    in the same account, so that who posts is held fixed. What describes the training rows comes from
    models that did not see them, or the trees would trust it more than they may later.

    Args:
        rows: labelled rows, ordered by `as_of` and post_id.
        form: the traits of a post's form.
        followers: the column of log followers, if there is one.
    """
    naive = NaiveRules.fit(rows)
    contrasts = _contrasts(rows).tail(spec.MAX_CONTRASTS)
    if contrasts.height < spec.MIN_CONTRASTS:
        fitted, effect = Additive(form, {}, {}), np.zeros(rows.height)
    else:
        learned = fit_additive(
            contrasts,
            contrasts["contrast"].to_numpy(),
            contrasts["weight"].to_numpy(),
            form,
            min_count=spec.MIN_COUNT,
            max_members=spec.MAX_MEMBERS,
        )
        fitted, effect = learned.model, learned.model.predict(rows)
        effect[contrasts["row"].to_numpy()] = learned.out_of_fold
    platform_mean = naive.predict(rows)[PLATFORM_MEAN].to_numpy()
    audience = Audience.fit(rows, rows[LABEL].to_numpy() - effect - platform_mean, followers)
    level = Level(fitted, naive, audience)
    described = level.describe(rows, rows, past_effect=effect)
    return level, described.with_columns(
        pl.Series(CONTENT_EFFECT, effect), (pl.col(ACCOUNT_LEVEL) + pl.Series(effect)).alias(EXPECTED)
    )


def _contrasts(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that have neighbours, with their number, `contrast` and its `weight`, in the order of the rows.

    The mean of m neighbours is as noisy as a post divided by m: a contrast counts m / (m + 1).
    """
    window = 2 * NEIGHBOURS + 1
    label = pl.col(LABEL)
    around = pl.col("around")
    return (
        rows.with_row_index("row")
        .sort("account_id", AS_OF, "post_id")
        .with_columns(
            label.rolling_sum(window, min_samples=1, center=True).over("account_id").alias("sum"),
            (label * 0 + 1).rolling_sum(window, min_samples=1, center=True).over("account_id").sub(1).alias("around"),
        )
        .filter(around > 0.5)
        .with_columns(
            (label - (pl.col("sum") - label) / around).alias("contrast"),
            (around / (around + 1)).alias("weight"),
        )
        .drop("sum", "around")
        .sort("row")
    )


def _levels(past: pl.DataFrame, entity: str) -> pl.DataFrame:
    """Rows of a level view: per entity and moment at which posts of it matured, the levels so far."""
    surplus = pl.col(SURPLUS)
    return (
        past.drop_nulls([entity, LABEL_KNOWN_AT])
        .sort(entity, LABEL_KNOWN_AT, AS_OF, "post_id")
        .select(
            entity,
            pl.col(LABEL_KNOWN_AT).alias("event_at"),
            pl.col(LABEL_KNOWN_AT).alias("known_at"),
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(entity).alias("posts"),
            surplus.ewm_mean(half_life=HALF_LIFE_POSTS).over(entity).alias("surplus"),
            surplus.rolling_mean(5, min_samples=1).over(entity).alias("surplus_5"),
            surplus.rolling_mean(60, min_samples=1).over(entity).alias("surplus_60"),
            surplus.rolling_std(20, min_samples=2).over(entity).alias("surplus_std_20"),
        )
    )
