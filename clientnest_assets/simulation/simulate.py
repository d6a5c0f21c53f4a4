"""The way in: write a world into the app's database, and let time pass in it."""

from __future__ import annotations

from pathlib import Path

from clientnest_assets.simulation.story import Progress, Story
from clientnest_assets.simulation.truth import TruthFiles
from clientnest_assets.simulation.world import World
from clientnest_assets.simulation.writer import continuing, replacing


def write_world(world: World, app_database_url: str, truth_folder: Path, progress: Progress) -> dict[str, int]:
    """Replaces the app's tables by a simulated world, and the truth folder by its truth.

    The database changes in one transaction: killed at any moment, it holds the old rows or the new
    ones, and the same call again completes both it and the truth.

    Args:
        world: the world.
        app_database_url: a PostgreSQL URL; missing tables are created.
        truth_folder: replaced as a whole.
        progress: called after each day with its index and the number of days.

    Returns:
        Rows written by table.
    """
    truth = TruthFiles(truth_folder)
    with replacing(app_database_url) as sink:
        Story(world, sink, truth).run(progress)
    truth.finish(world)
    return sink.rows


def advance_world(
    world: World, extra_days: int, app_database_url: str, truth_folder: Path, progress: Progress
) -> dict[str, int]:
    """Lets time pass beyond the world's last day in a database that holds the world.

    The world is lived through again, to `extra_days` more days, and only what happened after its last
    day is written, in one transaction: the tables are then those of `write_world(world.extended(extra_days))`.
    A repeated call changes nothing.

    Args:
        world: the world as written, before time passes; `truth.read_world` gives it.
        extra_days: how many more days, at least 1.
        app_database_url: the PostgreSQL URL it was written to.
        truth_folder: replaced by the truth of all days.
        progress: called after each day, old and new, with its index and the number of days.

    Returns:
        Rows inserted or updated by table.

    Raises:
        WorldError: `extra_days` is below 1.
    """
    longer = world.extended(extra_days)
    truth = TruthFiles(truth_folder)
    with continuing(app_database_url, since=world.end) as sink:
        Story(longer, sink, truth).run(progress)
    # After the commit: a kill in between leaves the record of the shorter world, from which the same
    # call does the same again.
    truth.finish(longer)
    return sink.rows
