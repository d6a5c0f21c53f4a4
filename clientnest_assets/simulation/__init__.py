"""The simulated ClientNest: a company whose truth is known, written into the app's own tables."""

from clientnest_assets.simulation.simulate import advance_world, write_world
from clientnest_assets.simulation.truth import read_world
from clientnest_assets.simulation.world import World, WorldError

__all__ = ["World", "WorldError", "advance_world", "read_world", "write_world"]
