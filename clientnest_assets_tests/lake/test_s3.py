"""Every option of a bucket reaches every library that speaks to it, seen from the server's side."""

import os
import subprocess
import sys
import urllib.request
from datetime import timedelta

import obstore
import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from clientnest_assets.lake import Lake
from clientnest_assets.lake.files import Storage
from clientnest_assets.lake.s3 import duckdb_secret, open_bucket
from clientnest_assets.lake.sql import connect

ROOT = "s3://bucket/lake"
FRAME = pl.DataFrame({"id": [1, 2]})


def use(lake):
    """One write and one read by each library that touches a lake."""
    location = lake.location("raw", "things")
    options = dict(lake.storage_options)
    write_deltalake(location, FRAME, mode="append", storage_options=options)
    assert pl.scan_delta(location, storage_options=options).collect().equals(FRAME)
    Storage.of(lake).write("models/card.json", b"{}")
    assert Storage.of(lake).read("models/card.json") == b"{}"


def signed_with(headers):
    return headers["authorization"].split("Credential=")[1].split("/")


def test_address_key_token_and_region_are_those_of_the_options(look_alike):
    use(Lake(ROOT, {**look_alike.options, "AWS_SESSION_TOKEN": "a token"}))

    assert {path.rsplit("/", 1)[-1] for path, _ in look_alike.puts()} >= {"00000000000000000000.json", "card.json"}
    for _, path, headers in look_alike.requests:
        assert path.startswith("/bucket")
        key, _, region, *_ = signed_with(headers)
        assert (key, region, headers["x-amz-security-token"]) == ("key", "eu-central-1", "a token")


def test_duckdb_asks_with_the_same_key_token_region_and_path_style(look_alike):
    lake = Lake(ROOT, {**look_alike.options, "AWS_SESSION_TOKEN": "a token"})
    use(lake)
    look_alike.requests.clear()

    assert connect(lake).execute("select sum(id) from raw.things").fetchall() == [(3,)]

    asked = [(path, headers) for _, path, headers in look_alike.requests if path.endswith(".parquet")]
    assert asked
    for path, headers in asked:
        key, _, region, *_ = signed_with(headers)
        assert path.startswith("/bucket/lake/raw/things/")
        assert (key, region, headers["x-amz-security-token"]) == ("key", "eu-central-1", "a token")


@pytest.mark.parametrize(
    "options",
    [
        {"AWS_SERVER_SIDE_ENCRYPTION": "AES256"},
        {
            "AWS_SERVER_SIDE_ENCRYPTION": "aws:kms",
            "AWS_SSE_KMS_KEY_ID": "arn:aws:kms:eu-central-1:1:key/2",
            "AWS_SSE_BUCKET_KEY_ENABLED": "true",
        },
    ],
    ids=["AES256", "aws:kms"],
)
def test_every_object_is_asked_to_be_encrypted(look_alike, options):
    use(Lake(ROOT, {**look_alike.options, **options}))

    names = {
        "AWS_SERVER_SIDE_ENCRYPTION": "x-amz-server-side-encryption",
        "AWS_SSE_KMS_KEY_ID": "x-amz-server-side-encryption-aws-kms-key-id",
        "AWS_SSE_BUCKET_KEY_ENABLED": "x-amz-server-side-encryption-bucket-key-enabled",
    }
    expected = {names[option]: value for option, value in options.items()}
    assert len(look_alike.puts()) >= 3
    for path, headers in look_alike.puts():
        assert {name: headers.get(name) for name in names.values() if name in headers} == expected, path


def test_a_real_server_keeps_what_it_was_asked_to_encrypt_encrypted(bucket):
    lake = Lake(bucket.root, {**bucket.storage_options, "AWS_SERVER_SIDE_ENCRYPTION": "AES256"})
    use(lake)

    store = open_bucket(lake.root, bucket.storage_options)
    written = [file.path for file in Storage.of(bucket).files()]
    assert len(written) == 3
    for path in written:
        address = obstore.sign(store, "HEAD", path, timedelta(minutes=1))
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD")) as answer:
            assert answer.headers["x-amz-server-side-encryption"] == "AES256"
    assert connect(lake).execute("select sum(id) from raw.things").fetchall() == [(3,)]


def test_virtual_hosted_requests_leave_the_bucket_to_the_host(look_alike):
    use(Lake(ROOT, {**look_alike.options, "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true"}))

    assert {path.split("/")[1] for _, path, _ in look_alike.requests} <= {"lake", ""}


def test_duckdbs_secret_follows_the_options():
    options = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "eu-west-1"}
    keys = {"key_id": "key", "secret": "secret", "region": "eu-west-1"}

    assert duckdb_secret(ROOT, options) == {**keys, "url_style": "path"}
    assert duckdb_secret(ROOT, {**options, "AWS_ENDPOINT_URL": "http://store:9000"}) == {
        **keys,
        "endpoint": "store:9000",
        "url_style": "path",
        "use_ssl": "false",
    }
    hosted = {**options, "AWS_ENDPOINT_URL": "https://bucket.store.example", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true"}
    assert duckdb_secret(ROOT, hosted) == {**keys, "endpoint": "store.example", "url_style": "vhost"}


def test_without_a_key_among_the_options_a_containers_role_is_used_by_every_library(look_alike):
    """In a process of its own: the libraries look at the environment once."""
    options = {name: value for name, value in look_alike.options.items() if "KEY" not in name}
    program = f"""
import polars as pl
from deltalake import write_deltalake
from clientnest_assets.lake import Lake
from clientnest_assets.lake.files import Storage
from clientnest_assets.lake.sql import connect
lake = Lake({ROOT!r}, {options!r})
location = lake.location("raw", "things")
write_deltalake(location, pl.DataFrame({{"id": [1]}}), storage_options={options!r})
Storage.of(lake).write("card.json", b"x")
assert pl.scan_delta(location, storage_options={options!r}).collect().height == 1
assert connect(lake).execute("select id from raw.things").fetchall() == [(1,)]
"""
    role = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{look_alike.options['AWS_ENDPOINT_URL']}/credentials-of-the-role",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": os.devnull,
        "AWS_REGION": "eu-central-1",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **role}, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    signed = [
        signed_with(headers)[0]
        for _, _, headers in look_alike.requests
        if "Credential=" in headers.get("authorization", "")
    ]
    assert set(signed) == {"ofrole"}


def test_a_table_of_the_bucket_is_opened_by_the_address_alone(bucket):
    use(bucket)

    assert DeltaTable(bucket.location("raw", "things"), storage_options=dict(bucket.storage_options)).version() == 0
