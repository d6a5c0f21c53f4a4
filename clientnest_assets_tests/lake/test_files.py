"""Files in a folder and in a bucket behave alike: whole, listed with what tells a change, moved, absent."""

import os
from pathlib import Path

import boto3
import pytest

from clientnest_assets.lake import Lake
from clientnest_assets.lake.files import Storage, file_names, folders, read_files, remove_file, write_files

NAMES = ["plain.csv", "two words.csv", "100%.csv", "a%20b.csv", "#1 (ü) [x]?*.csv", "a+b&c=d~.csv"]


@pytest.fixture
def storage(lake):
    return Storage.of(lake)


def test_files_are_read_as_written_and_replaced_whole(lake):
    location = write_files(lake, "models/engagement/2025-01-06", {"model.txt": b"trees", "card.json": b"{}"})
    write_files(lake, "models/engagement/2025-01-06", {"card.json": b'{"version": 2}'})
    write_files(lake, "models/engagement/2025-01-13", {"old.txt": b"", "card.json": b"{}"})
    remove_file(lake, "models/engagement/2025-01-13/old.txt")

    assert location == f"{lake.root}/models/engagement/2025-01-06"
    assert read_files(lake, "models/engagement/2025-01-06") == {"model.txt": b"trees", "card.json": b'{"version": 2}'}
    assert read_files(lake, "models/engagement/2025-01-13") == {"card.json": b"{}"}
    assert folders(lake, "models/engagement") == ["2025-01-06", "2025-01-13"]


def test_of_named_files_those_are_read_that_are_there_and_no_others(lake, monkeypatch):
    write_files(lake, "models/engagement", {"card.json": b"{}", "model.txt": b"trees"})
    read, asked = Storage.read, []
    monkeypatch.setattr(Storage, "read", lambda self, path: asked.append(path) or read(self, path))

    assert read_files(lake, "models/engagement", ("card.json", "decision.json")) == {"card.json": b"{}"}
    assert asked == ["models/engagement/card.json", "models/engagement/decision.json"]
    assert file_names(lake, "models/engagement") == ["card.json", "model.txt"]
    assert (file_names(lake, "models/none"), read_files(lake, "models/none", ("card.json",))) == ([], {})


def test_where_nothing_was_written_there_is_nothing_and_asking_makes_nothing(lake):
    assert read_files(lake, "models/none") == {}
    assert folders(lake, "models") == []
    assert list(Storage.of(lake).files()) == []
    assert not Path(lake.root).exists()


def test_every_name_a_file_may_have_is_kept(storage):
    for name in NAMES:
        storage.write(f"in/{name}", name.encode())

    assert sorted(each.path for each in storage.files("in")) == sorted(f"in/{name}" for name in NAMES)
    assert storage.children("in") == (sorted(NAMES), [])
    assert [storage.read(f"in/{name}") for name in NAMES] == [name.encode() for name in NAMES]


def test_a_folder_holds_what_is_below_it_and_not_what_begins_like_it(storage):
    for path in ("in/a.csv", "in/deep/er/b.csv", "inbox/c.csv"):
        storage.write(path, b"x")

    assert sorted(each.path for each in storage.files("in")) == ["in/a.csv", "in/deep/er/b.csv"]
    assert storage.children("in") == (["a.csv"], ["deep"])
    assert storage.children() == ([], ["in", "inbox"])


def test_a_listing_tells_size_and_whether_the_content_changed(storage):
    storage.write("a.csv", b"12345")
    (before,) = storage.files()
    (again,) = storage.files()
    storage.write("a.csv", b"54321")
    (after,) = storage.files()

    assert before == again
    assert (before.size_bytes, after.size_bytes) == (5, 5)
    assert before.etag != after.etag
    assert before.modified_at <= after.modified_at
    assert before.modified_at.utcoffset() is not None


def test_a_file_travels_in_pieces_and_moves(storage, tmp_path):
    source, target = tmp_path / "source.bin", tmp_path / "target.bin"
    source.write_bytes(os.urandom(12_000_000))

    storage.upload(source, "in/big.bin")
    storage.write("archive/big.bin", b"an older one")
    storage.move("in/big.bin", "archive/big.bin")
    storage.download("archive/big.bin", target)

    assert target.read_bytes() == source.read_bytes()
    assert [each.path for each in storage.files()] == ["archive/big.bin"]


@pytest.mark.parametrize("ask", ["read", "download", "move"])
def test_a_file_that_is_not_there_is_said_to_be_missing(storage, ask, tmp_path):
    storage.write("there", b"x")
    arguments = {"read": [], "download": [tmp_path / "x"], "move": ["elsewhere"]}[ask]

    with pytest.raises(FileNotFoundError):
        getattr(storage, ask)("missing", *arguments)


def test_models_of_a_lake_with_a_space_in_its_path_lie_where_they_are_said_to(tmp_path):
    lake = Lake(str(tmp_path / "my lake"))
    location = write_files(lake, "models", {"card.json": b"{}"})

    assert [file.name for file in Path(location).iterdir()] == ["card.json"]


def test_folders_that_tools_show_in_a_bucket_by_an_empty_object_are_no_files(bucket):
    storage = Storage.of(bucket)
    storage.write("in/empty.csv", b"")
    storage.write("in/gone.csv", b"x")
    name = bucket.root.removeprefix("s3://").split("/", 1)[1]
    options = bucket.storage_options
    client = boto3.client(
        "s3",
        endpoint_url=options["AWS_ENDPOINT_URL"],
        aws_access_key_id=options["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=options["AWS_SECRET_ACCESS_KEY"],
        region_name=options["AWS_REGION"],
    )
    client.put_object(Bucket="clientnest", Key=f"{name}/new folder/", Body=b"")
    storage.delete("in/gone.csv")

    assert [each.path for each in storage.files()] == ["in/empty.csv"]
    assert storage.children() == ([], ["in", "new folder"])
    assert storage.children("new folder") == ([], [])
