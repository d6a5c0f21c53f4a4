"""The small world of posting times, trained once."""

from __future__ import annotations

import pytest

from clientnest_assets.models.model import Trained
from clientnest_assets.models.posting_times.training import train
from clientnest_assets_tests.models.posting_times.world import World, make_world


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()


@pytest.fixture(scope="session")
def trained(world: World) -> Trained:
    return train(world.training())
