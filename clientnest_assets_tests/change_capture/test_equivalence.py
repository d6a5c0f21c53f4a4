"""The same story through change capture and through the reading of windows: the same latest rows, the same history."""

from datetime import date

import polars as pl
import pytest

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.lake import Lake
from clientnest_assets.partitions import Window
from clientnest_assets.simulation import World, advance_world, write_world
from clientnest_assets.sources import app_database
from clientnest_assets.sources.change_capture.tables import CAPTURED
from clientnest_assets.sources.landing import land_window, prepare, quarantine_table, raw_table

WORLD = World(users=40, days=20, seed=5, last_day=date(2026, 3, 20))
DAYS = 4


def nothing(_day, _days):
    """No progress is shown."""


@pytest.fixture
def story(simulated, databases, tmp_path):
    """Lives some days and captures each; by windows too, into a lake of its own."""
    url, truth = simulated.capture.url, tmp_path / "truth"
    windowed = Lake(str(tmp_path / "windowed"))

    def read_windows(day):
        # As a nightly run reads the open window: the newest days.
        window = Window(
            max(WORLD.first_day, date.fromordinal(day.toordinal() - 7)), date.fromordinal(day.toordinal() + 2)
        )
        whole = Window(WORLD.first_day, window.end) if day == WORLD.last_day else window
        for contract in CAPTURED:
            land_window(
                windowed,
                contract,
                whole,
                lambda contract=contract: prepare(
                    contract,
                    app_database.read_window(url, contract, whole).rows,
                    app_database.SOURCE_NAME,
                    simulated.capture.pseudonym_key,
                ),
                source=app_database.SOURCE_NAME,
            )

    write_world(WORLD, url, truth, nothing)
    simulated.app(
        "update social_posts set platform = 'myspace' where id = 3",
        "update auth_user set full_name = null where id % 7 = 0",
    )
    simulated.begin()
    read_windows(WORLD.last_day)
    for passed in range(DAYS):
        world = WORLD.extended(passed) if passed else WORLD
        advance_world(world, 1, url, truth, nothing)
        simulated.drain()
        read_windows(world.extended(1).last_day)
    return simulated, windowed


def test_both_ways_give_the_same_latest_rows_and_the_same_history(story):
    simulated, windowed = story
    together = 0
    for contract in CAPTURED:
        captured = raw_table(simulated.capture.lake, contract).scan().collect().sort(contract.key)
        read = raw_table(windowed, contract).scan().collect().sort(contract.key)

        def latest(frame):
            return frame.sort("updated_at").unique("id", keep="last").sort("id")

        assert latest(captured).equals(latest(read)), contract.name
        assert captured.height > 0
        seen_by_both = captured.join(read, on=contract.key, how="semi").sort(contract.key)
        assert seen_by_both.equals(read.join(captured, on=contract.key, how="semi").sort(contract.key)), contract.name
        # Capture misses no version that a reading of windows saw.
        assert seen_by_both.height == read.height
        bad = [
            set(
                quarantine_table(lake, contract)
                .scan()
                .select("day", "rules", "row")
                .collect()
                .select("row")
                .to_series()
            )
            for lake in (simulated.capture.lake, windowed)
        ]
        assert bad[0] == bad[1]
        together += captured.height
    assert together > 500


def test_a_world_written_anew_ends_the_rows_of_the_one_before(story, tmp_path):
    simulated, _ = story
    smaller = World(users=10, days=5, seed=6, last_day=date(2026, 3, 30))
    write_world(smaller, simulated.capture.url, tmp_path / "other truth", nothing)
    simulated.drain()

    for contract in CAPTURED:
        alive = simulated.latest(contract.name).select("id", "updated_at")
        window = Window(date(2025, 1, 1), date(2027, 1, 1))
        rows = app_database.read_window(simulated.capture.url, contract, window).rows
        bad = quarantine_table(simulated.capture.lake, contract).scan().collect()
        if contract.name == "experiments":
            continue
        assert bad.filter(pl.col("rules").list.contains("version_changed")).is_empty()
        assert alive.get_column("id").sort().to_list() == rows.get_column("id").sort().to_list(), contract.name
    assert CONTRACTS["auth_user"] in CAPTURED
