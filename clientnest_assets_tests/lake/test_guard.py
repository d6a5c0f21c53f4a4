"""A store is trusted only after exactly one of several writers was told that it created an object, twice."""

import os

import pytest

from clientnest_assets.lake.files import Storage
from clientnest_assets.lake.guard import TRUSTED_SECONDS, UnreachableStoreError, UnsafeStoreError, require_safe_store

ROOT = "s3://bucket/lake"


def test_a_real_server_is_safe_and_no_probe_is_left(bucket, tmp_path):
    require_safe_store(bucket.root, bucket.storage_options, tmp_path / "guard")

    assert list(Storage.of(bucket).files()) == []
    (mark,) = (tmp_path / "guard").iterdir()
    assert mark.read_text() == f"{bucket.root} at {bucket.storage_options['AWS_ENDPOINT_URL']}\n"


def test_a_store_that_overwrites_in_spite_of_the_condition_is_refused(look_alike, tmp_path):
    look_alike.honours_conditions = False

    with pytest.raises(UnsafeStoreError) as refused:
        require_safe_store(ROOT, look_alike.options, tmp_path)

    assert look_alike.options["AWS_ENDPOINT_URL"] in str(refused.value)
    assert "of 3 writers that each asked to create one new object, 3 were told that they did" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_store_found_safe_is_believed_for_a_day_and_only_where_it_was_found(look_alike, tmp_path):
    require_safe_store(ROOT, look_alike.options, tmp_path)
    raced = len(look_alike.puts())
    require_safe_store(ROOT, look_alike.options, tmp_path)
    assert (raced, len(look_alike.puts())) == (6, 6)

    require_safe_store("s3://bucket/other", look_alike.options, tmp_path)
    assert len(look_alike.puts()) == 12

    for mark in tmp_path.iterdir():
        os.utime(mark, (mark.stat().st_atime, mark.stat().st_mtime - TRUSTED_SECONDS))
    look_alike.honours_conditions = False
    with pytest.raises(UnsafeStoreError):
        require_safe_store(ROOT, look_alike.options, tmp_path)


@pytest.mark.parametrize("status", [403, 404, 501, 500])
def test_a_store_that_takes_nothing_is_told_from_an_unsafe_one(look_alike, tmp_path, status):
    look_alike.status = status

    with pytest.raises(UnreachableStoreError, match="does not take a test object"):
        require_safe_store(ROOT, look_alike.options, tmp_path)


def test_a_store_that_is_not_there_is_told_at_once(tmp_path, look_alike):
    options = {**look_alike.options, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}

    with pytest.raises(UnreachableStoreError, match=r"s3://bucket/lake at http://127\.0\.0\.1:1"):
        require_safe_store(ROOT, options, tmp_path)
