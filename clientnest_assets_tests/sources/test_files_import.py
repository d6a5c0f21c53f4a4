"""Landing files: every record ends in raw or in quarantine, once, whatever is done again."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.partitions import Window
from clientnest_assets.sources.files import importing
from clientnest_assets.sources.files.importing import NothingGoodError
from clientnest_assets.sources.landing import land_window, prepare

PostFile = Callable[..., Path]
SOURCE = "file:posts/posts.csv"
GOOD = ((11, "one #a", "10.01.2025 08:00", 5), (12, "two", "12.01.2025 00:30", 0))


def test_a_wide_file_becomes_posts_and_metrics_by_utc_day(importer: Any, post_file: PostFile) -> None:
    imported = importer.load(post_file(*GOOD))

    posts, metrics = importer.raw("social_posts"), importer.raw("post_metrics")
    assert posts.get_column("id").to_list() == [11, 12]
    # Half past midnight in Berlin is the day before in UTC.
    assert posts.get_column("day").to_list() == [date(2025, 1, 10), date(2025, 1, 11)]
    assert posts.get_column("hashtags").to_list() == [["a"], []]
    assert posts.get_column("source").unique().to_list() == [SOURCE]
    assert metrics.get_column("collected_at").to_list() == [
        datetime(2025, 1, 17, 7, 0, 1, tzinfo=UTC),
        datetime(2025, 1, 18, 23, 30, 1, tzinfo=UTC),
    ]
    assert metrics.get_column("likes_count").to_list() == [5, 0]
    assert imported["social_posts"].days == (date(2025, 1, 10), date(2025, 1, 11))
    assert (imported["social_posts"].records, imported["social_posts"].rows_written) == (2, 2)


def test_the_same_file_twice_changes_nothing(importer: Any, post_file: PostFile) -> None:
    file = post_file(*GOOD, (13, "bad", "10.01.2025 08:00", "many"))
    importer.load(file)
    before, versions = [importer.raw("social_posts"), importer.raw("post_metrics")], importer.versions()

    again = importer.load(file)

    assert all(
        old.equals(importer.raw(name)) for old, name in zip(before, ("social_posts", "post_metrics"), strict=True)
    )
    assert importer.versions() == versions
    metrics = again["post_metrics"]
    assert (metrics.rows_written, metrics.rows_already_held, metrics.rows_quarantined) == (0, 2, 1)
    assert metrics.days_changed == []


def test_a_packed_file_is_the_same_file(importer: Any, post_file: PostFile) -> None:
    file = post_file(*GOOD)
    importer.load(file)
    packed = importer.write("posts.csv.gz", gzip.compress(file.read_bytes()))

    assert importer.load(packed)["post_metrics"].rows_already_held == 2


def test_a_second_file_of_the_same_mapping_leaves_the_first_alone(importer: Any, post_file: PostFile) -> None:
    importer.load(post_file(*GOOD))
    importer.load(post_file((21, "other", "10.01.2025 09:00", 7), name="more.csv"))

    assert importer.raw("post_metrics").select("id", "source").rows() == [
        (21, "file:posts/more.csv"),
        (11, SOURCE),
        (12, SOURCE),
    ]


def test_a_changed_file_replaces_its_rows_and_its_vanished_days(importer: Any, post_file: PostFile) -> None:
    importer.load(post_file(*GOOD, (13, "three", "01.03.2025 08:00", 1)))
    changed = importer.load(post_file((11, "one #a", "10.01.2025 08:00", 6)))

    metrics = importer.raw("post_metrics")
    assert metrics.select("id", "likes_count").rows() == [(11, 6)]
    assert changed["post_metrics"].rows_removed == 2
    assert changed["post_metrics"].days_changed == [date(2025, 1, 17), date(2025, 1, 18), date(2025, 3, 8)]
    # A version of a mutable row that was captured once stays.
    assert importer.raw("social_posts").get_column("id").to_list() == [11, 12, 13]
    assert changed["social_posts"].rows_removed == 0


def test_a_version_with_other_values_is_refused_unless_versions_are_replaced(
    importer: Any, post_file: PostFile
) -> None:
    importer.load(post_file(*GOOD))
    changed = post_file((11, "ONE", "10.01.2025 08:00", 5), GOOD[1])

    refused = importer.load(changed)["social_posts"]
    assert (refused.rows_already_held, refused.rules) == (1, {"version_changed": 1})
    assert importer.raw("social_posts").get_column("content").to_list() == ["one #a", "two"]

    replaced = importer.load(changed, replace_versions=True)["social_posts"]
    assert replaced.rows_quarantined == 0
    assert replaced.days_changed == [date(2025, 1, 10)]
    assert importer.raw("social_posts").get_column("content").to_list() == ["ONE", "two"]
    assert importer.quarantine("social_posts").is_empty()


def test_a_value_that_cannot_be_cast_goes_to_quarantine_as_it_stands_in_the_file(
    importer: Any, post_file: PostFile
) -> None:
    imported = importer.load(post_file(*GOOD, (13, "bad", "10.01.2025 08:00", "1,5k".replace(",", "."))))

    bad = importer.quarantine("post_metrics")
    assert bad.select("day", "source", "rules", "reason").rows() == [
        (date(2025, 1, 17), SOURCE, ["likes_count|cast"], "likes_count cannot be read as the contract's type")
    ]
    row = json.loads(bad.item(0, "row"))
    assert row["likes"] == "1.5k"
    assert row["at"] == "10.01.2025 08:00"
    assert row["#record"] == 3
    metrics = imported["post_metrics"]
    assert metrics.records == metrics.rows_written + metrics.rows_already_held + metrics.rows_quarantined == 3
    # The post itself has nothing to do with likes.
    assert imported["social_posts"].rows_quarantined == 0


def test_a_row_without_a_day_is_quarantined_on_the_files_first_day(importer: Any, post_file: PostFile) -> None:
    importer.load(post_file(*GOOD, (13, "lost", "31.02.2025 08:00", 1)))

    assert importer.quarantine("social_posts").select("day", "rules").rows() == [
        (date(2025, 1, 10), ["created_at|cast", "published_time|cast", "updated_at|cast"])
    ]


def test_a_file_in_which_no_row_has_a_day_is_quarantined_on_day_zero(importer: Any, post_file: PostFile) -> None:
    imported = importer.load(post_file((11, "x", "soon", 1)))

    assert importer.quarantine("social_posts").get_column("day").to_list() == [date(1970, 1, 1)]
    assert imported["social_posts"].days is None


def test_times_past_or_future_beyond_belief_do_not_stretch_the_calendar(importer: Any, post_file: PostFile) -> None:
    imported = importer.load(post_file(*GOOD, (13, "x", "10.01.1925 08:00", 1), (14, "y", "10.01.2225 08:00", 1)))[
        "social_posts"
    ]

    assert imported.rules == {"updated_at|plausible": 2}
    assert imported.days == (date(2025, 1, 10), date(2025, 1, 11))


def test_numbers_dated_in_the_future_are_not_mature_yet(importer: Any, post_file: PostFile) -> None:
    imported = importer.load(post_file((11, "new", "30.12.2025 08:00", 5)))

    assert imported["social_posts"].rows_written == 1
    assert imported["post_metrics"].rules == {"collected_at|plausible": 1}


def test_of_equal_rows_one_lands_and_of_rows_that_share_a_key_none(importer: Any, post_file: PostFile) -> None:
    twin, other = (12, "two", "12.01.2025 10:00", 1), (12, "two", "12.01.2025 10:00", 2)
    imported = importer.load(post_file(GOOD[0], GOOD[0], twin, other))["post_metrics"]

    assert importer.raw("post_metrics").get_column("id").to_list() == [11]
    assert imported.rules == {"duplicate_row": 1, "primary_key": 2}
    assert imported.records == 4


def test_a_key_on_two_days_is_refused_on_both(importer: Any, post_file: PostFile) -> None:
    imported = importer.load(post_file(GOOD[0], (11, "one", "20.01.2025 08:00", 9)))["post_metrics"]

    assert importer.raw("post_metrics").is_empty()
    assert imported.rules == {"primary_key": 2}


def test_a_row_that_another_file_landed_is_not_landed_twice(importer: Any, post_file: PostFile) -> None:
    importer.load(post_file(*GOOD))
    overlap = importer.load(post_file(GOOD[1], (13, "three", "13.01.2025 08:00", 1), name="later.csv"))

    assert importer.raw("post_metrics").get_column("id").sort().to_list() == [11, 12, 13]
    assert overlap["post_metrics"].rules == {"held_elsewhere": 1}


def test_rows_of_the_app_stay_when_a_file_lands_on_their_day(importer: Any, post_file: PostFile) -> None:
    contract = CONTRACTS["post_metrics"]
    app = pl.DataFrame(
        {"id": [1], "post_id": [1], "collected_at": [datetime(2025, 1, 17, tzinfo=UTC)], "likes_count": [3]}
    ).match_to_schema(contract.source_schema, missing_columns="insert")
    window = Window(date(2025, 1, 17), date(2025, 1, 18))
    batch = prepare(contract, app, "app_database", b"k" * 32)
    land_window(importer.lake, contract, window, lambda: batch, source="app_database")

    importer.load(post_file(*GOOD))
    assert importer.raw("post_metrics").get_column("id").to_list() == [1, 11, 12]

    land_window(importer.lake, contract, window, lambda: batch, source="app_database")
    assert importer.raw("post_metrics").get_column("id").to_list() == [1, 11, 12]


def test_a_wrong_mapping_does_not_empty_what_was_landed(importer: Any, post_file: PostFile) -> None:
    importer.load(post_file(*GOOD))

    with pytest.raises(NothingGoodError, match=r"none of the 1 records is fit for post_metrics .*2 rows"):
        importer.load(post_file((11, "one", "2025/01/10", 1)))
    assert importer.raw("post_metrics").height == 2


def test_a_broken_line_is_a_pseudonym_in_each_table_where_the_file_names_persons(importer: Any) -> None:
    path = importer.write("x.csv", "link,author,text,at,likes\n/1,Ann,t,01.01.2025 10:00,3\n/2,Bob Secret,cut\n")
    importer.load(path)

    for table in ("social_posts", "post_metrics"):
        (row,) = importer.quarantine(table).get_column("row")
        assert "Bob" not in row
        assert len(json.loads(row)["#broken"]) == 32


def test_personal_values_of_a_bad_row_are_pseudonyms(importer: Any) -> None:
    mapping = """
    source: users
    tables:
      auth_user:
        columns:
          id: id
          email: mail
          subscription_tier: tier
          date_joined: {column: joined, zone: UTC}
          updated_at: {column: joined, zone: UTC}
          is_active: {constant: true}
          timezone: {constant: UTC}
    """
    lines = "id,mail,tier,joined\n1,a@b.c,free,2025-01-01\n2,d@e.f,gold,2025-01-01\n3,g@h\n"
    importer.load(importer.write("users.csv", lines), mapping)

    landed, bad = importer.raw("auth_user"), importer.quarantine("auth_user")
    rows = {rules[0]: json.loads(row) for rules, row in bad.select("rules", "row").rows()}
    assert rows["subscription_tier|check__allowed_values"]["tier"] == "gold"
    assert rows["malformed_line"]["#record"] == 3
    assert bad.get_column("reason").sort()[0] == "subscription_tier is not one of the allowed values"
    assert not any("@" in text for text in [landed.write_json(), bad.write_json()])


def test_ids_of_people_are_keyed_and_stable(importer: Any, post_file: PostFile) -> None:
    from clientnest_assets.sources.files.expressions import hashed

    importer.load(post_file(*GOOD))

    assert importer.raw("social_posts").get_column("user_id").unique().to_list() == [
        hashed(pl.Series(["ann"]), pl.Int64(), b"k" * 32).item()
    ]


def test_a_file_larger_than_a_commit_lands_in_several(
    importer: Any, post_file: PostFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clientnest_assets.sources.files.checking.ROWS_PER_COMMIT", 2)
    posts = [(number, "x", f"{number % 9 + 1:02}.01.2025 08:00", number) for number in range(1, 30)]
    checked = importer.check(post_file(*posts))
    assert len(checked[1].windows) > 3

    assert importer.load(post_file(*posts))["post_metrics"].rows_written == 29
    assert importer.raw("post_metrics").get_column("id").to_list() == list(range(1, 30))
    assert importer.load(post_file(*posts[:5]))["post_metrics"].rows_removed == 24


def test_an_import_that_was_broken_off_is_completed_by_the_next(
    importer: Any, post_file: PostFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clientnest_assets.sources.files.checking.ROWS_PER_COMMIT", 2)
    importer.load(post_file(*((number, "old", f"{number:02}.01.2025 08:00", 1) for number in range(1, 9))))
    changed = post_file(*((number, "old", f"{number:02}.01.2025 08:00", 2) for number in range(3, 12)))
    land, calls = importing.land_window, iter(range(100))

    def killed(*arguments: Any, **options: Any) -> Any:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return land(*arguments, **options)

    monkeypatch.setattr(importing, "land_window", killed)
    with pytest.raises(KeyboardInterrupt):
        importer.load(changed)
    importer.load(changed)

    assert importer.raw("post_metrics").select("id", "likes_count").rows() == [(n, 2) for n in range(3, 12)]
    assert importer.raw("social_posts").get_column("id").to_list() == list(range(1, 12))


def test_columns_that_the_mapping_does_not_read_are_told(importer: Any) -> None:
    file = importer.write("posts.csv", "link,mood,text,at,likes,author\nx/1,good,t,10.01.2025 08:00,1,ann\n")

    assert importer.load(file)["post_metrics"].unread == ["mood"]


def test_a_dry_run_leaves_the_lake_untouched(importer: Any, post_file: PostFile) -> None:
    checked = importer.check(post_file(*GOOD))

    assert [(each.contract.name, each.good, each.bad) for each in checked] == [
        ("social_posts", 2, 0),
        ("post_metrics", 2, 0),
    ]
    assert not Path(importer.lake.root).exists()
