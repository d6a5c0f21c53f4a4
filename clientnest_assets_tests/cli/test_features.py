"""`clientnest features`: what is told of views, entities, drift and parity."""

import json

import psycopg
import pytest
from typer.testing import CliRunner

from clientnest_assets.cli.features import features
from clientnest_assets.cli.session import CommandError, console
from clientnest_assets.features.registry import VIEWS
from clientnest_assets_tests.serving.feature_world import ACTIVITY, LAST, USERS, feature_world


@pytest.fixture(scope="module")
def world(databases, tmp_path_factory):
    with feature_world(tmp_path_factory.mktemp("home"), databases.create()) as installation:
        yield installation


@pytest.fixture
def run(world, monkeypatch):
    """Runs a command and gives what it said on a wide terminal; its exit code is `ends`."""
    monkeypatch.setattr(console, "_width", 200)

    def command(*arguments, ends=0):
        with console.capture() as said:
            done = CliRunner().invoke(features, arguments)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == ends
        return said.get() + done.stdout

    return command


def test_list_tells_each_view_how_fresh_it_is_and_what_is_online(run):
    said = run("list")
    activity, silent = (
        next(line.split() for line in said.splitlines() if name in line) for name in ("activity", "silent")
    )
    assert activity == ["activity", "user_id", "0", "seconds", str(USERS), "1", "PRESENT"]
    assert silent == ["silent", "platform", "-", "-", "-", "MISSING"]
    assert "activity.ratio: 20 % are null, at most 10 % may be" in said
    assert [each["name"] for each in json.loads(run("list", "--json"))] == list(VIEWS)


def test_show_tells_every_feature_with_its_meaning_bounds_and_drift(run):
    said = run("show", "activity")
    assert "stale past  3 days" in said
    assert "sessions  Int64, sessions, default 0, from 0 to 1000\n    Sessions of the day." in said
    assert "major drift since 2026-04-" in said
    assert "null 20 % · drift: stable · 20 % are null, at most 10 % may be" in said
    assert "tier  String, one of free | <script>alert(1)</script>\n    The plan <b>now</b>." in said
    assert json.loads(run("show", "activity", "--json"))["stored"]["newest_day"] == str(LAST)


def test_a_view_that_is_not_there_is_told_with_those_that_are(run):
    with pytest.raises(CommandError, match=r"no feature view nope.* activity, silent, content"):
        run("show", "nope")


def test_get_tells_what_is_online_of_an_entity(run):
    told = json.loads(run("get", "--user-id", "13", "--json"))
    assert told == {
        "as_of": "2026-04-20T00:00:00+00:00",
        "from": "online",
        "entity": {"user_id": 13},
        "views": {
            "activity": {
                "status": "PRESENT",
                "age_seconds": 0,
                "values": {"sessions": 16, "ratio": 0.13, "tier": "free"},
            }
        },
    }
    assert json.loads(run("get", "--user-id", "13", "--offline", "--json"))["views"] == told["views"]


def test_get_as_of_a_moment_tells_what_was_known_then(run):
    told = json.loads(run("get", "--user-id", "13", "--as-of", "2026-04-10 12:00", "--json"))
    assert told["from"] == "offline"
    assert told["views"]["activity"] == {
        "status": "PRESENT",
        "age_seconds": 12 * 3600,
        "values": {"sessions": 6, "ratio": 0.13, "tier": "free"},
    }
    before = json.loads(run("get", "--user-id", "13", "--as-of", "2026-01-01", "--json"))
    assert before["views"]["activity"]["status"] == "MISSING"


def test_get_is_told_as_a_table_too(run):
    said = run("get", "--user-id", "10", "--platform", "twitter")
    assert "PRESENT, 0 seconds old" in said
    assert "<script>alert(1)</script>" in said
    assert "null" in said
    assert "MISSING" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say of which entity. Views are asked by: --platform, --post-id, --user-id"),
        (["--platform", "twitter", "--view", "activity"], "activity is asked by --user-id: --user-id is missing"),
        (["--user-id", "1", "--view", "nope"], "no feature view nope"),
    ],
    ids=["no key", "another key", "another view"],
)
def test_get_says_which_key_a_view_needs(run, arguments, said):
    with pytest.raises(CommandError, match=said):
        run("get", *arguments)


def test_what_was_never_published_is_told_as_that_and_not_as_fine(run):
    assert "never published: silent." in run("get", "--platform", "twitter")
    assert "never published" not in run("get", "--user-id", "999")
    said = run("parity", "--view", "silent")
    assert "nothing is stored to compare" in said
    assert "online equals offline" not in said


def test_without_a_measured_feature_no_drift_is_not_told_as_good_news(run, monkeypatch):
    monkeypatch.delitem(VIEWS, "activity")
    said = run("drift")
    assert "nothing has drifted" not in said
    assert "no feature is measured yet" in said


def test_drift_tells_what_drifted_how_much_and_since_when(run):
    [line] = [line for line in run("drift").splitlines() if line.split()[:1] == ["activity"]]
    assert line.split()[1:3] == ["sessions", "major"]
    assert "3 of 3 features are judged" in run("drift")
    [row] = json.loads(run("drift", "--json"))
    assert (row["view"], row["feature"], row["day"]) == ("activity", "sessions", str(LAST))


def test_parity_holds_after_publishing_and_ends_with_1_when_a_value_was_altered_by_hand(run, world):
    assert "online equals offline" in run("parity")
    with psycopg.connect(world.warehouse_url) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'online'").fetchall()
        [table] = [name for (name,) in tables if name.startswith(ACTIVITY.table_name)]
        alter = f'update online."{table}" set sessions = sessions + %s where user_id = 13'
        connection.execute(alter, (1,))
    said = run("parity", "--view", "activity", ends=1)
    [line] = [line for line in said.splitlines() if "user_id 13" in line]
    assert line.split() == ["activity", "user_id", "13", "activity__sessions", "17", "16"]
    with psycopg.connect(world.warehouse_url) as connection:
        connection.execute(alter, (-1,))
    assert "online equals offline" in run("parity", "--view", "activity")
