"""Readings: text becomes exactly the value it says, or fails."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from clientnest_assets.sources.files.expressions import hashed, reading
from clientnest_assets.sources.files.specs import ColumnSpec, FileForm

TIME = pl.Datetime("us", "UTC")
INT, FLOAT, COST, LIST = pl.Int64(), pl.Float64(), pl.Decimal(12, 6), pl.List(pl.String())
FAILED = object()


def read(texts: list[str | None], dtype: pl.DataType, form: FileForm | None = None, **spec: Any) -> list[Any]:
    """Each text as the type; FAILED where there was something that is not one."""
    made = reading(ColumnSpec.model_validate({"column": "x", **spec}), dtype, form or FileForm())
    frame = pl.DataFrame({"x": texts}, schema={"x": pl.String}).with_columns(value=made.value)
    frame = frame.select("value", failed=made.failed(pl.col("value")))
    return [FAILED if failed else value for value, failed in frame.rows()]


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("dtype", "text", "expected"),
    [
        (INT, "12", 12),
        (INT, " -12 ", -12),
        (INT, "12.0", 12),
        (INT, "12.5", FAILED),
        (INT, "1e3", FAILED),
        (INT, "1,234", FAILED),
        (INT, "9223372036854775808", FAILED),
        (INT, "12abc", FAILED),
        (INT, "٣", FAILED),
        (INT, None, None),
        (FLOAT, "0.25", 0.25),
        (FLOAT, "1e-3", 0.001),
        (FLOAT, "nan", FAILED),
        (FLOAT, "inf", FAILED),
        (COST, "1.25", Decimal("1.25")),
        (COST, "0.0000150000", Decimal("0.000015")),
        (COST, "0.0000155", FAILED),
        (COST, "1e-05", Decimal("0.00001")),
        (COST, "1e-07", FAILED),
        (COST, "1234567890123", FAILED),
        (COST, ".", FAILED),
        (pl.Boolean(), "Yes", True),
        (pl.Boolean(), "0", False),
        (pl.Boolean(), "perhaps", FAILED),
        (pl.String(), "  kept as it is ", "  kept as it is "),
        (LIST, '["a", "b"]', ["a", "b"]),
        (LIST, "[]", []),
        (LIST, '["a"', FAILED),
        (LIST, "a", FAILED),
    ],
)
def test_a_text_is_its_value_or_fails(dtype: pl.DataType, text: str | None, expected: Any) -> None:
    assert read([text], dtype) == [expected]


def test_numbers_follow_the_files_marks() -> None:
    form = FileForm(decimal=",", thousands=".")

    assert read(["1.234.567,5", "1234,5", "1.23,5", "1,5.0"], FLOAT, form) == [1234567.5, 1234.5, FAILED, FAILED]
    assert read(["1.234", "12.34"], INT, form) == [1234, FAILED]


def test_times_in_a_zone_become_utc() -> None:
    berlin = {"format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"}

    assert read(["01.07.2025 00:30", "31.02.2025 00:00", "1.7.25 0:30"], TIME, **berlin) == [
        at(2025, 6, 30, 22, 30),
        FAILED,
        FAILED,
    ]


def test_an_hour_that_was_twice_or_never_fails_unless_the_mapping_chooses() -> None:
    berlin = {"format": "%Y-%m-%d %H:%M", "zone": "Europe/Berlin"}

    assert read(["2025-10-26 02:30", "2025-03-30 02:30"], TIME, **berlin) == [FAILED, FAILED]
    assert read(["2025-10-26 02:30"], TIME, **berlin, ambiguous="earliest") == [at(2025, 10, 26, 0, 30)]
    assert read(["2025-10-26 02:30"], TIME, **berlin, ambiguous="latest") == [at(2025, 10, 26, 1, 30)]


def test_iso_times_with_and_without_offset() -> None:
    texts = ["2025-01-02T03:04:05Z", "2025-01-02 03:04:05.25+02:00", "2025-01-02T03:04", "2025-01-02"]

    assert read(texts, TIME, zone="UTC") == [
        at(2025, 1, 2, 3, 4, 5),
        at(2025, 1, 2, 1, 4, 5, 250_000),
        at(2025, 1, 2, 3, 4),
        at(2025, 1, 2),
    ]
    assert read(texts, TIME)[2:] == [FAILED, FAILED]


def test_the_first_format_that_fits_counts() -> None:
    formats = ["%a %b %d %H:%M:%S %z %Y", "unix_ms"]

    assert read(["Wed Oct 10 20:19:24 +0000 2018", "1539202764000", "x"], TIME, format=formats) == [
        at(2018, 10, 10, 20, 19, 24),
        at(2018, 10, 10, 20, 19, 24),
        FAILED,
    ]
    assert read(["1539202764", "99999999999999999"], TIME, format="unix") == [at(2018, 10, 10, 20, 19, 24), FAILED]


def test_more_digits_than_microseconds_are_not_cut_in_silence() -> None:
    texts = ["2025-01-02 03:04:05.1234560", "2025-01-02 03:04:05.1234567"]
    seen = at(2025, 1, 2, 3, 4, 5, 123_456)

    assert read(texts, TIME, zone="UTC") == [seen, FAILED]
    assert read(texts, TIME, zone="UTC", truncate=True) == [seen, seen]


def test_a_time_can_be_moved() -> None:
    assert read(["2025-01-02"], TIME, zone="UTC", plus={"days": 7, "seconds": 1}) == [at(2025, 1, 9, 0, 0, 1)]


def test_extract_takes_the_first_group_and_fails_without_a_match() -> None:
    assert read(["https://x/status/77", "nothing", None], INT, extract="/status/([0-9]+)$") == [77, FAILED, None]
    assert read(["nothing", None], INT, extract="([0-9]+)", default=0) == [0, 0]


def test_values_are_a_closed_list() -> None:
    values = {"Photo": "image", "Video": "video"}

    assert read(["Photo", "Reel", None], pl.String(), values=values) == ["image", FAILED, None]
    assert read(["Reel", None], pl.String(), values=values, default="other") == ["other", "other"]


def test_a_default_stands_for_what_is_missing_and_never_for_what_cannot_be_read() -> None:
    assert read([None, "x", "3"], INT, default=0) == [0, FAILED, 3]


def test_lists_are_found_or_split() -> None:
    assert read(["#a &#39; #b2 x#c #1"], LIST, find_all=r"(?:^|[^&\w])#(\w*\p{L}\w*)") == [["a", "b2"]]
    assert read(["a, b,,c", None], LIST, split=",") == [["a", "b", "c"], None]


def test_a_template_puts_columns_together_and_lacks_what_one_of_them_lacks() -> None:
    spec = ColumnSpec.model_validate({"template": "{{{a}}}-{b}!"})
    made = reading(spec, pl.String(), FileForm())
    frame = pl.DataFrame({"a": ["1", "2"], "b": ["x", None]})

    assert frame.select(made.value).to_series().to_list() == ["{1}-x!", None]


def test_a_sum_is_weighted_exact_and_missing_when_a_part_is() -> None:
    frame = pl.DataFrame({"a": ["1000", "1", "x", None], "b": ["7", "2", "3", "4"]})

    def total(dtype: pl.DataType, **weights: Any) -> list[tuple[Any, bool]]:
        made = reading(ColumnSpec.model_validate({"sum": weights}), dtype, FileForm())
        return frame.select(made.value, made.failed(made.value).alias("failed")).rows()

    assert total(INT, a=1, b=1) == [(1007, False), (3, False), (None, True), (None, False)]
    assert total(COST, a="0.000003", b="0.000015")[0] == (Decimal("0.003105"), False)
    assert total(INT, a="0.5", b=0)[1] == (None, True)


def test_constants_are_of_the_columns_type() -> None:
    def constant(value: Any, dtype: pl.DataType) -> Any:
        made = reading(ColumnSpec.model_validate({"constant": value}), dtype, FileForm())
        return pl.DataFrame({"x": ["", ""]}).select(pl.col("x"), made.value.alias("c")).get_column("c").to_list()

    assert constant(False, pl.Boolean()) == [False, False]
    assert constant(["a", "b"], LIST) == [["a", "b"], ["a", "b"]]
    assert constant("2025-01-02", TIME) == [at(2025, 1, 2)] * 2
    assert constant(None, INT) == [None, None]
    with pytest.raises(ValueError, match="'many' cannot be read as Int64"):
        constant("many", INT)


def test_hashes_never_change() -> None:
    texts = pl.Series(["a", "b", "a", None])

    # SHA-256 of "a" begins with ca978112ca1bbdca; half of it, to stay positive.
    assert hashed(texts, INT, b"").to_list() == [
        0xCA978112CA1BBDCA >> 1,
        0x3E23E8160039594A >> 1,
        0xCA978112CA1BBDCA >> 1,
        None,
    ]
    assert hashed(texts, pl.String(), b"")[0] == "ca978112-ca1b-8dca-aac2-31b39a23dc4d"
    assert hashed(texts, INT, b"key").to_list() != hashed(texts, INT, b"").to_list()


def test_a_hash_tells_apart_what_joins_alike() -> None:
    made = reading(ColumnSpec(hash=("a", "b")), INT, FileForm())
    frame = pl.DataFrame({"a": ["xy", "x", None, None], "b": ["z", "yz", "xyz", None]})

    ids = frame.select(made.value).to_series().to_list()
    assert len(set(ids)) == 4
    assert ids[3] is None
