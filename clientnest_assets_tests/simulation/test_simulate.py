from datetime import date

import psycopg
import pytest

from clientnest_assets.contracts import APP_TABLES
from clientnest_assets.simulation import World, WorldError, advance_world, read_world, write_world

WORLD = World(users=150, days=16, seed=4, last_day=date(2026, 4, 19))


def quietly(_day, _days):
    pass


def app_tables(url):
    with psycopg.connect(url) as connection:
        return {
            contract.name: connection.execute(f"select * from {contract.name} order by id").fetchall()
            for contract in APP_TABLES
        }


def test_time_passing_gives_the_tables_of_the_longer_world(app_database_url, tmp_path):
    truth, straight = tmp_path / "truth", tmp_path / "straight"
    days = []
    rows = write_world(WORLD, app_database_url, truth, lambda day, total: days.append((day, total)))
    assert days == [(day, 16) for day in range(16)]
    assert rows == {name: len(table) for name, table in app_tables(app_database_url).items()}
    assert read_world(truth) == WORLD

    advance_world(read_world(truth), 2, app_database_url, truth, quietly)
    moved = advance_world(read_world(truth), 5, app_database_url, truth, quietly)
    advanced = app_tables(app_database_url)
    assert moved["user_sessions"] > 0
    assert moved["auth_user"] < len(advanced["auth_user"])
    assert read_world(truth) == WORLD.extended(7)

    write_world(WORLD.extended(7), app_database_url, straight, quietly)
    longer = app_tables(app_database_url)
    for name, table in longer.items():
        assert advanced[name] == table, name
    for file in sorted(path.name for path in straight.iterdir()):
        assert (truth / file).read_bytes() == (straight / file).read_bytes(), file


def test_a_repeated_advance_changes_nothing(app_database_url, tmp_path):
    write_world(WORLD, app_database_url, tmp_path / "truth", quietly)
    first = advance_world(WORLD, 3, app_database_url, tmp_path / "truth", quietly)
    once = app_tables(app_database_url)
    assert advance_world(WORLD, 3, app_database_url, tmp_path / "truth", quietly) == first
    assert app_tables(app_database_url) == once


def test_an_interrupted_write_leaves_the_old_world(app_database_url, tmp_path):
    write_world(WORLD, app_database_url, tmp_path / "truth", quietly)
    before = app_tables(app_database_url)

    def interrupt(day, _days):
        if day == 10:
            raise KeyboardInterrupt

    for call in (
        lambda: write_world(WORLD.extended(1), app_database_url, tmp_path / "truth", interrupt),
        lambda: advance_world(WORLD, 2, app_database_url, tmp_path / "truth", interrupt),
    ):
        with pytest.raises(KeyboardInterrupt):
            call()
        assert app_tables(app_database_url) == before
        assert read_world(tmp_path / "truth") == WORLD


def test_nothing_is_continued_where_there_is_no_world(app_database_url, tmp_path):
    with pytest.raises(WorldError, match="no simulated world is recorded"):
        read_world(tmp_path)
    with psycopg.connect(app_database_url) as connection:
        connection.execute("drop table if exists auth_user")
    with pytest.raises(WorldError, match="simulate first"):
        advance_world(WORLD, 1, app_database_url, tmp_path / "truth", quietly)
