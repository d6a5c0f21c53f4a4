from datetime import date

import pytest

from clientnest_assets.simulation import World, WorldError
from clientnest_assets.simulation.users import signups_by_day

LAST_DAY = date(2026, 4, 19)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"users": 0}, "at least 1 user, got users=0"),
        ({"days": 0}, "at least 1 day, got days=0"),
        ({"seed": -1}, "0 or more, got seed=-1"),
        ({"signup_days": 31}, "between 1 and days=30, got 31"),
        ({"days": 40_000}, "would begin before"),
    ],
)
def test_impossible_worlds_are_refused_by_name(arguments, message):
    with pytest.raises(WorldError, match=message):
        World(**{"users": 10, "days": 30, "seed": 1, "last_day": LAST_DAY, **arguments})


def test_time_passes_only_forward():
    with pytest.raises(WorldError, match="at least 1, got 0"):
        World(10, 30, 1, LAST_DAY).extended(0)


def test_an_extended_world_keeps_its_first_day_and_its_launch():
    world = World(10, 30, 1, LAST_DAY)
    twice = world.extended(5).extended(2)
    assert (twice.first_day, twice.days, twice.launch_days) == (world.first_day, 37, 30)
    assert twice.last_day == date(2026, 4, 26)


@pytest.mark.parametrize(("users", "days"), [(1, 1), (3, 2), (2_000, 120), (100_000, 30), (7, 365)])
def test_exactly_the_planned_number_of_users_signs_up(users, days):
    assert signups_by_day(World(users, days, 1, LAST_DAY)).sum() == users


def test_a_third_of_the_users_come_with_the_launch_and_growth_goes_on():
    world = World(2_000, 120, 1, LAST_DAY)
    signups = signups_by_day(world)
    assert signups[:18].sum() == 700
    assert signups[:3].mean() > 2 * signups[18:].mean()
    later = signups_by_day(world.extended(14))
    assert later[:120].tolist() == signups.tolist()
    assert later[120:].sum() == pytest.approx(14 * 1_300 / 102, rel=0.1)
