"""Both online stores on real servers, and small views to publish."""

import itertools
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from clientnest_assets.features.online.postgres import PostgresStore
from clientnest_assets.features.online.redis import RedisStore
from clientnest_assets.features.online.store import Position
from clientnest_assets.features.view import MOMENT, Feature, FeatureView
from clientnest_assets_tests.features.online.redis_server import running_redis

NOW = datetime(2026, 5, 1, tzinfo=UTC)
FEATURES = (
    Feature("sessions", pl.Int64(), "A whole number."),
    Feature("rate", pl.Float64(), "A number."),
    Feature("is_new", pl.Boolean(), "A flag."),
    Feature("Tier's name", pl.String(), "A text."),
    Feature("words", pl.List(pl.String()), "Texts."),
)


def _compute(inputs, window):
    return inputs["rows"]


def make_view(name="activity", keys=("user_id",), features=FEATURES, ttl=timedelta(days=3), version=1):
    return FeatureView(
        name=name,
        version=version,
        entity_keys=keys,
        features=features,
        compute=_compute,
        upstream=(),
        owner="data@clientnest.example",
        description="One row per entity and day.",
        ttl=ttl,
    )


def simple_view(name="counts"):
    return make_view(name, features=(Feature("value", pl.Int64(), "A number."),))


def simple_rows(values, event_at=NOW):
    """A row for each user, from 1 on, with its value; None leaves the user out."""
    return pl.DataFrame(
        [(user, event_at, value) for user, value in enumerate(values, 1) if value is not None],
        {"user_id": pl.Int64(), "event_at": MOMENT, "value": pl.Int64()},
        orient="row",
    )


def position(version, created_ms=1_000, as_of=NOW):
    return Position(created_ms, version, as_of)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory):
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


_namespaces = itertools.count(1)


@pytest.fixture
def redis_store(redis_url):
    store = RedisStore(redis_url, f"test-{next(_namespaces)}", lock_seconds=0.5)
    yield store
    store.close()


@pytest.fixture(scope="session")
def postgres_url(databases):
    return databases.create()


@pytest.fixture
def postgres_store(postgres_url):
    store = PostgresStore(postgres_url)
    store.clean([])
    yield store
    store.close()


@pytest.fixture(params=["postgres", "redis"])
def store(request):
    return request.getfixturevalue(f"{request.param}_store")
