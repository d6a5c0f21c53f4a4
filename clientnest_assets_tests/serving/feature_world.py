"""A feature store with two small views, written by the functions that the assets call, for those who show and serve it.

Of one view the last days are shifted, too much is null, and its texts try to be more than text; the other has no row.
"""

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.features.online.latest import latest
from clientnest_assets.features.quality.measure import measure
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.sets import SETS, FeatureSet
from clientnest_assets.features.store import store_window
from clientnest_assets.features.view import Feature, FeatureView
from clientnest_assets.lake.files import write_files
from clientnest_assets.models.artefact import FORM
from clientnest_assets.partitions import Calendar, Window
from clientnest_assets_tests.serving.served import installed

LAST = datetime(2026, 4, 19, tzinfo=UTC).date()
WINDOW = Window.of_days(LAST - timedelta(days=50), LAST)
USERS = 200
SHIFTED = 5
"""On so many last days the sessions are ten more."""


def _compute(inputs, window):
    return inputs["rows"]


def view(name, **changes):
    declared = {
        "version": 1,
        "entity_keys": ("user_id",),
        "features": (Feature("value", pl.Int64(), "A number."),),
        "compute": _compute,
        "upstream": (),
        "owner": "data@clientnest.example",
        "description": "One row per user and day.",
        "ttl": timedelta(days=3),
    }
    return FeatureView(name=name, **{**declared, **changes})


ACTIVITY = view(
    "activity",
    features=(
        Feature("sessions", pl.Int64(), "Sessions of the day.", "sessions", 0, minimum=0, maximum=1000),
        Feature("ratio", pl.Float64(), "Sessions against the week before.", max_null_share=0.1),
        Feature("tier", pl.String(), "The plan <b>now</b>.", values=("free", "<script>alert(1)</script>")),
    ),
    description="One row per user & day: <img src=x onerror=alert(1)>. More of it.",
)
SILENT = view("silent", entity_keys=("platform",), ttl=None)


def activity_rows():
    """USERS users on each day: the first of the tiers is rare, a fifth of the ratios is null, the last days shifted."""
    day = pl.DataFrame({DAY: WINDOW.days()})
    user = pl.DataFrame({"user_id": range(1, USERS + 1)}, schema={"user_id": pl.Int64()})
    end = pl.col(DAY).cast(pl.Datetime("us", "UTC")) + timedelta(days=1)
    shift = pl.when(pl.col(DAY) > LAST - timedelta(days=SHIFTED)).then(10).otherwise(0)
    return day.join(user, how="cross").select(
        "user_id",
        end.alias("event_at"),
        end.alias("known_at"),
        (pl.col("user_id") % 7 + shift).cast(pl.Int64).alias("sessions"),
        pl.when(pl.col("user_id") % 5 > 0).then(pl.col("user_id") / 100).alias("ratio"),
        pl.when(pl.col("user_id") % 10 > 0)
        .then(pl.lit("free"))
        .otherwise(pl.lit("<script>alert(1)</script>"))
        .alias("tier"),
        DAY,
    )


CARD = {
    "form": FORM,
    "fingerprint": "0123456789abcdef",
    "feature_set": {"name": "churn", "variant": "lean", "features": {"activity": ["sessions", "tier"]}},
    "evaluated": {"rows_later": 1234},
    "metrics": {"model": {"mae": 0.25, "rows": 1234}},
}
"""What of a model's card the catalogue reads."""


@contextmanager
def at_the_end_of_the_world(home, warehouse_url):
    """An empty installation, in this process' environment too. It is the end of the last day."""
    settings = {
        "CLIENTNEST_ENVIRONMENT": "production",
        "CLIENTNEST_APP_DATABASE_URL": warehouse_url,
        "CLIENTNEST_WAREHOUSE_URL": warehouse_url,
        "CLIENTNEST_DAGSTER_DATABASE_URL": warehouse_url,
        "CLIENTNEST_LAKE_URL": str(home / "lake"),
        "CLIENTNEST_PSEUDONYM_KEY": "a key of the tests, long enough for it",
        "CLIENTNEST_FIRST_DAY": str(WINDOW.start),
        "CLIENTNEST_FEATURES_KEYS": "old key, new key",
    }
    with patch.object(Calendar, "now", lambda _self: WINDOW.end_at), installed(home, **settings) as installation:
        yield installation
        installation.online_store.close()


@contextmanager
def feature_world(home, warehouse_url):
    """The installation with `activity` stored, measured, published and read by a model, and `silent` declared only."""
    views = {"activity": ACTIVITY, "silent": SILENT, "content": VIEWS["content"]}
    with (
        patch.dict(VIEWS, views, clear=True),
        patch.dict(SETS, clear=True),
        at_the_end_of_the_world(home, warehouse_url) as installation,
    ):
        chosen = FeatureSet("churn", "lean", "Little <i>is</i> enough.", {"activity": ("sessions", "tier")})
        SETS["churn", "lean"] = chosen
        lake = installation.lake
        rows = ACTIVITY.materialise({"rows": activity_rows().lazy()}, WINDOW)
        store_window(lake, ACTIVITY, rows, WINDOW)
        measure(lake, ACTIVITY, rows, WINDOW)
        installation.online_store.publish(ACTIVITY, *latest(lake, ACTIVITY, WINDOW.end_at))
        for week in ("2026-04-06", "2026-04-13"):
            write_files(lake, f"models/churn_lean/{week}", {"card.json": json.dumps(CARD).encode()})
        yield installation
