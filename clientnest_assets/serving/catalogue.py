"""Gathers the feature catalogue: every view, feature, feature set and model, and how each is now.

From the declarations, the lake's logs, the stored profiles and the online store; no table is scanned but the newest
day of a view. What an entry holds is in `catalogue_entries.py`, how it looks in `pages.py`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from typing import Any, Final

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.errors import ClientNestError
from clientnest_assets.features.point_in_time import MISSING, PRESENT, STALE, column
from clientnest_assets.features.quality.store import QUANTILES, catalogue_profiles
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.sets import SETS
from clientnest_assets.features.store import view_table
from clientnest_assets.features.view import DEFINITION, KEYS, Feature, FeatureView
from clientnest_assets.installation import Installation
from clientnest_assets.lake.files import folders
from clientnest_assets.models import store
from clientnest_assets.models.errors import ForeignModelError
from clientnest_assets.models.model import MODEL
from clientnest_assets.partitions import Window
from clientnest_assets.serving.catalogue_entries import (
    Drift,
    FeatureEntry,
    Histogram,
    KeyEntry,
    ModelEntry,
    Online,
    Profile,
    Series,
    SetEntry,
    Share,
    Stored,
    ViewEntry,
)
from clientnest_assets.serving.remembered import Remembered
from clientnest_assets.serving.words import share

ANOTHER_DEFINITION: Final = (
    "The stored rows were computed by another definition of the same version, so nothing reads them: raise the version "
    "and backfill, or take the change back."
)


class Catalogue:
    """The catalogue of one installation, safe to ask from several threads. Answers may be some seconds old."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._remembered = Remembered()

    def views(self) -> list[ViewEntry]:
        """Every view, in the order of the registry."""
        # At once: most of the time goes into waiting for the lake.
        with ThreadPoolExecutor(len(VIEWS)) as pool:
            return list(pool.map(self.view, VIEWS))

    def view(self, name: str) -> ViewEntry:
        """One view.

        Raises:
            KeyError: if there is none of that name.
        """
        view = VIEWS[name]
        return self._remembered.get(name, lambda: self._entry(view))

    def sets(self) -> list[SetEntry]:
        """Every feature set, in the order of their declaration."""
        return [
            SetEntry(
                name=each.name,
                variant=each.variant,
                description=each.description,
                features={view: list(features) for view, features in each.features.items()},
                models=[model for model in self.models() if model.feature_set == each.full_name],
            )
            for each in SETS.values()
        ]

    def models(self) -> list[ModelEntry]:
        """The newest model of each task."""
        # The space keeps it apart from any view.
        return self._remembered.get("newest models", self._models)

    def _models(self) -> list[ModelEntry]:
        lake, found = self._installation.lake, []
        for task in folders(lake, store.LAYER):
            for week in store.trained_weeks(lake, task)[-1:]:
                # One that cannot be read is told of on its own page, and hides nothing here.
                with suppress(ForeignModelError):
                    found.append(_model(task, week, store.read_card(lake, task, week)))
        return found

    def _entry(self, view: FeatureView) -> ViewEntry:
        stored = self._stored(view)
        age = int((self._installation.calendar.now() - stored.newest_event_at).total_seconds()) if stored else None
        is_stale = age is not None and view.ttl is not None and age > view.ttl.total_seconds()
        online, problems = self._published(view)
        if stored and stored.definition != view.definition_hash:
            problems.append(ANOTHER_DEFINITION)
        models = self.models()
        return ViewEntry(
            name=view.name,
            version=view.version,
            table=view.table_name,
            description=view.description,
            owner=view.owner,
            entity_keys=[
                KeyEntry(name=name, type=str(KEYS[name].dtype), description=KEYS[name].description)
                for name in view.entity_keys
            ],
            event_time=view.event_time,
            known_time=view.known_time,
            ttl_seconds=None if view.ttl is None else int(view.ttl.total_seconds()),
            definition=view.definition_hash,
            on_request=view.on_request is not None,
            upstream=[f"{each.layer}/{each.table}" for each in view.upstream],
            downstream=[f"online/{view.name}", *(each.asset for each in models if view.name in each.features)],
            status=MISSING if stored is None else STALE if is_stale else PRESENT,
            age_seconds=age,
            stored=stored,
            online=online,
            problems=problems,
            features=self._features(view, models),
        )

    def _stored(self, view: FeatureView) -> Stored | None:
        table = view_table(self._installation.lake, view)
        days = table.row_counts().filter(pl.col("rows") > 0)
        if days.is_empty():
            return None
        newest: date = days[DAY].max()  # type: ignore[assignment]
        of_newest = (
            table.scan(Window.of_days(newest, newest))
            .select(
                pl.len().alias("rows"),
                pl.struct(view.entity_keys).n_unique().alias("entities"),
                pl.col(view.event_time).max().alias("newest_event_at"),
                pl.col(DEFINITION).first().alias("definition"),
            )
            .collect()
            .row(0, named=True)
        )
        return Stored(
            days=days.height,
            rows=days["rows"].sum(),
            bytes=days["bytes"].sum(),
            newest_day=newest,
            newest_day_rows=of_newest["rows"],
            newest_day_entities=of_newest["entities"],
            newest_event_at=of_newest["newest_event_at"],
            definition=of_newest["definition"],
        )

    def _published(self, view: FeatureView) -> tuple[Online | None, list[str]]:
        """What is online, and what is in the way of knowing it: a page is of use without."""
        try:
            found = self._installation.online_store.generation(view)
        except ClientNestError as error:
            return None, [str(error)]
        if found is None:
            return None, []
        return Online(
            generation=found.number, rows=found.rows, as_of=found.position.as_of, published_at=found.published_at
        ), []

    def _features(self, view: FeatureView, models: list[ModelEntry]) -> list[FeatureEntry]:
        profiles = catalogue_profiles(self._installation.lake, view)
        # A feature that was declared since has a row without figures.
        measured = profiles.newest.drop_nulls("rows")
        newest = {row["feature"]: row for row in measured.iter_rows(named=True)}
        series = {name: rows for (name,), rows in profiles.series.group_by("feature", maintain_order=True)}
        return [
            FeatureEntry(
                name=each.name,
                column=column(view, each.name),
                type=str(each.dtype),
                description=each.description,
                unit=each.unit,
                default=each.default,
                minimum=each.minimum,
                maximum=each.maximum,
                values=None if each.values is None else list(each.values),
                max_null_share=each.max_null_share,
                moves_with_time=each.moves_with_time,
                profile=_profile(newest[each.name]) if each.name in newest else None,
                drift=_drift(newest[each.name]) if each.name in newest else None,
                series=_series(series[each.name]) if each.name in series else None,
                problems=_problems(each, newest[each.name]) if each.name in newest else [],
                sets=[of.full_name for of in SETS.values() if each.name in of.features.get(view.name, ())],
                models=[of.task for of in models if each.name in of.features.get(view.name, ())],
                left_out=next(
                    (why for of in SETS.values() if (why := of.left_out.get(f"{view.name}.{each.name}"))), None
                ),
            )
            for each in view.features
        ]


def _model(task: str, week: date, card: dict[str, Any]) -> ModelEntry:
    told = card.get("feature_set")
    return ModelEntry(
        task=task,
        week=week,
        version=f"{task}-{card['fingerprint'][:12]}",
        feature_set=f"{told['name']}/{told['variant']}" if told else None,
        features=told["features"] if told else {},
        rows_evaluated=card.get("evaluated", {}).get("rows_later"),
        metrics={name: value for name, value in card.get("metrics", {}).get(MODEL, {}).items() if name != "rows"},
    )


def _profile(row: dict[str, Any]) -> Profile:
    quantiles, categories = row["quantiles"] or [], row["categories"] or []
    reference = row["reference_shares"] or [None] * len(categories)
    return Profile(
        day=row[DAY],
        rows=row["rows"],
        null_share=row["null_share"],
        outside=row["outside"],
        mean=row["mean"],
        std=row["std"],
        quantiles={str(level): value for level, value in zip(QUANTILES, quantiles, strict=False)},
        histogram=Histogram(edges=row["edges"], recent=row["recent_histogram"], reference=row["reference_histogram"])
        if row["edges"] and row["recent_histogram"]
        else None,
        shares=[
            Share(value=value, recent=recent, reference=before)
            for value, recent, before in zip(categories, row["recent_shares"] or [], reference, strict=True)
        ],
    )


def _drift(row: dict[str, Any]) -> Drift | None:
    return Drift(**{name: row[name] for name in Drift.model_fields}) if row["verdict"] else None


def _series(rows: pl.DataFrame) -> Series:
    return Series(days=rows[DAY].to_list(), **{name: rows[name].to_list() for name in ("null_share", "mean", "psi")})


def _problems(feature: Feature, row: dict[str, Any]) -> list[str]:
    found = []
    if row["null_share"] is not None and row["null_share"] > feature.max_null_share:
        found.append(f"{share(row['null_share'])} are null, at most {share(feature.max_null_share)} may be")
    if row["outside"]:
        found.append(f"{row['outside']:,} values of {row['rows']:,} are outside what is declared")
    return found
