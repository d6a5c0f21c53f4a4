"""Why a post is predicted as it is: the strongest reasons in words, each with the factor that it makes.

The parts of the level, the effects of the form and LightGBM's own contributions are all sums on the scale of log
engagement: what comes from one feature is added up, and the parts of a row add up to its prediction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final, Self

import numpy as np
import polars as pl

from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.view import Feature
from clientnest_assets.models.additive import Indices, Parts
from clientnest_assets.models.boosting import Vector
from clientnest_assets.models.encoding import places
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.predictor import Prediction, Predictor

COUNT: Final = 5
LEAST: Final = 0.01
"""What changes the score by less than a hundredth is no reason."""
DECIMALS: Final = 6
REASON: Final = pl.Struct({"reason": pl.String(), "effect": pl.String(), "factor": pl.Float64()})
"""Words with the value; the effect in percent of 1 + the score; the same as a factor."""

_MEMBER_WORDS: Final = (
    pl.when(pl.col("set").str.ends_with("hashtags"))
    .then(pl.format("Hashtag: #{}", pl.col("member")))
    .otherwise(pl.format("Word: {}", pl.col("member")))
)
_PERCENT: Final = (pl.col("factor") - 1) * 100
_EFFECT: Final = pl.format(
    "{}{} %", pl.when(_PERCENT < 0).then(pl.lit("-")).otherwise(pl.lit("+")), _PERCENT.abs().round().cast(pl.Int64)
)

PLATFORM, FOLLOWERS, ACCOUNT, AUTHOR = "platform", "followers", "account", "author"
WHOLE_FORM, LATELY = "form", "lately"
_OF_VIEW: Final = {
    "account_level": ACCOUNT,
    "user_level": AUTHOR,
    "user_engagement_history": ACCOUNT,
    "author_engagement_history": AUTHOR,
}
_OF_COLUMN: Final = {
    spec.EXPECTED: ACCOUNT,
    spec.ACCOUNT_LEVEL: ACCOUNT,
    spec.CONTENT_EFFECT: WHOLE_FORM,
    **dict.fromkeys(spec.YOUNG, ACCOUNT),
    spec.FOLLOWERS: FOLLOWERS,
}
_REQUEST_WORDS: Final = {
    "days_ahead": "Written ahead of its time: {} days",
    "hours_since_previous_post": "Since the account's previous post was written: {} hours",
    "posts_in_1_day": "Posts that the account wrote in the day before: {}",
    "posts_in_7_days": "Posts that the account wrote in the 7 days before: {}",
}
UNKNOWN: Final = "unknown"
_WEEKDAYS: Final = dict(
    enumerate(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"), start=1)
)


@dataclass(frozen=True)
class Usual:
    """What the form of a platform's usual post adds, by trait: from there reasons are counted.

    Attributes:
        by_platform: means over the training posts, in the order of the form's traits.
        overall: over all of them, for a platform that they lack.
    """

    by_platform: Mapping[str, tuple[float, ...]]
    overall: tuple[float, ...]

    @classmethod
    def of(cls, predictor: Predictor, rows: pl.DataFrame) -> Self:
        """The means over these posts."""
        effects, platform = predictor.level.form.parts(rows).singles, rows["platform"].to_numpy()
        names = sorted(rows["platform"].unique())
        return cls({name: _mean(effects[platform == name]) for name in names}, _mean(effects))

    def __call__(self, platforms: pl.Series) -> Vector:
        """One line a row."""
        known, table = self._table
        usual: Vector = table[np.nan_to_num(places(platforms, known), nan=len(table) - 1).astype(np.int64)]
        return usual

    @cached_property
    def _table(self) -> tuple[pl.Enum, Vector]:
        return pl.Enum(list(self.by_platform)), np.array([*self.by_platform.values(), self.overall])

    def to_json(self) -> dict[str, Any]:
        """For the model's card."""
        return {
            "by_platform": {name: list(means) for name, means in self.by_platform.items()},
            "overall": list(self.overall),
        }

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        by_platform = {name: tuple(means) for name, means in card["by_platform"].items()}
        return cls(by_platform, tuple(card["overall"]))


def reasons(predictor: Predictor, usual: Usual, prediction: Prediction) -> pl.Series:
    """The COUNT strongest reasons of each row, strongest first: a list of REASON, empty where nothing is as strong as LEAST.

    Args:
        predictor: the model.
        usual: what reasons are counted from.
        prediction: what is explained.
    """
    described = prediction.rows
    form = prediction.form or predictor.level.form.parts(described)
    names, added = parts(predictor, usual, prediction, form)
    members = predictor.level.form.members(form)
    strongest = np.argsort(-np.abs(added), axis=1, kind="stable")[:, :COUNT]
    # What may be a reason: of each row the strongest features, by their places in the names, and behind these the members.
    row = np.concatenate([np.repeat(np.arange(described.height), strongest.shape[1]), members["row"].to_numpy()])
    what = np.concatenate([strongest.ravel(), len(names) + np.arange(members.height)])
    adds = np.concatenate([np.take_along_axis(added, strongest, axis=1).ravel(), members["effect"].to_numpy()])
    order = np.lexsort((-np.abs(adds), row))
    order = order[np.abs(adds[order]) >= LEAST]
    rank = np.arange(len(order)) - np.searchsorted(row[order], row[order])
    order = order[rank < COUNT]
    row, what, adds = row[order], what[order], adds[order]
    factor = np.round(np.exp(adds), DECIMALS)
    said = pl.DataFrame({"reason": _words(names, what, row, described, members), "factor": factor}).select_seq(
        "reason", _EFFECT.alias("effect"), "factor"
    )
    ends = np.searchsorted(row, np.arange(described.height + 1))
    return _lists(said.to_struct("reasons"), ends)


def _words(names: list[str], what: Indices, row: Indices, described: pl.DataFrame, members: pl.DataFrame) -> pl.Series:
    """What is said of each reason.

    Args:
        names: of the features.
        what: the place of each among the names, or behind these among the members.
        row: the row of each.
        described: the rows.
        members: of all rows.
    """
    own, number = own_words(), len(names)
    is_member = what >= number
    where, words = [np.flatnonzero(is_member)], [pl.Series("reason", [], dtype=pl.String)]
    if is_member.any():
        words = [members[what[is_member] - number].select_seq(_MEMBER_WORDS.alias("reason")).to_series()]
    features = np.unique(what[~is_member])
    said = described.select_seq(
        (own[name] if name in own else words_of_feature(name)).alias(name)
        for name in (names[each] for each in features)
    )
    for each in features:
        of_name = np.flatnonzero(what == each)
        where.append(of_name)
        words.append(said[names[each]][row[of_name]].alias("reason"))
    return pl.concat(words)[np.argsort(np.concatenate(where))]


def parts(predictor: Predictor, usual: Usual, prediction: Prediction, form: Parts) -> tuple[list[str], Vector]:
    """What each feature adds to a row's prediction, beyond a usual post: the features' names, and one line a row.

    Members of sets (hashtags, words) are not among them: they count from not being there.

    Args:
        predictor: the model.
        usual: what is counted from.
        prediction: what is explained.
        form: what each trait of its rows' form adds.
    """
    level, described = predictor.level, prediction.rows
    audience = level.audience.adds(described)
    platform_mean, account_level = (described[name].to_numpy() for name in (spec.PLATFORM_MEAN, spec.ACCOUNT_LEVEL))
    added = {
        PLATFORM: platform_mean - level.naive.overall_mean,
        **({FOLLOWERS: audience} if level.audience.column else {}),
        ACCOUNT: account_level - platform_mean - audience,
        LATELY: level.drift.adds(described),
    }
    singles = form.singles - usual(described["platform"])
    of_trees = predictor.contributions(prediction.features)[:, :-1]
    for names, values in ((level.form.traits.singles, singles), (predictor.encoder.columns.names, of_trees)):
        for name, column in zip(names, values.T, strict=True):
            key = key_of(name)
            added[key] = added.get(key, 0.0) + column
    return list(added), np.column_stack(list(added.values()))


def key_of(column: str) -> str:
    """The reason that a column of the trees or of the form belongs to: itself, or what it is a part of."""
    return _OF_COLUMN.get(column) or _OF_VIEW.get(column.partition("__")[0], column)


@cache
def own_words() -> dict[str, pl.Expr]:
    """What is said of parts that are no feature of a view."""
    followers = (pl.col(spec.FOLLOWERS).exp() - 1).round(0).cast(pl.Int64).cast(pl.String).fill_null(UNKNOWN)
    weekday = pl.col("weekday").replace_strict(_WEEKDAYS, default=UNKNOWN, return_dtype=pl.String)
    return {
        PLATFORM: pl.format("Platform: {}", pl.col("platform")),
        FOLLOWERS: pl.format("Followers: {}", followers),
        ACCOUNT: pl.format(
            "How the account's own posts have done: {} known",
            _posts("account") + pl.col(spec.YOUNG[0]),
        ),
        AUTHOR: pl.format("How the author's posts have done: {} known", _posts("user")),
        LATELY: _where_known(spec.DRIFT, "How everybody's posts have done in the last week"),
        WHOLE_FORM: _where_known(spec.CONTENT_EFFECT, "How the parts of the post's form go together"),
        "hour": pl.format("Hour on the author's clock: {}:00", pl.col("hour")),
        "weekday": pl.format("Weekday on the author's clock: {}", weekday),
        **{name: pl.format(words, _number(pl.col(name))) for name, words in _REQUEST_WORDS.items()},
    }


def _where_known(column: str, words: str) -> pl.Expr:
    return pl.when(pl.col(column).is_not_null()).then(pl.lit(words))


def _posts(entity: str) -> pl.Expr:
    return pl.col(f"{entity}_level__posts").fill_null(0).cast(pl.Int64)


@cache
def words_of_feature(name: str) -> pl.Expr:
    """From the feature's own description: `Length of the text.` becomes `Length of the text: 140 characters`."""
    view, _, feature_name = name.partition("__")
    feature: Feature = next(each for each in VIEWS[view].features if each.name == feature_name)
    title = re.split(r"[.,;:]", feature.description)[0].removeprefix("True if ")
    title = title[:1].upper() + title[1:]
    column = pl.col(name)
    value: pl.Expr = column
    if feature.dtype == pl.Boolean:
        value = pl.when(column).then(pl.lit("yes")).when(~column).then(pl.lit("no"))
    elif feature.dtype.is_numeric():
        value = _number(column)
    unit = f" {feature.unit}" if feature.unit and feature.unit != "ratio" else ""
    return pl.format(f"{_literal(title)}: {{}}{_literal(unit)}", value.fill_null(UNKNOWN))


def _lists(values: pl.Series, ends: Indices) -> pl.Series:
    """A list for each row, of the values from one of the ends to the next."""
    import pyarrow as pa

    return pl.Series(values.name, pa.LargeListArray.from_arrays(ends, values.to_arrow())).cast(pl.List(REASON))


def _number(column: pl.Expr) -> pl.Expr:
    rounded = column.cast(pl.Float64).round_sig_figs(3)
    is_whole = rounded == rounded.round()
    return (
        pl.when(is_whole)
        .then(rounded.cast(pl.Int64, strict=False).cast(pl.String))
        .otherwise(rounded.cast(pl.String))
        .fill_null(UNKNOWN)
    )


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _mean(effects: Vector) -> tuple[float, ...]:
    return tuple((np.round(effects.mean(axis=0), DECIMALS) + 0.0).tolist())
