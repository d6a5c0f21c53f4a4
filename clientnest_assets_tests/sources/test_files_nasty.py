"""Files as they really come: whatever is in one, each record ends in raw, in quarantine or in `left out`, or the file is refused.

The error then names the file, the place and the remedy. Memory is bounded: measured in processes of their own.
"""

import gzip
import json
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clientnest_assets.sources.files import FileError, parse_mapping

MAPPING = """
source: notes
{file}
tables:
  social_posts:
    columns:
      id: id
      user_id: {{constant: 1}}
      account_id: {{constant: 1}}
      platform: platform
      content: text
      status: {{constant: published}}
      ai_generated: {{constant: false}}
      created_at: &at {{column: at, zone: {zone}{more}}}
      updated_at: *at
"""
HEADER = "id,platform,text,at"
MIB = 1 << 20


def mapping(file: str = "", zone: str = "UTC", more: str = "") -> str:
    return MAPPING.format(file=file and f"file: {{{file}}}", zone=zone, more=more)


def outcome(importer: Any, name: str, content: str | bytes, **options: str) -> tuple[int, int, dict[str, int]]:
    """Rows landed, rows in quarantine, and why; after seeing that none is missing from the lake."""
    imported = importer.load(importer.write(name, content), mapping(**options))["social_posts"]
    assert imported.records == imported.rows_written + imported.rows_already_held + imported.rows_quarantined
    assert importer.raw("social_posts").height == imported.rows_written
    assert importer.quarantine("social_posts").height == imported.rows_quarantined
    return imported.rows_written, imported.rows_quarantined, imported.rules


def csv(*rows: str, end: str = "\n") -> str:
    return end.join([HEADER, *rows, ""])


GOOD = "1,twitter,hello,2025-01-01T10:00:00Z"


@pytest.mark.parametrize(
    ("row", "rules"),
    [
        ("x,twitter,t,2025-01-01", {"id|cast": 1}),
        (",twitter,t,2025-01-01", {"id|nullability": 1}),
        ("99999999999999999999,twitter,t,2025-01-01", {"id|cast": 1}),
        ("0,twitter,t,2025-01-01", {"id|min": 1}),
        ("2,myspace,t,2025-01-01", {"platform|check__allowed_values": 1}),
        ("2,,t,2025-01-01", {"platform|nullability": 1}),
        ("2,twitter,t,", {"created_at|nullability": 1, "updated_at|nullability": 1}),
        ("2,twitter,t,2025-02-30", {"created_at|cast": 1, "updated_at|cast": 1}),
        ("2,twitter,t,9999-01-01", {"updated_at|plausible": 1}),
        ("2,twitter,a\0b,2025-01-01", {"text|nul_byte": 1}),
        ("2,twitter", {"malformed_line": 1}),
        ("2,twitter,t,2025-01-01,more", {"malformed_line": 1}),
        ('2,twitter,"a quote that nothing closes', {"malformed_line": 1}),
        (GOOD, {"duplicate_row": 1}),
    ],
)
def test_a_bad_row_is_alone_in_quarantine(importer: Any, row: str, rules: dict[str, int]) -> None:
    good, bad, found = outcome(importer, "x.csv", csv("3,facebook,ok,2025-01-02", GOOD, row))

    assert (good, bad) == (2, 1)
    assert {rule: count for rule, count in found.items() if rule in rules} == rules


def test_rows_out_of_order_and_late_land_on_their_own_days(importer: Any) -> None:
    rows = [f"{n},twitter,t,2025-01-{(n * 5) % 28 + 1:02}T00:00:00Z" for n in range(1, 29)]
    outcome(importer, "x.csv", csv(*rows))
    late = importer.load(importer.write("late.csv", csv("99,twitter,late,2024-12-31T23:59:59.999999Z")), mapping())

    assert late["social_posts"].days_changed == [date(2024, 12, 31)]
    assert importer.raw("social_posts").group_by("day").len().get_column("len").unique().to_list() == [1]


def test_a_text_of_fifty_megabytes_lands_whole(importer: Any) -> None:
    text = "ab\n" * (50 * MIB // 3)

    assert outcome(importer, "x.csv", csv(GOOD, f'2,twitter,"{text}",2025-01-01'))[:2] == (2, 0)
    assert importer.raw("social_posts").get_column("content").str.len_bytes().to_list() == [5, len(text)]


def test_a_json_text_of_twenty_megabytes_lands_whole(importer: Any) -> None:
    rows = [
        {"id": n, "platform": "twitter", "text": "abcd" * size, "at": "2025-01-01"}
        for n, size in ((1, 1), (2, 5 * MIB))
    ]

    assert outcome(importer, "x.jsonl", "\n".join(map(json.dumps, rows)))[:2] == (2, 0)
    assert importer.raw("social_posts").get_column("content").str.len_bytes().to_list() == [4, 20 * MIB]


def test_bytes_that_are_no_utf8_are_kept_and_shown(importer: Any) -> None:
    content = csv(GOOD).encode() + b"2,twitter,caf\xe9,2025-01-01\n3,twitter,\xff\xfe,2025-01-01\n"

    assert outcome(importer, "x.csv", content) == (1, 2, {"text|encoding": 2})
    shown = [json.loads(row)["text"] for row in importer.quarantine("social_posts").get_column("row")]
    assert shown == ["caf\ufdd0<e9>", "\ufdd0<ff>\ufdd0<fe>"]


def test_utf16_is_read_with_its_mark_and_refused_with_the_remedy_otherwise(importer: Any) -> None:
    content = csv("1,twitter,Grüße 👋,2025-01-01").encode("utf-16")

    with pytest.raises(FileError, match="encoding: utf-16"):
        importer.check(importer.write("x.csv", content), mapping())
    with pytest.raises(FileError, match="encoding: utf-16"):
        importer.check(importer.write("x.csv.gz", gzip.compress(content)), mapping())
    assert outcome(importer, "x.csv", content, file="encoding: utf-16")[:2] == (1, 0)
    assert importer.raw("social_posts").item(0, "content") == "Grüße 👋"


def test_hours_that_clocks_skip_or_repeat_are_never_guessed(importer: Any) -> None:
    rows = csv(
        "1,twitter,gap,2025-03-30 02:30",
        "2,twitter,fold,2025-10-26 02:30",
        "3,twitter,before,2025-03-30 01:59",
        "4,twitter,after,2025-03-30 03:00",
    )
    assert outcome(importer, "x.csv", rows, zone="Europe/Berlin")[:2] == (2, 2)
    assert importer.raw("social_posts").get_column("created_at").to_list() == [
        datetime(2025, 3, 30, 0, 59, tzinfo=UTC),
        datetime(2025, 3, 30, 1, 0, tzinfo=UTC),
    ]


def test_the_hour_that_comes_twice_is_the_one_the_mapping_says(importer: Any) -> None:
    rows = csv("2,twitter,fold,2025-10-26 02:30")

    assert outcome(importer, "x.csv", rows, zone="Europe/Berlin", more=", ambiguous: latest")[:2] == (1, 0)
    assert importer.raw("social_posts").item(0, "created_at") == datetime(2025, 10, 26, 1, 30, tzinfo=UTC)


def test_times_with_zones_land_on_their_utc_day(importer: Any) -> None:
    outcome(importer, "x.csv", csv("1,twitter,t,2025-01-01T00:30:00+02:00", "2,twitter,t,2025-01-01T23:30:00-08:00"))

    assert importer.raw("social_posts").get_column("day").to_list() == [date(2024, 12, 31), date(2025, 1, 2)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_end_of_line_will_do(importer: Any, end: str) -> None:
    rows = csv(GOOD, '2,twitter,"a\rb\r\nc\nd",2025-01-01', "3,twitter,x,2025-01-01", end=end)

    assert outcome(importer, "x.csv", rows)[:2] == (3, 0)
    assert importer.raw("social_posts").get_column("content").to_list() == ["hello", "a\rb\r\nc\nd", "x"]


def test_mixed_ends_of_lines_will_do(importer: Any) -> None:
    assert outcome(importer, "x.csv", f"{HEADER}\r\n{GOOD}\n2,twitter,b,2025-01-01\r3,twitter,c,2025-01-01")[:2] == (
        3,
        0,
    )


def test_a_quote_left_open_in_the_last_column_does_not_land_what_it_swallowed(importer: Any) -> None:
    header, rows = "id,platform,at,text", ["1,twitter,2025-01-01,a", '2,twitter,2025-01-01,"cut off in the mid']
    content = "\n".join([header, *rows])

    assert outcome(importer, "x.csv", content) == (1, 1, {"malformed_line": 1})
    assert json.loads(importer.quarantine("social_posts").item(0, "row"))["#broken"] == rows[1]


def test_a_quote_that_swallows_the_rest_of_a_file_refuses_it_naming_the_line(importer: Any) -> None:
    many = [f"{n},twitter,t,2025-01-01" for n in range(10, 400)]
    path = importer.write("x.csv", csv(GOOD, '2,twitter,"open,2025-01-01', *many))

    with pytest.raises(FileError, match=r"x\.csv, line 3: a quote is opened there and never closed.*`quote: ''`"):
        importer.check(path, mapping())
    assert outcome(importer, "x.csv", path.read_text(), file="quote: ''")[:2] == (392, 0)


def test_a_lone_quote_within_a_text_is_a_character(importer: Any) -> None:
    assert outcome(importer, "x.csv", csv('1,twitter,5" screen,2025-01-01', GOOD.replace("1,", "2,", 1)))[:2] == (2, 0)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.csv", b"", "x.csv is empty"),
        ("x.csv.gz", gzip.compress(b"", mtime=0), "only blank lines"),
        ("x.csv", HEADER.encode(), "a header and no records"),
        (
            "x.csv.gz",
            gzip.compress(csv(*[GOOD] * 9999).encode(), mtime=0)[:-30],
            "cut off or damaged: unpacking failed after",
        ),
        ("x.csv.gz", gzip.compress(gzip.compress(b"a", mtime=0), mtime=0), "packed with gzip twice: unpack it once"),
        ("x.zip", b"PK\x03\x04", "a zip archive .*: unpack it"),
        ("x.csv", b"\x28\xb5\x2f\xfd123", "packed with zstd: unpack it"),
        ("x.csv", b"PAR1aaaa", "a Parquet file: say `format: parquet`"),
        ("x.jsonl", b"[1, 2", "is cut off or damaged after record 2"),
        ("x.json", b'[{"id": 1}, {"id": 2', "is cut off or damaged after record 1"),
        ("x.json", b'{\n  "data": []\n}', "one JSON object over many lines.*jq -c"),
        ("x.jsonl", b'{"id": 1, "ids": 2}\n', "has no column 'at', 'platform', 'text'.*'id', 'ids'"),
    ],
)
def test_a_file_that_is_none_is_refused_with_the_remedy(
    importer: Any, name: str, content: bytes, expected: str
) -> None:
    form = "format: csv" if name == "x.zip" else ""
    with pytest.raises(FileError, match=f"(?s){expected}"):
        importer.check(importer.write(name, content), mapping(file=form))
    assert not Path(importer.lake.root).exists()


def test_json_keeps_every_digit_and_refuses_what_it_says_twice(importer: Any) -> None:
    lines = [
        '{"id": 9223372036854775807, "platform": "twitter", "text": 12345678901234567890.10, "at": 1735689600}',
        '{"id": 9223372036854775808, "platform": "twitter", "text": "too large", "at": 1735689600}',
        '{"id": 2, "id": 3, "platform": "twitter", "text": "twice", "at": 1735689600}',
        '{"id": NaN, "platform": "twitter", "text": "nan", "at": 1735689600}',
        '{"id": 4, "platform": "twitter", "text": Infinity, "at": -Infinity}',
        '{"id": 5, "platform": "twitter", "text": {"a": [1.50, {"id": 9}]}, "at": 1735689600}',
        '{"id": 6, "platform": "twitter", "text": ' + "[" * 5000 + "]" * 5000 + ', "at": 1735689600}',
        '{"id" : 7, "id": 8, "platform": "twitter", "text": "twice, spaced", "at": 1735689600}',
        '{"id": 7, "platform": "twitter", "text": "cut',
    ]
    good, bad, rules = outcome(importer, "x.jsonl", "\n".join(lines), more=", format: [iso, unix]")

    assert (good, bad) == (2, 7)
    assert importer.raw("social_posts").select("id", "content").rows() == [
        (5, '{"a":[1.50,{"id":9}]}'),
        (9223372036854775807, "12345678901234567890.10"),
    ]
    assert (rules["malformed_line"], rules["id|cast"], rules["created_at|cast"]) == (4, 2, 1)
    quarantined = "".join(importer.quarantine("social_posts").get_column("row"))
    assert "9223372036854775808" in quarantined


def test_a_json_array_is_read_like_lines(importer: Any) -> None:
    rows = [{"id": n, "platform": "twitter", "text": "] [{,\n", "at": "2025-01-01"} for n in range(1, 2001)]
    for name, content in (("a.json", json.dumps(rows, indent=2)), ("b.js", f"window.x.y = {json.dumps(rows)};")):
        imported = importer.load(importer.write(name, content), mapping())["social_posts"]
        assert imported.records == 2000
    assert importer.raw("social_posts").height == 2000


def test_a_json_array_is_read_in_blocks(importer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clientnest_assets.sources.files.json_file.BLOCK_BYTES", 50)
    rows = [{"id": n, "platform": "twitter", "text": "ü€👋" * (n % 9), "at": "2025-01-01"} for n in range(1, 201)]

    assert outcome(importer, "x.json", json.dumps(rows, ensure_ascii=False))[:2] == (200, 0)
    assert importer.raw("social_posts").item(8 - 1, "content") == "ü€👋" * 8


@pytest.mark.parametrize("blocks", [5, 1 << 22])
def test_what_follows_a_json_array_is_never_left_out_unsaid(
    importer: Any, monkeypatch: pytest.MonkeyPatch, blocks: int
) -> None:
    monkeypatch.setattr("clientnest_assets.sources.files.json_file.BLOCK_BYTES", blocks)
    array = json.dumps([{"id": 1, "platform": "twitter", "text": "t", "at": "2025-01-01"}])

    assert outcome(importer, "a.json", f"{array};\r\n\n")[:2] == (1, 0)
    with pytest.raises(FileError, match=r"b.json goes on after the end of the array of its first 1 records"):
        importer.check(importer.write("b.json", f"{array}\n{array}\n"), mapping())


def test_every_type_of_a_parquet_file_is_read_without_loss(importer: Any) -> None:
    moment = datetime(2025, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001
    table = pa.table(
        {
            "id": pa.array([Decimal("12.00"), None], pa.decimal128(20, 2)),
            "platform": pa.array(["twitter", "twitter"]).dictionary_encode(),
            "text": pa.array([{"x": [1, 2], "y": Decimal("1.50")}, None]),
            "at": pa.array([moment, moment], pa.timestamp("ns")),
        }
    )
    path = importer.folder / "x.parquet"
    pq.write_table(table, path, use_deprecated_int96_timestamps=True)

    imported = importer.load(path, mapping())["social_posts"]

    assert (imported.rows_written, imported.rows_quarantined) == (1, 1)
    row = importer.raw("social_posts").row(0, named=True)
    assert (row["id"], row["platform"]) == (12, "twitter")
    assert json.loads(row["content"])["x"] == [1, 2]
    assert row["created_at"] == moment.replace(tzinfo=UTC)


def test_very_long_decimals_in_parquet_do_not_stop_the_import(importer: Any) -> None:
    path = importer.folder / "x.parquet"
    pq.write_table(
        pa.table(
            {
                "id": pa.array([1]),
                "platform": ["twitter"],
                "text": pa.array([Decimal("1234567890123456789012345678901234567890.12")], pa.decimal256(60, 2)),
                "at": ["2025-01-01"],
            }
        ),
        path,
    )

    importer.load(path, mapping())
    assert importer.raw("social_posts").item(0, "content") == "1234567890123456789012345678901234567890.12"


def test_a_table_gets_no_row_where_its_condition_does_not_hold(importer: Any) -> None:
    text = """
    source: mixed
    tables:
      post_metrics:
        when: {not_empty: likes, equals: {kind: [post, reel]}}
        columns: {id: id, post_id: id, collected_at: {column: at, zone: UTC}, likes_count: likes}
    """
    rows = "id,kind,likes,at\n1,post,5,2025-01-01\n2,post,,2025-01-01\n3,story,5,2025-01-01\n4,reel,x,2025-01-01\n5,post\n,,,\n"
    imported = importer.load(importer.write("x.csv", rows), text)["post_metrics"]

    assert (imported.records, imported.rows_written, imported.rows_left_out) == (6, 1, 3)
    assert imported.rules == {"likes_count|cast": 1, "malformed_line": 1}


def test_a_condition_that_says_nothing_is_refused() -> None:
    from clientnest_assets.sources.files import MappingError

    with pytest.raises(MappingError, match="say not_empty: COLUMN, or equals"):
        parse_mapping(mapping().replace("    columns:", "    when: {}\n    columns:"), "m.yaml")


MEASURED = """
import resource, sys, time
from pathlib import Path
from tempfile import TemporaryDirectory
from clientnest_assets.lake import Lake
from clientnest_assets.errors import ClientNestError
from clientnest_assets.sources.files import check_file, land_file, parse_mapping, reading
path, mapping = Path(sys.argv[1]), parse_mapping(sys.argv[2], "m")
reading.FREE_GIB = float(sys.argv[3])
before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
with TemporaryDirectory() as folder:
    lake = Lake(folder + "/lake")
    try:
        (Path(folder) / "spool").mkdir()
        done = land_file(lake, check_file(path, mapping, lake, b"k" * 32, Path(folder) / "spool"))
        said = f"{done[0].records} {done[0].rows_written}"
    except ClientNestError as error:
        said = str(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, time.monotonic() - began, said, sep="|")
"""


READ = """
import resource, sys
from pathlib import Path
from clientnest_assets.errors import ClientNestError
from clientnest_assets.sources.files import parse_mapping, reading
from clientnest_assets.sources.files.formats import read_records
reading.FREE_GIB = float(sys.argv[3])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = whole = 0
try:
    for batch in read_records(Path(sys.argv[1]), parse_mapping(sys.argv[2], "m"), "x.parquet").batches:
        rows += batch.height
        whole += batch.get_column("text").str.len_bytes().eq(1 << 20).sum()
    said = f"{rows} {whole}"
except ClientNestError as error:
    said = str(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, said, sep="|")
"""


def measured(path: Path, text: str, free_gib: float = 1) -> tuple[int, float, str]:
    """MiB beyond what the process had before, seconds, and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, path, text, str(free_gib)], capture_output=True, text=True, check=True
    )
    memory, seconds, said = done.stdout.strip().split("|", 2)
    return int(memory), float(seconds), said


def test_a_million_columns_are_refused_at_once(importer: Any) -> None:
    path = importer.write("x.csv", ",".join(map(str, range(1_000_000))) + "\n" + "1," * 999_999 + "1\n")

    memory, seconds, said = measured(path, mapping())

    assert f"{path} has more than 10,000 columns. Is the delimiter right?" in said
    assert memory < 200
    assert seconds < 10


def test_a_bomb_of_zeros_is_refused_at_once(importer: Any) -> None:
    path = importer.write("x.csv.gz", gzip.compress(bytes(1 << 28)))

    memory, seconds, said = measured(path, mapping())

    assert "x.csv.gz, line 1: the header" in said or "cannot be read" in said
    assert memory < 200
    assert seconds < 10


def test_a_bomb_of_rows_ends_at_the_limit_that_the_error_names(importer: Any) -> None:
    row = b"1,twitter," + b"x" * 5000 + b",2025-01-01\n"
    packed = gzip.compress(HEADER.encode() + b"\n") + gzip.compress(row * 40_000, 9)
    path = importer.write("x.csv.gz", packed)

    memory, seconds, said = measured(path, mapping(), free_gib=0.1)

    assert f"{path} unpacks to more than 0.1 GiB" in said
    assert "say `largest_gib: 100`" in said
    assert memory < 1200
    assert seconds < 120


@pytest.mark.parametrize(("rows", "limit", "end"), [(400, 1, "400 400"), (5000, 0.1, "unpacks to more than 0.1 GiB")])
def test_a_text_that_parquet_keeps_once_for_many_rows_is_not_made_at_once(
    importer: Any, rows: int, limit: float, end: str
) -> None:
    text = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * MIB]))
    columns = {"id": range(1, rows + 1), "platform": ["twitter"] * rows, "text": text, "at": ["2025-01-01"] * rows}
    path = importer.folder / "x.parquet"
    pq.write_table(pa.table({**columns, "id": list(columns["id"])}), path)
    assert path.stat().st_size < MIB

    done = subprocess.run(
        [sys.executable, "-c", READ, path, mapping(), str(limit)], capture_output=True, text=True, check=True
    )
    memory, said = done.stdout.strip().split("|", 1)

    assert end in said
    assert int(memory) < 400


def test_memory_does_not_grow_with_the_file(importer: Any) -> None:
    def rows(count: int) -> Path:
        frame = pl.select(
            id=pl.int_range(1, count + 1),
            platform=pl.lit("twitter"),
            text=pl.lit("x" * 200),
            at=pl.datetime(2025, 1, 1) + pl.duration(seconds=pl.int_range(count)),
        )
        path = Path(importer.folder / f"{count}.csv")
        frame.write_csv(path)
        return path

    small, large = (measured(rows(count), mapping()) for count in (100_000, 400_000))

    assert small[2] == "100000 100000"
    assert large[2] == "400000 400000"
    assert large[0] < small[0] + 400
