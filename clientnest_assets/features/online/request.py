"""Features of something not stored yet, such as a draft: computed from the request by the function that offline uses."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import polars as pl

from clientnest_assets.features.online.reading import get_online_features, joined_columns, with_features
from clientnest_assets.features.online.store import OnlineStore
from clientnest_assets.features.point_in_time import PRESENT, age_column, column, status_column
from clientnest_assets.features.view import FeatureView, FeatureViewError


def features_on_request(view: FeatureView, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the view's features, PRESENT and 0 seconds old, under the names of `get_historical_features`.

    Args:
        view: a view with `on_request`.
        rows: what the request brings (`view.request`), more columns allowed. What has a default may be left out.

    Raises:
        FeatureViewError: the view cannot be computed on request, or a column is missing or of another type.
    """
    if view.on_request is None:
        raise FeatureViewError(f"{view.name} cannot be computed from a request: read it from a store")
    defaults = [
        pl.lit(each.default, each.dtype).alias(each.name)
        for each in view.request
        if each.default is not None and each.name not in rows.columns
    ]
    given = rows.with_columns(defaults)
    wrong = [
        f"{each.name} ({each.dtype} needed, {given.schema.get(each.name, 'missing')} found)"
        for each in view.request
        if given.schema.get(each.name) != each.dtype
    ]
    if wrong:
        raise FeatureViewError(f"a request for {view.name}: {'; '.join(wrong)}")
    asked = given.lazy().select(each.name for each in view.request)
    features = view.on_request(asked).select(
        *(pl.col(each.name).cast(each.dtype).alias(column(view, each.name)) for each in view.features),
        pl.lit(PRESENT).alias(status_column(view)),
        pl.lit(0, pl.Int64()).alias(age_column(view)),
    )
    return with_features(rows, [features.collect(engine="in-memory")])


def draft_features(
    store: OnlineStore, drafts: pl.DataFrame, views: Iterable[FeatureView], now: datetime
) -> pl.DataFrame:
    """The drafts with the features of every view, as `get_historical_features` gives them for a stored post.

    Views with `on_request` are computed from the drafts, the others are read from the online store by the keys that
    the drafts have, such as user_id, account_id, platform, weekday and hour.

    Args:
        store: where to read.
        drafts: what the requests bring, and keys.
        views: which views.
        now: the moment of the request, UTC.

    Raises:
        FeatureViewError: a column is missing or of another type.
        OnlineStoreError: the store does not answer.
    """
    wanted = list(views)
    features = get_online_features(store, drafts, [view for view in wanted if view.on_request is None], now)
    for view in wanted:
        if view.on_request is not None:
            features = features_on_request(view, features)
    # In the order of the views, as offline.
    names = [name for view in wanted for name in joined_columns(view)]
    return features.select(*drafts.columns, *names)
