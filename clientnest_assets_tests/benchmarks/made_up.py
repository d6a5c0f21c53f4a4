"""Made-up rows with every column that the models read, in any number.

What a model costs does not depend on what they say. No measuring here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF, PRESENT, column, status_column
from clientnest_assets.features.sets import FeatureSet
from clientnest_assets.features.view import MOMENT
from clientnest_assets.models.churn import spec as churn
from clientnest_assets.models.engagement import spec as engagement
from clientnest_assets.models.engagement.young import YOUNG_LOG, YOUNG_POSTS
from clientnest_assets.models.splits import LABEL_KNOWN_AT

UNTIL: Final = datetime(2026, 5, 1, tzinfo=UTC)
PLATFORMS: Final = ("facebook", "instagram", "linkedin", "tiktok", "twitter")
WORDS: Final = np.array([f"word_{number}" for number in range(400)])
MEMBERS: Final = 8
POSTS_PER_ACCOUNT: Final = 10
SHARE_MISSING: Final = 0.1
_SECOND: Final = 1_000_000
_START: Final = np.datetime64((UNTIL - timedelta(days=130)).replace(tzinfo=None), "us").astype(np.int64)


def table(rows: int, numbers: int, categories: int, random: np.random.Generator) -> pl.DataFrame:
    """So many numbers and categories, some missing, and `target`, which some of them make."""
    values = {f"number_{place}": drawn(pl.Float64(), rows, random) for place in range(numbers)}
    texts = {f"category_{place}": drawn(pl.String(), rows, random) for place in range(categories)}
    target = sum(values[f"number_{place}"].fill_null(0) * 0.3**place for place in range(5))
    return pl.DataFrame({**values, **texts}).with_columns(target=target + random.normal(size=rows))


def posts(rows: int, features: FeatureSet, random: np.random.Generator) -> pl.DataFrame:
    """Labelled posts with features, in order: POSTS_PER_ACCOUNT of each account, two accounts a user."""
    account = random.permutation(rows) // POSTS_PER_ACCOUNT
    written = np.sort(random.integers(0, 120 * 86_400, rows))
    as_of = (_START + written * _SECOND).astype("datetime64[us]")
    given = {
        "post_id": np.arange(rows),
        "user_id": account // 2,
        "account_id": account,
        "platform": np.array(PLATFORMS)[account % len(PLATFORMS)],
        AS_OF: as_of,
        "planned_at": as_of,
        "hour": written // 3_600 % 24,
        "weekday": written // 86_400 % 7 + 1,
        **{name: random.poisson(2, rows).astype(float) for name in engagement.REQUEST_NUMBERS},
        LABEL_KNOWN_AT: as_of + np.timedelta64(timedelta(days=7)),
        engagement.LABEL: 4 + np.sin(account) + 0.1 * (written // 3_600 % 24 > 16) + random.normal(0, 0.6, rows),
        YOUNG_POSTS: random.poisson(1, rows),
        YOUNG_LOG: 4 + random.normal(size=rows),
        engagement.DRIFT: random.normal(0, 0.1, rows),
        **{name: np.full(rows, score) for name, score in zip(engagement.BOUNDARIES, (20.0, 50.0, 100.0), strict=True)},
    }
    return _with_features(given, features, rows, random)


def users(rows: int, features: FeatureSet, random: np.random.Generator) -> pl.DataFrame:
    """Labelled users with features, in order."""
    days = np.sort(random.integers(0, 90, rows))
    gone = random.random(rows) < 0.2
    given = {
        churn.ENTITY: np.arange(rows),
        AS_OF: (_START + days * 86_400 * _SECOND).astype("datetime64[us]"),
        LABEL_KNOWN_AT: (_START + (days + 30) * 86_400 * _SECOND).astype("datetime64[us]"),
        churn.LABEL: gone,
        churn.CHURN_RISK: random.random(rows),
        churn.TIER: np.array(["free", "starter", "business"])[random.integers(0, 3, rows)],
        **{name: random.poisson(4 + 4 * gone).astype(float) for name in churn.OWN_NUMBERS},
    }
    return _with_features(given, features, rows, random)


def drawn(dtype: pl.DataType, rows: int, random: np.random.Generator) -> pl.Series:
    """Values of a type; some numbers and texts are missing."""
    if isinstance(dtype, pl.List):
        members = pl.Series(WORDS[random.integers(0, len(WORDS), (rows, MEMBERS))], dtype=pl.Array(pl.String, MEMBERS))
        return members.cast(dtype)
    if dtype == pl.Boolean:
        return pl.Series(random.random(rows) < 0.5)
    if dtype == pl.String:
        places = random.integers(0, 10, rows)
        values = pl.Series(WORDS[:10])[places]
    else:
        values = pl.Series(random.normal(size=rows) if dtype.is_float() else random.poisson(4, rows)).cast(dtype)
    return values.to_frame("value").select(pl.when(pl.Series(random.random(rows) >= SHARE_MISSING)).then("value"))[
        "value"
    ]


def _with_features(given: dict[str, Any], features: FeatureSet, rows: int, random: np.random.Generator) -> pl.DataFrame:
    drawn_features = {
        column(view, feature.name): drawn(feature.dtype, rows, random)
        for view in features.views
        for feature in view.features
        if feature.name in features.features[view.name]
    }
    statuses = {status_column(view): pl.Series([PRESENT] * rows) for view in features.views}
    moments = [name for name, values in given.items() if np.asarray(values).dtype.kind == "M"]
    return pl.DataFrame({**given, **drawn_features, **statuses}).cast(dict.fromkeys(moments, MOMENT))
