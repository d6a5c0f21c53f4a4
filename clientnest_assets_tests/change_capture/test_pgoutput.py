"""Decoding alone: real messages cut into batches anywhere, and messages that nobody asked for."""

import polars as pl
import psycopg
import pyarrow as pa
import pytest

from clientnest_assets.sources.change_capture.pgoutput import Decoder, ProtocolError, Rows, Truncation

STORY = (
    "insert into things select i, repeat('x', i), null, i % 2 = 0 from generate_series(1, 20) i",
    "update things set word = 'twelve bytes' where id = 12; update things set word = 'thirteen byte' where id = 13",
    "update things set id = 99 where id = 1",
    "delete from things where id between 2 and 4",
    "insert into others values (1)",
    "alter table things add more text; update things set more = 'é🔥' where id = 7",
    "insert into things select 100, string_agg(md5(i::text), ''), 5.50, true from generate_series(1, 200) i",
    "update things set amount = 1e3 where id = 100",
    "truncate things, others",
)


@pytest.fixture
def stream(databases):
    """Real messages, and the oid of the one table that is decoded."""
    url = databases.create()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table things (id bigint primary key, word text, amount numeric, flag boolean)")
        connection.execute("create table others (id bigint primary key)")
        connection.execute("create publication p for all tables")
        connection.execute("select pg_create_logical_replication_slot('decoding', 'pgoutput')")
        for statements in STORY:
            with connection.transaction():
                for statement in statements.split(";"):
                    connection.execute(statement)
        connection.execute("set synchronous_commit = on")
        connection.execute("select pg_logical_emit_message(true, 'x', '')")
        options = "'proto_version', '1', 'publication_names', 'p'"
        rows = connection.execute(
            f"select data from pg_logical_slot_get_binary_changes('decoding', null, null, {options})"
        )
        messages = [bytes(data) for (data,) in rows]
        (oid,) = connection.execute("select 'things'::regclass::oid::bigint").fetchone()
        connection.execute("select pg_drop_replication_slot('decoding')")
    return messages, oid


def decoded(messages, oid, size):
    """All changes in order, with what they were cut into taken away."""
    decoder = Decoder({oid: "id"})
    rows, truncations = [], []
    for start in range(0, len(messages), size):
        # A slice: where an array begins in its buffers must not matter.
        array = pa.array([b"before", *messages[start : start + size]], pa.binary())[1:]
        for found in decoder.decode(array):
            rows.append(found.frame) if isinstance(found, Rows) else truncations.append(found)
    return pl.concat(rows, how="diagonal").sort("|position"), truncations, decoder


def test_a_stream_means_the_same_however_it_is_cut(stream):
    messages, oid = stream
    whole, truncations, decoder = decoded(messages, oid, 10_000)
    for size in (1, 2, 7):
        again, *_ = decoded(messages, oid, size)
        assert again.select(sorted(again.columns)).equals(whole.select(sorted(whole.columns)))

    assert whole.get_column("|operation").value_counts().sort("|operation").rows() == [("D", 3), ("I", 21), ("U", 5)]
    assert whole.get_column("|transaction").n_unique() == 7
    assert whole.get_column("|committed_at").is_sorted()
    assert [each.tables for each in truncations] == [(oid,)]
    assert isinstance(truncations[0], Truncation)
    assert decoder.changes == 3 + 21 + 5 + 1 + 1
    assert decoder.committed_at == truncations[0].committed_at
    inserted = whole.filter(pl.col("|operation") == "I")
    assert inserted.get_column("word").str.len_bytes().to_list() == [*range(1, 21), 6400]
    assert inserted.get_column("flag").to_list()[:2] == ["f", "t"]
    updated = whole.filter(pl.col("|operation") == "U")
    assert updated.select("|old_key", "id", "word", "amount", "more", "|unchanged|word").rows() == [
        (None, "12", "twelve bytes", None, None, None),
        (None, "13", "thirteen byte", None, None, None),
        ("1", "99", "x", None, None, None),
        (None, "7", "xxxxxxx", None, "é🔥", None),
        (None, "100", None, "1000", None, True),
    ]
    assert whole.filter(pl.col("|operation") == "D").get_column("|old_key").to_list() == ["2", "3", "4"]


def test_a_message_that_was_not_asked_for_is_an_error(stream):
    messages, oid = stream
    with pytest.raises(ProtocolError, match="'S'"):
        decoded([*messages, b"S\0\0"], oid, 10_000)
