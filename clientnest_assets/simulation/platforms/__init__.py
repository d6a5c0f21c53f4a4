"""A stand-in for the five platforms' APIs on loopback: their documented shapes, limits, tokens and errors, and faults at will.

It shows the posts and accounts of the simulated world, so that what the collectors land can be held against it. It shares
no code with the collectors: what one side misunderstood the other would otherwise misunderstand too.
"""

from clientnest_assets.simulation.platforms.connecting import connect
from clientnest_assets.simulation.platforms.server import StandIn
from clientnest_assets.simulation.platforms.shown import Shown, ShownAccount, ShownPost, read_shown

__all__ = ["Shown", "ShownAccount", "ShownPost", "StandIn", "connect", "read_shown"]
