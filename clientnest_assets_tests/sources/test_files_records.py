"""Files of every form and fault: each record is there, numbered, or the error says which file, where and what to do."""

import gzip
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clientnest_assets.sources.files import FileError, parse_mapping
from clientnest_assets.sources.files.formats import read_records
from clientnest_assets.sources.files.records import BROKEN, RECORD

MAPPING = """
source: notes
{file}
tables:
  post_metrics:
    columns:
      id: a
      post_id: b
      collected_at: {{column: c, zone: UTC}}
"""


def read(path: Path, file: str = "") -> pl.DataFrame:
    return pl.concat(read_records(path, parse_mapping(MAPPING.format(file=file), "notes.yaml"), path.name).batches)


def values(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return frame.select(RECORD, "a", "b", "c", BROKEN).rows()


def error(path: Path, file: str = "") -> str:
    with pytest.raises(FileError) as raised:
        read(path, file)
    assert str(path) in str(raised.value)
    return str(raised.value)


def test_csv_keeps_lines_within_quotes_and_takes_empty_for_missing(importer: Any) -> None:
    file = importer.write("x.csv", 'c,a,extra,b\n3,"1\n,""1""",x,"2\r\r"\n,,,""\n')

    assert values(read(file)) == [(1, '1\n,"1"', "2\r\r", "3", None), (2, None, None, None, None)]


def test_records_with_too_few_or_too_many_columns_are_kept_as_text(importer: Any) -> None:
    file = importer.write("x.csv", 'a,b,c\n1,2,3\n1,2\n4,5,6\n7,8,9,10\n1,2,3\n1,"cut')

    assert values(read(file)) == [
        (1, "1", "2", "3", None),
        (2, None, None, None, "1,2"),
        (3, "4", "5", "6", None),
        (4, None, None, None, "7,8,9,10"),
        (5, "1", "2", "3", None),
        (6, None, None, None, '1,"cut'),
    ]


def test_numbers_of_records_hold_over_many_blocks(importer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clientnest_assets.sources.files.csv_file.LONGEST_RECORD_BYTES", 4096)
    lines = [f"{n},{n}" if n % 7 == 0 else f"{n},{n},{n}" for n in range(1, 20_001)]
    frame = read(importer.write("x.csv", "\n".join(["a,b,c", *lines])))

    assert frame.height == 20_000
    good, broken = frame.filter(pl.col(BROKEN).is_null()), frame.filter(pl.col(BROKEN).is_not_null())
    assert good.filter(pl.col("a") != pl.col(RECORD).cast(pl.String)).is_empty()
    assert broken.filter(pl.col(BROKEN).str.head(5).str.extract(r"(\d+)") != pl.col(RECORD).cast(pl.String)).is_empty()
    assert broken.height == 20_000 // 7


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252", "mac_roman"])
def test_other_encodings_are_read_whole(importer: Any, encoding: str) -> None:
    file = importer.write("x.csv", "a,b,c\nä,ö€,ü\n".encode(encoding))

    assert values(read(file, f"file: {{encoding: {encoding}}}")) == [(1, "ä", "ö€", "ü", None)]


def test_bytes_that_are_not_of_the_encoding_are_marked_and_only_there(importer: Any) -> None:
    file = importer.write("x.csv", b"a,b,c\n1,caf\xe9,3\n2,caf\xc3\xa9,3\n")

    assert read(file).get_column("b").to_list() == ["caf\ufdd0<e9>", "café"]


def test_a_bad_byte_or_a_nul_sends_its_row_to_quarantine(importer: Any) -> None:
    lines = b"a,b,c\n1,2,2025-01-01\n3,4\xe9,2025-01-01\n5,6\0,2025-01-01\n"
    imported = importer.load(importer.write("x.csv", lines), MAPPING.format(file=""))["post_metrics"]

    assert (imported.rows_written, imported.rows_quarantined) == (1, 2)
    assert imported.rules == {"b|encoding": 1, "b|nul_byte": 1, "post_id|cast": 2}


def test_tabs_and_other_delimiters(importer: Any) -> None:
    assert values(read(importer.write("x.tsv", "a\tb\tc\n1\t2\t3\n"))) == [(1, "1", "2", "3", None)]
    assert values(read(importer.write("x.txt", "a|b|c\n1|2|3\n"), "file: {delimiter: '|'}")) == [
        (1, "1", "2", "3", None)
    ]


def test_words_for_missing_are_the_mappings(importer: Any) -> None:
    file = importer.write("x.csv", "a,b,c\nNA,null,-\n")

    assert values(read(file, "file: {missing: ['', NA, '-']}")) == [(1, None, "null", None, None)]


def test_json_lines_keep_their_line_numbers_and_types_as_text(importer: Any) -> None:
    lines = ['{"a": 1, "b": {"x": [1, "y"]}, "c": true}', "", "[1]", '{"a": "ü", "b": null}', '{"a": 1.5, "b"']
    frame = read(importer.write("x.jsonl", "\r\n".join(lines)))

    assert [(number, a, b, c) for number, a, b, c, _ in values(frame)] == [
        (1, "1", '{"x":[1,"y"]}', "true"),
        (3, None, None, None),
        (4, "ü", None, None),
        (5, None, None, None),
    ]
    assert frame.filter(pl.col(BROKEN).is_not_null()).get_column(RECORD).to_list() == [3, 5]


def test_json_lines_are_read_in_blocks(importer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clientnest_assets.sources.files.json_file.BLOCK_BYTES", 100)
    lines = [json.dumps({"a": str(n), "b": "ü" * (n % 9), "c": n}) for n in range(1, 300)]
    frame = read(importer.write("x.jsonl", "\n".join(lines)))

    assert frame.get_column("a").to_list() == [str(n) for n in range(1, 300)]
    assert frame.get_column(RECORD).to_list() == list(range(1, 300))


def test_nested_json_is_reached_by_path(importer: Any) -> None:
    mapping = parse_mapping(MAPPING.format(file="").replace("id: a", "id: $.user.id", 1), "notes.yaml")
    file = importer.write("x.jsonl", '{"user": {"id": 7}, "b": 1, "c": 2}\n')

    assert pl.concat(read_records(file, mapping, "x").batches).get_column("$.user.id").to_list() == ["7"]


def test_parquet_types_become_text_without_loss(importer: Any) -> None:
    path = importer.folder / "x.parquet"
    moment = datetime(2025, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    pl.DataFrame(
        {"a": [2**62, None], "b": [["x", 'y"'], None], "c": [moment, None], "unused": [1, 2]},
        schema_overrides={"c": pl.Datetime("us", "Europe/Berlin")},
    ).write_parquet(path)

    assert values(read(path)) == [
        (1, str(2**62), '["x","y\\""]', "2025-01-02 03:04:05.678901000+00:00", None),
        (2, None, None, None, None),
    ]


def test_the_same_rows_land_from_csv_json_lines_and_parquet(importer: Any) -> None:
    rows = pl.DataFrame({"a": [1, 2], "b": [10, 20], "c": [date(2025, 1, 1), date(2025, 1, 2)]})
    csv, lines = rows.write_csv(), io.BytesIO()
    rows.with_columns(pl.col("c").cast(pl.String)).write_ndjson(lines)
    rows.write_parquet(importer.folder / "x.parquet")
    mapping = MAPPING.format(file="")
    importer.load(importer.write("x.csv", csv), mapping)
    expected = importer.raw("post_metrics").drop("source")

    for path in (importer.write("x.jsonl.gz", gzip.compress(lines.getvalue())), importer.folder / "x.parquet"):
        assert importer.load(path, mapping, name="x.csv")["post_metrics"].rows_already_held == 2
    assert importer.raw("post_metrics").drop("source").equals(expected)


def test_costs_in_parquet_stay_exact(importer: Any) -> None:
    path = importer.folder / "x.parquet"
    pl.DataFrame({"a": [Decimal("0.000015")], "b": [1.5e-05], "c": [True]}).write_parquet(path)

    assert values(read(path)) == [(1, "0.000015", "0.000015", "true", None)]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.csv", b"", "is empty"),
        ("x.jsonl", b"", "is empty"),
        ("x.parquet", b"", "is empty"),
        ("x.csv", b"a,b,c\n", "has a header and no records"),
        ("x.csv", b"\n\n", "only blank lines"),
        ("x.csv", b"a,b\n1,2\n", "has no column 'c', which the mapping reads. Its columns are 'a', 'b'."),
        ("x.csv", b"a;b;c\n1;2;3\n", "say `delimiter: ';'`"),
        ("x.csv", b"a,b,c,a\n1,2,3,4\n", "line 1: the header names 'a' more than once"),
        ("x.csv", b"a,b\xe4,c\n1,2,3\n", "line 1: the header is not utf-8"),
        ("x.csv", "a,b,c\n1,2,3\n".encode("utf-16"), "is UTF-16: say `encoding: utf-16`"),
        ("x.csv", b"PK\x03\x04abc", "a zip archive"),
        ("x.csv.gz", gzip.compress(b"a,b,c\n" + b"1,2,3\n" * 99_999)[:-20], "is cut off or damaged"),
        ("x.jsonl", b'{"a": 1, "b": 2}\n', "has no column 'c'"),
        ("x.parquet", b"PAR1 but no more", "is not a whole Parquet file"),
        ("x.dat", b"a,b,c\n", "nothing tells how it is written"),
        ("x.csv", b",".join(b"%d" % n for n in range(20_000)) + b"\n", "more than 10,000 columns"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_remedy(
    importer: Any, name: str, content: bytes, expected: str
) -> None:
    assert expected in error(importer.write(name, content))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "No such file" in error(tmp_path / "gone.csv")
    assert "No such file" in error(tmp_path / "gone.parquet")


def test_a_quote_left_open_over_the_rest_of_a_large_file(importer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clientnest_assets.sources.files.csv_file.LONGEST_RECORD_BYTES", 1024)
    file = importer.write("x.csv", 'a,b,c\n1,2,3\n4,"5,6\n' + "7,8,9\n" * 2000)

    assert "line 3: a quote is opened there and never closed" in error(file)


def test_a_file_that_unpacks_to_too_much_is_refused(importer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clientnest_assets.sources.files.reading.FREE_GIB", 0.01)
    file = importer.write("x.csv.gz", gzip.compress(b"a,b,c\n" + b"1,2,3\n" * 5_000_000))

    assert "unpacks to more than" in error(file)
