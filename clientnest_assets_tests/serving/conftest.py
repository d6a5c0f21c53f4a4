"""The web application over an empty feature store, and over the one of `feature_world.py`."""

from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest

from clientnest_assets.installation import Installation
from clientnest_assets.serving.app import create_app
from clientnest_assets_tests.serving.feature_world import at_the_end_of_the_world, feature_world
from clientnest_assets_tests.serving.served import served


@dataclass(frozen=True)
class Served:
    """The application of one installation, and a client of it that shows its key."""

    installation: Installation
    client: httpx.Client

    def page(self, path):
        answer = self.client.get(path)
        assert answer.headers["content-type"].startswith("text/html")
        return answer.text


@contextmanager
def _served(installation):
    with served(create_app(), installation.features_keys[-1]) as client:
        yield Served(installation, client)


@pytest.fixture(scope="module")
def empty(databases, tmp_path_factory):
    """The declared views, and nothing stored."""
    home = tmp_path_factory.mktemp("home")
    with at_the_end_of_the_world(home, databases.create()) as installation, _served(installation) as found:
        yield found


@pytest.fixture(scope="module")
def stored(databases, tmp_path_factory):
    """`activity` is stored, measured, published and read by a model; `silent` is declared only."""
    home = tmp_path_factory.mktemp("home")
    with feature_world(home, databases.create()) as installation, _served(installation) as found:
        yield found
