"""What to expect of a post before any tree is grown: its account's level, plus what its form adds.

An account's plain trailing mean mixes how good the account is with how good its last posts were. Here the
posts' own traits are first taken out of their outcomes, so that the level is of the account alone. What
the trees make of it is in `training.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.additive import PIECE, Additive, Indices, Parts, Traits, Vector
from clientnest_assets.models.additive_fitting import fit_additive
from clientnest_assets.models.encoding import require_columns
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.audience import Audience
from clientnest_assets.models.engagement.baselines import NaiveRules
from clientnest_assets.models.engagement.drift import Drift
from clientnest_assets.models.engagement.history import known_levels
from clientnest_assets.models.engagement.spec import (
    ACCOUNT_LEVEL,
    CONTENT_EFFECT,
    DRIFT,
    EXPECTED,
    LABEL,
    PLATFORM_MEAN,
    TRAILING_MEAN,
    YOUNG_SURPLUS,
)
from clientnest_assets.models.engagement.young import YOUNG_POSTS, YoungPosts

_READ: Final = (
    "account_level__posts",
    "account_level__surplus",
    *(f"{entity}_level__{name}" for entity in ("account", "user") for name in ("author_weight", "author_total")),
)
NEIGHBOURS: Final = 20
"""A post is compared with so many consecutive posts of its account: over more of them the account itself changes."""
HALF_LIVES: Final = (3, 5, 10, 20, 40, 80, 160)
"""After so many posts a post counts half for its account's level: of these the one is taken that would have served best."""
MAX_JUDGED: Final = 100_000
"""The newest so many posts judge half-lives."""


@dataclass(frozen=True)
class Level:
    """What a post's form adds, and what to expect of its account: fitted on the training rows."""

    form: Additive
    naive: NaiveRules
    audience: Audience
    young: YoungPosts
    half_life: int = HALF_LIVES[0]
    drift: Drift = field(default_factory=Drift)

    def describe(
        self, rows: pl.DataFrame, past: pl.DataFrame, *, effects: tuple[Vector, Vector] | None = None
    ) -> pl.DataFrame:
        """The rows, in their order, with what to expect of them, what it is made of, and the naive rules' predictions added.

        Args:
            rows: posts with features.
            past: labelled posts with features, at least all of the rows' authors; each enters only from the
                moment its outcome was known, so later ones do no harm.
            effects: what form adds to the rows, and to the past; by default what the model says.
        """
        own, of_past = effects or (self.form.predict(rows), self.form.predict(past))
        known = known_levels(
            rows,
            past,
            past[LABEL].to_numpy() - of_past - self.naive.platform_mean(past) - self.audience.adds(past),
            self.half_life,
            lambda posts: self.audience.weight(self._counted(posts)),
        )
        # In NumPy: for one draft a query of so many expressions would take longer to plan than all the rest.
        platform_mean = self.naive.platform_mean(rows)
        start = platform_mean + self.audience.adds(rows)
        young = self.young.level(rows) - start
        account_level = start + self._of_account(known, young, rows[YOUNG_POSTS].to_numpy())
        added = {
            PLATFORM_MEAN: platform_mean,
            TRAILING_MEAN: self.naive.trailing_mean(rows, platform_mean),
            **known,
            CONTENT_EFFECT: own,
            ACCOUNT_LEVEL: account_level,
            EXPECTED: account_level + own + self.drift.adds(rows),
            YOUNG_SURPLUS: young,
        }
        return rows.hstack([pl.Series(name, values, nan_to_null=True) for name, values in added.items()])

    def _of_account(self, known: Mapping[str, Vector], young: Vector, young_posts: Indices) -> Vector:
        """What is expected of each row's account beyond its platform and followers: what it and its author have told.

        Args:
            known: of `known_levels`.
            young: YOUNG_SURPLUS, not a number without young posts.
            young_posts: how many there are.
        """
        told = {name: np.where(np.isnan(values), 0.0, values) for name, values in known.items() if name in _READ}
        posts = self._counted(told["account_level__posts"])
        young_count = young_posts * self.young.weight
        counted = posts + young_count
        total = told["account_level__surplus"] * posts + np.nan_to_num(young) * young_count
        others = [
            told[f"user_level__{name}"] - told[f"account_level__{name}"] for name in ("author_weight", "author_total")
        ]
        return self.audience.level(counted, total / np.where(counted > 0, counted, 1.0), *others)

    def effects(self, rows: pl.DataFrame, past: pl.DataFrame) -> tuple[Vector, Vector, Parts | None]:
        """What form adds to the rows, and to the past; and by its parts to the rows, unless there are more than PIECE."""
        if rows.height + past.height > PIECE:
            return self.form.predict(rows), self.form.predict(past), None
        # At once, because one draft takes as long as a hundred posts.
        needed = self.form.traits.columns
        for each in (rows, past):
            require_columns(each, needed)
        parts = self.form.parts(pl.concat([rows[needed], past[needed]], how="vertical_relaxed"))
        total = self.form.total(parts)
        return total[: rows.height], total[rows.height :], parts.head(rows.height)

    def _counted(self, posts: Vector) -> Vector:
        """How many posts the decayed mean of so many rests on."""
        counted: Vector = np.minimum(posts, 1 / (1 - 0.5 ** (1 / self.half_life)))
        return counted

    def to_json(self) -> dict[str, Any]:
        """For the model's card."""
        return {
            "form": self.form.to_json(),
            "naive": self.naive.to_json(),
            "audience": self.audience.to_json(),
            "young": self.young.to_json(),
            "half_life": self.half_life,
            "drift": self.drift.to_json(),
        }

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        return cls(
            Additive.from_json(card["form"]),
            NaiveRules.from_json(card["naive"]),
            Audience.from_json(card["audience"]),
            YoungPosts.from_json(card["young"]),
            card["half_life"],
            Drift.from_json(card["drift"]),
        )


def newest(rows: pl.DataFrame) -> pl.DataFrame:
    """Of rows ordered by `as_of` those to learn from: the RECENT ones, or MIN_RECENT."""
    if rows.is_empty():
        return rows
    start = rows[AS_OF][-1] - spec.RECENT
    return rows.tail(max(rows.height - int(rows[AS_OF].search_sorted(start)), spec.MIN_RECENT))


def fit_level(rows: pl.DataFrame, form: Traits, followers: str | None) -> tuple[Level, pl.DataFrame]:
    """The level, and the newest training rows described by it: those that the trees learn from.

    The effect of a post's form is learned against its neighbours in the same account, so that who posts is
    held fixed. What describes the training rows comes from models that did not see them, or the trees
    would trust it more than they may later.

    Args:
        rows: labelled rows, ordered by `as_of` and post_id.
        form: the traits of a post's form.
        followers: the column of log followers, if there is one.
    """
    recent = newest(rows)
    naive = NaiveRules.fit(recent)
    fitted, effect = _fit_form(rows, recent.tail(spec.MAX_COMPARED), form)
    own = effect[-recent.height :]
    beyond = recent[LABEL].to_numpy() - own - naive.platform_mean(recent)
    audience = Audience.fit(recent, beyond, followers)
    level = _with_half_life(Level(fitted, naive, audience, YoungPosts.fit(recent, own)), rows, effect, recent.height)
    described = level.describe(recent, rows, effects=(own, effect))
    expected = described[ACCOUNT_LEVEL].to_numpy() + own
    drift = Drift.fit(recent[DRIFT].fill_null(np.nan).to_numpy(), recent[LABEL].to_numpy() - expected)
    return replace(level, drift=drift), described.with_columns(pl.Series(EXPECTED, expected + drift.adds(recent)))


def _fit_form(rows: pl.DataFrame, compared: pl.DataFrame, form: Traits) -> tuple[Additive, Vector]:
    """What form adds, learned from the last of the rows, and for every row; for those by models that did not see it."""
    group = _neighbours(compared)
    if compared.height - len(np.unique(group)) < spec.MIN_COMPARED:
        return Additive(form, {}, {}), np.zeros(rows.height)
    learned = fit_additive(
        compared,
        compared[LABEL].to_numpy(),
        group,
        form,
        min_count=spec.MIN_COUNT,
        max_members=spec.MAX_MEMBERS,
    )
    before = learned.model.predict(rows.head(rows.height - compared.height))
    return learned.model, np.concatenate([before, learned.out_of_fold])


def _neighbours(rows: pl.DataFrame) -> Indices:
    """The group of each row, numbered from 0: NEIGHBOURS consecutive posts of an account, in the order of writing."""
    place = pl.int_range(pl.len()).over("account_id", order_by=[AS_OF, "post_id"])
    group = pl.struct("account_id", place // NEIGHBOURS).rank("dense") - 1
    return rows.select(group.cast(pl.Int64)).to_series().to_numpy()


def _with_half_life(level: Level, rows: pl.DataFrame, effect: Vector, recent: int) -> Level:
    """The level with that of HALF_LIVES by which what was expected of the newest rows, when they were written, erred least.

    Args:
        level: with any half-life.
        rows: labelled rows, ordered.
        effect: what the form of each adds.
        recent: so many of the rows are learned from; a fifth of them judges.
    """
    judged = rows.tail(min(MAX_JUDGED, max(1, recent // 5)))
    outcome = judged[LABEL].to_numpy() - effect[-judged.height :]

    def error(candidate: Level) -> float:
        expected = candidate.describe(judged, rows, effects=(effect[-judged.height :], effect))[
            ACCOUNT_LEVEL
        ].to_numpy()
        # Rounded: the last bits must not choose.
        return round(float(np.abs(outcome - expected).mean()), 9)

    return min((replace(level, half_life=each) for each in HALF_LIVES), key=error)
