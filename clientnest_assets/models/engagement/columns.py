"""Which columns of a joined row the parts of the model read, told from a feature set by entity and type.

Nothing is named here that a set could name: a feature that enters a set is read, without a line of code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from clientnest_assets.features.point_in_time import column
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.sets import FeatureSet
from clientnest_assets.features.view import Feature, FeatureView
from clientnest_assets.models.additive import Traits
from clientnest_assets.models.encoding import ModelColumns
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.errors import ModelError

_FORM_KEYS: Final = {"post_id", "platform", "weekday", "hour"}
"""Views by these alone tell posts of one account apart; those of accounts and users tell who posts."""


@dataclass(frozen=True)
class Columns:
    """What the additive model of a post's form reads, what the trees read, and where log followers are, if they are."""

    form: Traits
    trees: ModelColumns
    followers: str | None


def columns_of(features: FeatureSet) -> Columns:
    """The columns of a feature set, with the model's own.

    Texts are categories, truth values and numbers are numbers. A list counts by its members, for the
    form alone: trees take no lists.

    Raises:
        ModelError: the set lacks a view without which there is no model, or has a list of an account or user.
    """
    if lacking := [view.name for view in (spec.CONTENT, spec.HISTORY) if view.name not in features.features]:
        raise ModelError(
            f"the feature set {features.full_name} lacks {', '.join(lacking)}, which the model starts from"
        )
    form = _by_kind(features, of_form=True)
    whose = _by_kind(features, of_form=False)
    if whose.lists:
        raise ModelError(
            f"{', '.join(whose.lists)} in the feature set {features.full_name}: a list counts only as part of a post's form"
        )
    return Columns(
        form=Traits(
            numeric=(*form.numbers, *spec.REQUEST_NUMBERS),
            levels=spec.SLOT,
            categorical=form.texts,
            sets=form.lists,
            group="platform",
        ),
        trees=ModelColumns(
            numeric=(
                *spec.EXPECTATIONS,
                *spec.LEVELS,
                *spec.YOUNG,
                *form.numbers,
                *whose.numbers,
                *spec.SLOT,
                *spec.REQUEST_NUMBERS,
            ),
            categorical=("platform", *form.texts, *whose.texts),
        ),
        followers=spec.FOLLOWERS if spec.FOLLOWERS in features.columns else None,
    )


@dataclass(frozen=True)
class _Kinds:
    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    lists: tuple[str, ...]


def _by_kind(features: FeatureSet, *, of_form: bool) -> _Kinds:
    chosen = [
        (VIEWS[name], feature)
        for name, names in features.features.items()
        for feature in VIEWS[name].features
        if feature.name in names and (set(VIEWS[name].entity_keys) <= _FORM_KEYS) == of_form
    ]

    def names(kind: str) -> tuple[str, ...]:
        return tuple(column(view, feature.name) for view, feature in chosen if _kind(view, feature) == kind)

    return _Kinds(names("number"), names("text"), names("list"))


def _kind(view: FeatureView, feature: Feature) -> str:
    if feature.dtype.is_numeric() or feature.dtype == pl.Boolean:
        return "number"
    if feature.dtype == pl.String:
        return "text"
    if feature.dtype == pl.List(pl.String):
        return "list"
    raise ModelError(f"{view.name}.{feature.name} is {feature.dtype}, which the model cannot read")
