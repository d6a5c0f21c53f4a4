"""Which way of writing times a column of text follows; where the values fit several ways, that is said."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import product

import polars as pl

from clientnest_assets.sources.files.expressions import parsed
from clientnest_assets.sources.files.specs import ColumnSpec, FileForm

UTC = pl.Datetime("us", "UTC")
DATES = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d.%m.%Y",
    "%d.%m.%y",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%b %d %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%a, %b %d, %Y",
    "%A, %B %d, %Y",
    "%a %d %b %Y",
)
CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S%.f", "%I:%M %p", "%I:%M%p", "%I:%M:%S %p")
JOINTS = (" ", ", ", "T", " at ", " - ")
ZONES = ("", " %z", "%z", " UTC", " GMT", "Z")
ZONE_WORDS = {
    **dict.fromkeys(("PDT", "PST"), "America/Los_Angeles"),
    **dict.fromkeys(("EDT", "EST"), "America/New_York"),
    **dict.fromkeys(("CEST", "CET"), "Europe/Berlin"),
    "BST": "Europe/London",
    "UTC": "UTC",
    "GMT": "UTC",
}
WHOLE = (
    *(f"%a %b %d %H:%M:%S {word} %Y" for word in ZONE_WORDS),
    "%a %b %d %H:%M:%S %z %Y",
    "%a %b %d %H:%M:%S %Y",
    "%a, %d %b %Y %H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S GMT",
    "%d/%b/%Y:%H:%M:%S %z",
    "%Y%m%d%H%M%S",
    "%Y%m%dT%H%M%S",
)
PATTERNS = {
    "%Y": r"\d{4}",
    "%y": r"\d{2}",
    "%m": r"\d{1,2}",
    "%d": r"\d{1,2}",
    "%b": r"[^\W\d_]{3}",
    "%B": r"[^\W\d_]{3,9}",
    "%a": r"[^\W\d_]{3}",
    "%A": r"[^\W\d_]{6,9}",
    "%H": r"\d{1,2}",
    "%I": r"\d{1,2}",
    "%M": r"\d{2}",
    "%S": r"\d{2}",
    "%.f": r"\.\d+",
    "%p": r"[AaPp][Mm]",
    "%z": r"[+-]\d{2}:?\d{2}",
}
CLOCK_TIME = re.compile(r"^\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?$")
DAY_MONTH = (("%m/%d", "%d/%m"), ("%m-%d", "%d-%m"))
SINCE_WHEN = "seconds since a beginning that the file does not tell: EDIT `plus` to the days from 1970 to it"
TRIED = 200
LOOKED_AT = 5
CLEARLY = 0.05
"""By how much better in order the rows have to be for it to decide."""
NEARLY_ALL = 0.95
PLAUSIBLE_YEARS = (1990, 2100)


@dataclass(frozen=True)
class TimeForm:
    """How a column's times are written."""

    format: str
    share: float
    """Of the values that are read so."""
    other: str | None = None
    """The way that fits as well, with month and day the other way round."""
    note: str = ""

    @property
    def zone(self) -> str:
        """The zone that the format names in words, or UTC."""
        return next((zone for word, zone in ZONE_WORDS.items() if f" {word}" in self.format), "UTC")

    @property
    def has_zone(self) -> bool:
        """True where each time says its zone."""
        return self.format in ("unix", "unix_ms") or bool(re.search(r"%:?z", self.format))


def time_form(texts: pl.Series, *, is_offset: bool = False) -> TimeForm | None:
    """The form of the times in a column of text without nulls; None if they are none.

    Args:
        texts: the values.
        is_offset: take small numbers for seconds from a beginning that nobody knows.
    """
    distinct = texts.str.strip_chars().unique(maintain_order=True)
    first = distinct.gather_every(max(1, len(distinct) // TRIED)).head(TRIED)
    if not len(first) or not first.str.contains(r"[0-9]").all() or first.str.len_chars().max() > 40:  # type: ignore[operator]
        return None
    if first.str.contains(r"^[0-9]+(\.[0-9]+)?$").all():
        return _number_form(distinct, first, is_offset=is_offset)
    ways = dict.fromkeys(way for text in first.head(LOOKED_AT) for way in _candidates(str(text)))
    fitting = [way for way in ways if _share(first, way) >= NEARLY_ALL]
    shares = {way: share for way in fitting if (share := _share(distinct, way)) >= NEARLY_ALL}
    if not shares:
        return None
    best = max(shares, key=lambda way: (shares[way], way == "iso"))
    other = _turned(best)
    if other is None or shares.get(other, 0.0) < shares[best]:
        return TimeForm(best, shares[best])
    first_choice, second, why = _likelier(texts, best, other)
    return TimeForm(first_choice, shares[best], second, why)


def is_clock_time(texts: pl.Series) -> bool:
    """Whether the values are times of the day without a date."""
    return len(texts) > 0 and bool(texts.str.strip_chars().str.contains(CLOCK_TIME.pattern).all())


def matches(texts: pl.Series, way: str) -> bool:
    """Whether every value looks as if written in a way."""
    return bool(texts.str.strip_chars().str.contains(f"^{_pattern(way).pattern}$").all())


def read_times(texts: pl.Series, form: str) -> pl.Series:
    """The values as times, as an import would read them, cut to microseconds."""
    spec = ColumnSpec(column=texts.name, format=(form,), zone="UTC", truncate=True)
    return texts.to_frame().select(parsed(pl.col(texts.name), UTC, spec, FileForm()).alias(texts.name)).to_series()


def _candidates(text: str) -> list[str]:
    """The ways of writing that the value could follow, by its look."""
    ways = ["iso", *(way for way in WHOLE if _pattern(way).fullmatch(text))]
    for date in DATES:
        begin = _pattern(date).match(text)
        if begin is None:
            continue
        rest = text[begin.end() :]
        if not rest:
            ways.append(date)
        ways += [
            f"{date}{after}"
            for after in map("".join, product(JOINTS, CLOCKS, ZONES))
            if _pattern(after).fullmatch(rest)
        ]
    return ways


@cache
def _pattern(way: str) -> re.Pattern[str]:
    pieces = re.split(r"(%\.f|%[A-Za-z])", way)
    return re.compile("".join(PATTERNS.get(piece, re.escape(piece)) for piece in pieces))


def _share(texts: pl.Series, form: str) -> float:
    years = read_times(texts, form).dt.year()
    return int(years.is_between(*PLAUSIBLE_YEARS).sum()) / max(1, len(texts))


def _number_form(distinct: pl.Series, first: pl.Series, *, is_offset: bool) -> TimeForm | None:
    digits = first.str.extract(r"^([0-9]+)", 1).str.len_chars()
    width = int(digits.max() or 0)  # type: ignore[arg-type]
    ways = {8: ("%Y%m%d",), 10: ("unix",), 13: ("unix_ms",), 14: ("%Y%m%d%H%M%S",)}.get(width, ())
    for way in ways:
        share = _share(distinct, way)
        if share >= NEARLY_ALL and digits.n_unique() == 1:
            return TimeForm(way, share)
    if is_offset and not ways:
        return TimeForm("unix", 1.0, note=SINCE_WHEN)
    return None


def _turned(form: str) -> str | None:
    """The form with month and day the other way round."""
    for pair in DAY_MONTH:
        for this, other in (pair, pair[::-1]):
            if form.startswith(this):
                return form.replace(this, other, 1)
    return None


def _likelier(texts: pl.Series, one: str, other: str) -> tuple[str, str, str]:
    """The one of two forms in which the rows are better in order of time, the other one, and why."""
    order = {form: _in_order(read_times(texts.str.strip_chars(), form)) for form in (one, other)}
    best, second = sorted(order, key=lambda form: order[form], reverse=True)
    if order[best] - order[second] > CLEARLY:
        return best, second, "day and month could be the other way round, but so the rows are in order of time"
    best, second = sorted((one, other), key=lambda form: form.startswith("%m"), reverse=True)
    return best, second, "AMBIGUOUS: no value tells the day from the month. Taken as month first"


def _in_order(times: pl.Series) -> float:
    """The share of neighbours that are in order, upward or downward."""
    steps = times.drop_nulls().diff().drop_nulls().dt.total_microseconds()
    return max(int((steps >= 0).sum()), int((steps <= 0).sum())) / max(1, len(steps))
