"""The landing folder as Dagster works it: sensor to run to archive, and what people are told."""

import os
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.defs import arrivals, file_imports
from clientnest_assets.defs.landing_folder import DROP_TAG, land_file_job, landing_folder_sensor
from clientnest_assets.defs.waiting_files import landing_folder
from clientnest_assets.installation import Installation
from clientnest_assets.lake import Lake
from clientnest_assets.lake.files import Storage
from clientnest_assets.partitions import Calendar, read_calendar
from clientnest_assets.settings import Environment, Settings, SettingsError
from clientnest_assets.sources.files.landing_folder import LandingFolder, Waiting
from clientnest_assets.sources.files.register import Register
from clientnest_assets.sources.landing import raw_table

MAPPING = """
source: numbers
tables:
  post_metrics:
    columns:
      id: id
      post_id: id
      collected_at: {column: at, zone: UTC}
      likes_count: likes
"""
LINES = "id,at,likes\n1,2025-01-01,5\n2,2025-01-03,6\n3,2025-01-03,many\n"
RAW = dg.AssetKey(["raw", "post_metrics"])
AN_HOUR_AGO = 3600


class Folder:
    """A landing folder, the sensor that looks at it, and the runs it asks for."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.home, self.instance = home, instance
        self.installation = Installation(Settings(environment=Environment.TEST, home=home))
        self.landing = home / "landing"
        self.cursor: str | None = None
        self.keys: set[str | None] = set()

    def drop(self, path: str, content: str | bytes, *, age_seconds: int = AN_HOUR_AGO) -> Path:
        file = self.landing / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        written = file.stat().st_mtime_ns - age_seconds * 10**9
        os.utime(file, ns=(written, written))
        return file

    def look(self) -> dg.SensorResult:
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"installation": self.installation}
        ) as context:
            result = landing_folder_sensor(running=False)(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result

    def requests(self) -> list[dg.RunRequest]:
        """Those of two looks, as a daemon would start them: none whose key there was before."""
        self.look()
        fresh = [each for each in self.look().run_requests or [] if each.run_key not in self.keys]
        self.keys |= {each.run_key for each in fresh}
        return fresh

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        return land_file_job.execute_in_process(
            run_config=request.run_config,
            tags=request.tags,
            instance=self.instance,
            resources={"installation": self.installation},
            raise_on_error=False,
        )

    def land(self) -> list[bool]:
        return [self.run(request).success for request in self.requests()]

    def files(self) -> list[str]:
        return sorted(str(each.relative_to(self.landing)) for each in self.landing.rglob("*") if each.is_file())

    def raw(self) -> list[tuple[Any, ...]]:
        table = raw_table(self.installation.lake, CONTRACTS["post_metrics"])
        return table.scan().select("id", "likes_count", "source").collect().sort("id").rows()

    def register(self) -> list[tuple[Any, ...]]:
        rows = Register.read(self.installation.lake).rows
        return rows.filter(pl.col("status") != "begun").select("name", "status").rows()


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    with dg.DagsterInstance.ephemeral() as instance:
        made = Folder(tmp_path, instance)
        made.drop("numbers/mapping.yaml", MAPPING)
        yield made


def test_a_file_is_landed_by_the_mapping_beside_it_told_and_archived(folder: Folder) -> None:
    folder.drop("numbers/a.csv", LINES)

    assert folder.land() == [True]

    source = "file:numbers/a.csv"
    assert folder.raw() == [(1, 5, source), (2, 6, source)]
    assert folder.register() == [("a.csv", "landed")]
    (archived,) = [name for name in folder.files() if name.startswith(".archive/numbers/")]
    assert archived.endswith("-a.csv")
    assert (folder.landing / archived).read_text() == LINES
    assert [name for name in folder.files() if not name.startswith(".")] == ["numbers/mapping.yaml"]
    assert read_calendar(folder.home / "calendar.json") == Calendar(date(2025, 1, 1), date(2025, 1, 3))
    (observed,) = folder.instance.fetch_observations(RAW, limit=5).records
    assert observed.asset_observation is not None
    metadata = observed.asset_observation.metadata
    assert (metadata["rows_in_file"].value, metadata["rows_quarantined"].value) == (3, 1)
    assert folder.land() == []


def test_a_file_is_taken_only_once_it_has_stayed_the_same_between_two_looks_for_a_while(folder: Folder) -> None:
    folder.drop("numbers/a.csv", LINES[:30])
    assert not folder.look().run_requests
    folder.drop("numbers/a.csv", LINES)
    assert not folder.look().run_requests
    assert len(folder.look().run_requests or []) == 1

    folder.drop("numbers/young.csv", LINES, age_seconds=0)
    folder.look()
    assert [each.tags["clientnest/file"] for each in folder.look().run_requests or []] == ["numbers/a.csv"]


def test_unfinished_and_hidden_files_are_left_alone(folder: Folder) -> None:
    for name in ("numbers/a.csv.part", "numbers/a.csv.TMP", "numbers/.a.csv", ".hidden/a.csv"):
        folder.drop(name, LINES)

    assert folder.requests() == []


def test_a_packaged_mapping_is_chosen_by_the_folders_name(folder: Folder) -> None:
    tweets = "created_at,text,url,replies,retweets,favorites,user\n10/20/17 10:00,hi,https://x/status/1,1,2,3,ann\n"
    folder.drop("presidential_tweets/ann.csv", tweets)

    assert folder.land() == [True]
    assert folder.raw() == [(1, 3, "file:presidential_tweets/ann.csv")]


def test_files_without_a_mapping_wait_and_the_sensor_says_why(folder: Folder) -> None:
    folder.drop("unknown/a.csv", LINES)
    folder.drop("stray.csv", LINES)

    result = folder.look()

    assert "no mapping is named 'unknown'" in str(result.skip_reason)
    assert "stray.csv is in no folder" in str(result.skip_reason)
    assert {"unknown/a.csv", "stray.csv"} <= set(folder.files())


def test_two_folders_may_not_share_a_source(folder: Folder) -> None:
    folder.drop("again/mapping.yaml", MAPPING)
    folder.drop("again/a.csv", LINES)
    folder.drop("numbers/a.csv", LINES)

    assert "have one `source`, 'numbers'" in str(folder.look().skip_reason)
    assert folder.requests() == []


def test_the_same_content_is_landed_once_under_whatever_name(folder: Folder) -> None:
    folder.drop("numbers/a.csv", LINES)
    folder.land()
    before = folder.raw()

    folder.drop("numbers/a.csv", LINES)
    folder.drop("numbers/b.csv", LINES)
    assert folder.land() == [True, True]

    assert folder.raw() == before
    assert folder.register() == [("a.csv", "landed"), ("a.csv", "unchanged"), ("b.csv", "unchanged")]
    message = Register.read(folder.installation.lake).rows.item(-1, "message")
    assert message.startswith("already landed on ")
    assert message.endswith(" as a.csv")


def test_a_changed_file_under_an_old_name_replaces_and_the_first_content_may_come_back(folder: Folder) -> None:
    other = LINES.replace("1,2025-01-01,5", "1,2025-01-01,50")
    for content in (LINES, other, LINES):
        folder.drop("numbers/a.csv", content)
        assert folder.land() == [True]

    assert folder.raw()[0][:2] == (1, 5)
    assert [status for _, status in folder.register()] == ["landed", "replaced", "replaced"]
    assert "replaces what was landed on" in Register.read(folder.installation.lake).rows.item(-1, "message")


def test_a_file_that_cannot_be_landed_is_rejected_with_the_reason_beside_it(folder: Folder) -> None:
    folder.drop("numbers/a.csv", "id,when\n1,2025-01-01\n")

    request = folder.requests()[0]
    result = folder.run(request)

    assert not result.success
    rejected = [name for name in folder.files() if name.startswith(".rejected/")]
    assert [Path(name).name.split("-", 1)[1] for name in rejected] == ["a.csv", "a.csv.error.txt"]
    text = (folder.landing / rejected[1]).read_text()
    assert f"{folder.landing}/numbers/a.csv has no column 'at', 'likes', which the mapping reads" in text
    assert folder.register() == [("a.csv", "rejected")]
    assert folder.raw() == []
    assert folder.requests() == []


def test_a_file_with_too_many_bad_rows_is_rejected_and_changes_nothing(folder: Folder) -> None:
    folder.drop("numbers/a.csv", LINES)
    folder.land()
    bad = "id,at,likes\n" + "".join(f"{n},2025-01-01,many\n" for n in range(10, 120)) + "1,2025-01-01,7\n"
    folder.drop("numbers/a.csv", bad)

    assert folder.land() == [False]
    assert folder.raw()[0][:2] == (1, 5)
    (reason,) = [name for name in folder.files() if name.endswith(".error.txt")]
    assert "110 of 111 rows for post_metrics are bad (likes_count|cast 110)" in (folder.landing / reason).read_text()


def test_a_run_that_failed_for_another_reason_is_asked_for_again_later(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.drop("numbers/a.csv", LINES)
    (request,) = folder.requests()
    with monkeypatch.context() as patch:
        patch.setattr("clientnest_assets.defs.file_imports.land_file", _out_of_order)
        assert not folder.run(request).success
    assert "numbers/a.csv" in folder.files()
    assert not folder.look().run_requests

    monkeypatch.setattr("clientnest_assets.defs.landing_folder.LONGEST_PAUSE", timedelta())
    (again,) = folder.requests()
    assert again.run_key != request.run_key
    assert again.tags[DROP_TAG] == request.tags[DROP_TAG]
    assert folder.run(again).success
    assert len(folder.raw()) == 2


def test_a_file_is_tried_again_however_often_it_failed(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clientnest_assets.defs.landing_folder.LONGEST_PAUSE", timedelta())
    folder.drop("numbers/a.csv", LINES)
    (request,) = folder.requests()
    for _ in range(100):
        run = dg.DagsterRun(job_name=land_file_job.name, tags=request.tags, status=dg.DagsterRunStatus.FAILURE)
        folder.instance.add_run(run)
    (one,) = folder.requests()
    folder.instance.add_run(
        dg.DagsterRun(job_name=land_file_job.name, tags=one.tags, status=dg.DagsterRunStatus.FAILURE)
    )

    (another,) = folder.requests()

    assert another.run_key != one.run_key


def test_a_file_that_was_replaced_before_its_run_is_left_for_the_next_look(folder: Folder) -> None:
    folder.drop("numbers/a.csv", LINES)
    (request,) = folder.requests()
    folder.drop("numbers/a.csv", LINES.replace("5", "55"), age_seconds=7200)

    assert folder.run(request).success
    assert folder.raw() == []
    assert folder.land() == [True]


STEPS = {
    "before it is begun": (Register, "write", 1),
    "before it is landed": (file_imports, "land_file", 1),
    "before Dagster is told": (arrivals, "tell", 1),
    "before it is entered as landed": (Register, "write", 2),
    "before it is put away": (LandingFolder, "put_away", 1),
}


def dying(holder: Any, name: str, at_call: int, patch: pytest.MonkeyPatch) -> None:
    """Ends the work before the given call of a function."""
    work, calls = getattr(holder, name), count(1)

    def call(*arguments: Any, **options: Any) -> Any:
        if next(calls) == at_call:
            raise SystemExit
        return work(*arguments, **options)

    patch.setattr(holder, name, call)


@pytest.mark.parametrize("step", STEPS)
def test_a_run_killed_at_any_step_and_begun_again_ends_in_the_same_state(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr("clientnest_assets.defs.landing_folder.LONGEST_PAUSE", timedelta())
    folder.drop("numbers/a.csv", LINES)
    folder.land()
    for day in ("2025-01-01", "2025-01-03"):
        folder.instance.report_runless_asset_event(dg.AssetMaterialization(RAW, partition=day))
    folder.drop("numbers/a.csv", LINES.replace("1,2025-01-01,5", "1,2025-01-01,50"))
    with monkeypatch.context() as patch:
        dying(*STEPS[step], patch)
        (request,) = folder.requests()
        assert not folder.run(request).success

    assert all(folder.land())

    assert [row[:2] for row in folder.raw()] == [(1, 50), (2, 6)]
    assert "numbers/a.csv" not in folder.files()
    assert len([name for name in folder.files() if name.startswith(".archive/")]) == 2
    told = folder.instance.fetch_materializations(RAW, limit=10).records
    assert "2025-01-01" in [record.partition_key for record in told[:-2]]


def _out_of_order(*_: object, **__: object) -> None:
    raise OSError("the disk is full")


NASTY: dict[str, tuple[str | bytes, str]] = {
    # What a dropped file holds, and what becomes of it: the counts, or a piece of the reason.
    "bad types": ("id,at,likes\n1,2025-01-01,5\nx,2025-01-01,5\n,2025-01-01,5\n3,never,5\n", "4 = 1 + 3"),
    "duplicates": ("id,at,likes\n1,2025-01-01,5\n1,2025-01-01,5\n2,2025-01-01,5\n2,2025-01-01,6\n", "4 = 1 + 3"),
    "cut last line": ("id,at,likes\n1,2025-01-01,5\n2,2025-01", "2 = 1 + 1"),
    "NUL and bad bytes": (b"id,at,likes\n1,2025-01-01,5\n2\x00,2025-01-01,5\n3\xe9,2025-01-01,5\n", "3 = 1 + 2"),
    "nothing good": ("id,at,likes\n1,never,5\n", "1 = 0 + 1"),
    "lone carriage returns": ("id,at,likes\r1,2025-01-01,5\r2,2025-01-01,5\r", "2 = 2 + 0"),
    "an open quote": (
        'id,at,likes\n1,2025-01-01,5\n2,"2025-01-01,5\n' + "3,2025-01-01,5\n" * 200,
        "line 3: a quote is opened",
    ),
    "empty": ("", "is empty: there is nothing to import"),
    "header only": ("id,at,likes\n", "a header and no records"),
    "UTF-16": ("id,at,likes\n1,2025-01-01,5\n".encode("utf-16"), "say `encoding: utf-16`"),
    "zip": (b"PK\x03\x04", "a zip archive"),
    "too many columns": (",".join(map(str, range(20_000))), "more than 10,000 columns"),
}


@pytest.mark.parametrize("what", NASTY)
def test_whatever_is_dropped_is_accounted_for_or_rejected_with_the_reason(folder: Folder, what: str) -> None:
    content, expected = NASTY[what]
    folder.drop("numbers/a.csv", content)

    (landed,) = folder.land()

    row = Register.read(folder.installation.lake).rows.row(-1, named=True)
    if " = " in expected:
        assert landed
        assert f"{row['records']} = {row['rows_written']} + {row['rows_quarantined']}" == expected
        assert row["status"] == "landed"
    else:
        assert not landed
        assert expected in row["message"]
        assert str(folder.landing / "numbers" / "a.csv") in row["message"]
    assert "numbers/a.csv" not in folder.files()


def test_a_landing_folder_within_the_lake_is_refused(tmp_path: Path) -> None:
    inside = Settings(environment=Environment.TEST, home=tmp_path, landing_url=str(tmp_path / "lake" / "landing"))

    with pytest.raises(SettingsError, match=r"CLIENTNEST_LANDING_URL .* lies within the lake"):
        landing_folder(Installation(inside))


def test_a_bucket_prefix_is_a_landing_folder_too(tmp_path: Path, bucket: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in bucket.storage_options.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.ephemeral() as instance:
        folder = Folder(tmp_path, instance)
        url = f"{bucket.root}-landing"
        folder.installation = Installation(
            Settings(environment=Environment.TEST, home=tmp_path, lake_url=bucket.root, landing_url=url)
        )
        storage = landing_folder(folder.installation).storage
        storage.write("numbers/mapping.yaml", MAPPING.encode())
        storage.write("numbers/a.csv", LINES.encode())
        storage.write("numbers/b.csv", b"id\n1\n")
        monkeypatch.setattr(Waiting, "is_settled", lambda *_: True)

        assert sorted(folder.land()) == [False, True]

        assert [row[:2] for row in folder.raw()] == [(1, 5), (2, 6)]
        names = sorted(file.path for file in storage.files())
    assert [name.rsplit("-", 1)[-1] for name in names] == ["a.csv", "b.csv", "b.csv.error.txt", "numbers/mapping.yaml"]


def test_what_takes_a_files_place_in_a_bucket_while_it_is_put_away_stays(
    bucket: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = LandingFolder(Storage(f"{bucket.root}-landing", bucket.storage_options))
    folder.storage.write("numbers/mapping.yaml", MAPPING.encode())
    folder.storage.write("numbers/a.csv", b"landed")
    (waiting,) = folder.look().waiting
    copy = tmp_path / "a.csv"
    folder.fetch(waiting, copy)
    upload = Storage.upload

    def slow_upload(storage: Storage, source: Path, path: str) -> None:
        upload(storage, source, path)
        storage.write("numbers/a.csv", b"the next one")

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "upload", slow_upload)
        folder.put_away(waiting, copy, ".archive/numbers/a.csv")
    assert folder.storage.read(".archive/numbers/a.csv") == b"landed"
    assert folder.storage.read("numbers/a.csv") == b"the next one"

    (waiting,) = folder.look().waiting
    folder.fetch(waiting, copy)
    folder.put_away(waiting, copy, ".archive/numbers/b.csv")
    assert folder.storage.read(".archive/numbers/b.csv") == b"the next one"
    assert folder.look().waiting == []
