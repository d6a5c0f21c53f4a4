"""Whether the online store says what the lake says: a sample of entities, read both ways at the same moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from clientnest_assets.features.online.reading import get_online_features, joined_columns
from clientnest_assets.features.online.store import OnlineStore
from clientnest_assets.features.point_in_time import AS_OF, get_historical_features
from clientnest_assets.features.store import stored_rows
from clientnest_assets.features.view import MOMENT, FeatureView
from clientnest_assets.lake import Lake

SAMPLE: Final = 1000
SHOWN: Final = 20


@dataclass(frozen=True)
class Parity:
    """What a comparison found.

    Attributes:
        entities_offline: entities that the lake knows at the moment.
        entities_online: entities that the online store holds.
        sampled: entities that were compared.
        differing: how many of them differ anywhere.
        differences: the first that differ: columns entity, feature, online, offline, as text.
    """

    entities_offline: int
    entities_online: int
    sampled: int
    differing: int
    differences: pl.DataFrame

    @property
    def holds(self) -> bool:
        """True if both know as many entities and none of the sample differs."""
        return self.differing == 0 and self.entities_online == self.entities_offline


def compare(
    lake: Lake, store: OnlineStore, view: FeatureView, now: datetime, *, seed: int, sample: int = SAMPLE
) -> Parity:
    """Reads a sample of the view's entities both ways, as of now, and compares every value, status and age.

    Args:
        lake: has the stored view.
        store: the online store.
        view: the view.
        now: the moment of both.
        seed: chooses the sample: the same seed, the same entities.
        sample: how many entities; all, if there are fewer.

    Raises:
        DefinitionChangedError: the stored rows were computed by another definition of the same version.
        OnlineStoreError: the store does not answer.
    """
    keys = list(view.entity_keys)
    moment = pl.lit(now).cast(MOMENT)
    stored = stored_rows(lake, view).filter(pl.max_horizontal(view.event_time, view.known_time) <= moment)
    known = stored.select(keys).drop_nulls().unique().collect(engine="streaming")
    chosen = known.sort(pl.struct(keys).hash(seed)).head(sample).sort(keys)
    history = _history(view, stored, chosen)
    offline = get_historical_features(chosen.with_columns(moment.alias(AS_OF)), {view: history}).drop(AS_OF).collect()
    online = get_online_features(store, chosen, [view], now)
    names = joined_columns(view)
    unequal = {name: online[name].ne_missing(offline[name]) for name in names}
    return Parity(
        entities_offline=known.height,
        entities_online=store.count(view),
        sampled=chosen.height,
        differing=int(pl.select(pl.any_horizontal(unequal.values()).sum()).item()),
        differences=_differences(view, chosen, online, offline, unequal),
    )


def _history(view: FeatureView, stored: pl.LazyFrame, chosen: pl.DataFrame) -> pl.DataFrame:
    """The chosen entities' rows, without those older than the newest of each: no read as of now takes one of them."""
    theirs, event = stored.join(chosen.lazy(), on=chosen.columns, how="semi"), view.event_time
    newest = theirs.group_by(chosen.columns).agg(pl.col(event).max()).collect(engine="streaming")
    return theirs.filter(pl.col(event) >= pl.lit(newest[event].min(), MOMENT)).collect(engine="streaming")


def _differences(
    view: FeatureView,
    chosen: pl.DataFrame,
    online: pl.DataFrame,
    offline: pl.DataFrame,
    unequal: dict[str, pl.Series],
) -> pl.DataFrame:
    entity = pl.format(", ".join(f"{key} {{}}" for key in view.entity_keys), *view.entity_keys)
    labels = chosen.select(entity.alias("entity")).to_series()
    parts = [
        pl.DataFrame(
            {
                "entity": labels[rows],
                "feature": pl.repeat(name, rows.len(), dtype=pl.String(), eager=True),
                "online": _as_text(online[name][rows]),
                "offline": _as_text(offline[name][rows]),
            }
        )
        for name, differs in unequal.items()
        for rows in [differs.arg_true().head(SHOWN)]
    ]
    return pl.concat(parts).sort("entity", "feature", maintain_order=True).head(SHOWN)


def _as_text(values: pl.Series) -> pl.Series:
    """Values for people: of floats the shortest text that tells them apart; null stays null."""
    return pl.Series([None if value is None else str(value) for value in values.to_list()], dtype=pl.String())
