import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import psycopg
import pytest

from clientnest_assets.contracts import APP_TABLES
from clientnest_assets.installation import Installation, LakeKind
from clientnest_assets.lake.files import read_files, write_files
from clientnest_assets.lake.guard import UnreachableStoreError
from clientnest_assets.partitions import Calendar
from clientnest_assets.settings import Environment, Settings, SettingsError
from clientnest_assets_tests.features.online.conftest import position, simple_rows, simple_view
from clientnest_assets_tests.features.online.redis_server import running_redis


def embedded(home):
    return Installation(Settings(environment=Environment.TEST, home=home))


def test_the_pseudonym_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    key = embedded(tmp_path / "home").pseudonym_key

    assert len(key) >= 32
    assert embedded(tmp_path / "home").pseudonym_key == key
    assert stat.S_IMODE((tmp_path / "home" / "pseudonym-key").stat().st_mode) == 0o600
    assert [file.name for file in (tmp_path / "home").iterdir()] == ["pseudonym-key"]


def test_whoever_asks_first_for_the_pseudonym_key_all_get_the_same(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        keys = list(pool.map(lambda _: embedded(tmp_path).pseudonym_key, range(64)))

    assert len(set(keys)) == 1
    assert len(keys[0]) >= 32


def test_in_production_addresses_and_key_are_those_of_the_settings(tmp_path):
    installation = Installation(
        Settings(
            environment=Environment.PRODUCTION,
            home=tmp_path,
            app_database_url="postgresql://a",
            warehouse_url="postgresql://w",
            dagster_database_url="postgresql://d",
            lake_url="/var/lib/clientnest/lake",
            pseudonym_key="k" * 32,
            first_day=date(2024, 1, 1),
        )
    )

    assert installation.app_database_url == "postgresql://a"
    assert installation.warehouse_url == "postgresql://w"
    assert installation.dagster_database_url == "postgresql://d"
    assert installation.lake.root == "/var/lib/clientnest/lake"
    assert installation.pseudonym_key == b"k" * 32
    assert installation.calendar == Calendar(date(2024, 1, 1))
    with installation.services():
        assert installation.postgres.running() is None
    assert list(tmp_path.iterdir()) == []


def test_only_the_stores_own_variables_reach_the_lake(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store:9000")
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    monkeypatch.setenv("OTHER_SECRET", "x")

    # An endpoint that says http:// needs no second permission.
    assert embedded(tmp_path).lake.storage_options == {
        "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": "http://store:9000",
        "AWS_ALLOW_HTTP": "true",
    }


def test_a_home_remembers_that_its_lake_is_on_the_object_store_until_it_begins_anew(
    embedded_home, object_store, monkeypatch
):
    installation = embedded(embedded_home)
    try:
        with installation.services():
            (embedded_home / "lake").mkdir()
            installation.begin_anew(LakeKind.S3)
        again = embedded(embedded_home)
        assert again.lake_kind is LakeKind.S3
        with again.services():
            write_files(again.lake, "models", {"card.json": b"{}"})
            assert not again.object_store.stop()
        assert again.lake.root == "s3://clientnest/lake"
        assert not (embedded_home / "lake").exists()

        monkeypatch.setenv("AWS_SESSION_TOKEN", "of something else")
        with pytest.raises(SettingsError, match="AWS_SESSION_TOKEN: set in the environment"):
            again.lake  # noqa: B018
        monkeypatch.delenv("AWS_SESSION_TOKEN")

        # The bucket is emptied too, whichever kind comes next.
        again.begin_anew(LakeKind.S3)
        assert read_files(again.lake, "models") == {}
        again.begin_anew()
        assert embedded(embedded_home).lake.root == str(embedded_home / "lake")
    finally:
        assert installation.object_store.stop()


def test_beginning_anew_clears_what_this_home_has_in_a_shared_redis(embedded_home, tmp_path):
    view, rows = simple_view(), simple_rows([1])
    with running_redis(tmp_path) as url:
        ours, theirs = (
            Installation(Settings(environment=Environment.TEST, home=home, online_store_url=url))
            for home in (embedded_home, tmp_path / "other")
        )
        for each in (ours, theirs):
            each.online_store.publish(view, rows, position(1))
        with ours.services():
            ours.begin_anew()

        assert ours.online_store.generation(view) is None
        assert theirs.online_store.generation(view).rows == 1


def test_whoever_shares_a_lake_shares_its_keys_in_the_online_store(tmp_path):
    with running_redis(tmp_path) as url:
        here, there, elsewhere = (
            Installation(
                Settings(environment=Environment.PRODUCTION, home=tmp_path / home, lake_url=lake, online_store_url=url)
            )
            for home, lake in (("a", "s3://bucket/lake"), ("b", "s3://bucket/lake"), ("c", "s3://bucket/another"))
        )
        here.online_store.publish(simple_view(), simple_rows([1]), position(1))

        assert there.online_store.generation(simple_view()).rows == 1
        assert elsewhere.online_store.generation(simple_view()) is None
        assert not (tmp_path / "a").exists()


def test_the_guard_stands_before_every_lake_in_a_bucket(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    installation = Installation(
        Settings(environment=Environment.PRODUCTION, home=tmp_path, lake_url="s3://bucket/lake")
    )

    with pytest.raises(UnreachableStoreError, match=r"s3://bucket/lake at http://127\.0\.0\.1:1"):
        installation.lake  # noqa: B018


def test_before_there_is_data_the_calendar_is_today(tmp_path):
    installation = embedded(tmp_path)
    today = datetime.now(UTC).date()

    assert not installation.has_data
    assert installation.calendar == Calendar(today, today)

    installation.keep_calendar(Calendar(date(2024, 1, 1), date(2024, 2, 1)))
    assert installation.has_data
    assert embedded(tmp_path).calendar == Calendar(date(2024, 1, 1), date(2024, 2, 1))


def test_an_embedded_installation_has_three_databases_and_the_apps_tables(embedded_home):
    installation = embedded(embedded_home)
    urls = [installation.app_database_url, installation.warehouse_url, installation.dagster_database_url]
    assert len({url.rsplit("/", 1)[-1] for url in urls}) == 3
    for url in urls:
        psycopg.connect(url).close()
    with psycopg.connect(installation.app_database_url) as app:
        listed = app.execute("select table_name from information_schema.tables where table_schema = 'public'")
        assert {name for (name,) in listed} == {contract.name for contract in APP_TABLES}
    assert embedded(embedded_home).app_database_url == installation.app_database_url
