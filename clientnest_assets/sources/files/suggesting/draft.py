"""A mapping in the making: cells with their remarks, and the values that several tables' cells are made of."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from clientnest_assets.sources.files.expressions import number
from clientnest_assets.sources.files.suggesting.columns import Column, Columns, share
from clientnest_assets.sources.files.suggesting.times import NEARLY_ALL

EDIT = "EDIT: "
"""Begins a remark that asks for a decision."""
PLATFORM_NAMES = {
    "twitter": ("twitter", "x", "x (twitter)", "twitter/x", "x / twitter"),
    "facebook": ("facebook", "fb", "facebook page", "facebook pages"),
    "instagram": ("instagram", "ig", "insta", "instagram business", "instagram_business"),
    "linkedin": ("linkedin", "linked in", "linkedin page", "linkedin company", "linkedin profile"),
    "tiktok": ("tiktok", "tik tok", "tiktok business"),
}
PLATFORM_SITES = {
    "twitter": r"://(www\.|mobile\.)?(twitter|x)\.com/",
    "facebook": r"://([a-z-]+\.)?(facebook\.com|fb\.com|fb\.watch)/",
    "instagram": r"://(www\.)?instagram\.com/",
    "linkedin": r"://([a-z]+\.)?linkedin\.com/",
    "tiktok": r"://([a-z]+\.)?tiktok\.com/",
}
PLATFORM_WORDS = {
    "twitter": r"tweet|retweet|favou?rites?\b",
    "facebook": r"\bfacebook|\breactions?\b|\bpage\b|\bconsum",
    "instagram": r"instagram|\bsaves?\b|\bstory|\breel|shortcode|taken at",
    "linkedin": r"linkedin|\bupdate (link|title)\b|\bfollows\b",
    "tiktok": r"tiktok|\bdigg|\bvideo views\b",
}
MOST_VALUES = 50


@dataclass(frozen=True)
class Cell:
    """One column of one of our tables."""

    spec: dict[str, Any] | str
    remark: str = ""


@dataclass
class Draft:
    """What is proposed so far."""

    columns: Columns
    tables: dict[str, dict[str, Cell]] = field(default_factory=dict)
    when: dict[str, dict[str, Any]] = field(default_factory=dict)
    personal: list[str] = field(default_factory=list)
    description: str = ""
    notes: list[str] = field(default_factory=list)
    """What could not be decided, or is good to know."""

    @property
    def used(self) -> frozenset[str]:
        """The file's columns that are something already."""
        return frozenset(self._used)

    def __post_init__(self) -> None:
        self._used: set[str] = set()

    def take(self, role: str, *, by_name: bool = False, **must: bool) -> Column | None:
        """The column of a role, which is then taken; see `Columns.find`."""
        column = self.columns.find(role, taken=self.used, by_name=by_name, **must)
        if column is not None:
            self._used.add(column.name)
        return column

    def use(self, column: Column) -> Column:
        """Marks a column as taken."""
        self._used.add(column.name)
        return column

    def edit(self, note: str) -> str:
        """A remark that asks for a decision, and the note that tells of it."""
        self.notes.append(note)
        return EDIT + note

    def time(self, column: Column, **more: Any) -> Cell:
        """A column of times, read as its values are written."""
        form = column.time
        assert form is not None
        spec: dict[str, Any] = {"column": column.name}
        remarks = []
        if form.format != "iso":
            spec["format"] = form.format
        zoned = form.has_zone or (form.format == "iso" and _all_zoned(column))
        if not zoned:
            spec["zone"] = form.zone
            if form.zone == "UTC" and "UTC" not in form.format:
                remarks.append("the file names no zone; EDIT if it is not UTC")
        if form.other:
            said = f"{form.note}; the other way is {form.other}"
            remarks.append(self.edit(f"{column.name}: {said}") if form.note.startswith("AMBIGUOUS") else said)
        elif form.note:
            remarks.append(self.edit(f"{column.name} counts {form.note}"))
            spec["plus"] = {"days": 18262}
        if form.share < 1:
            self.notes.append(
                f"{column.name}: {1 - form.share:.1%} of the values are no such time and go to quarantine"
            )
        if column.texts.str.contains(r"\.\d{6}\d*[1-9]").any():
            spec["truncate"] = True
        # What asks for a decision comes first.
        return Cell({**spec, **more}, "; ".join(sorted(remarks, key=lambda remark: not remark.startswith(EDIT))))

    def count(self, role: str) -> Cell | None:
        """A whole number, if the file has it."""
        column = self.take(role, is_integer=True)
        return self.whole(column) if column else None

    def whole(self, column: Column) -> Cell:
        """A column of whole numbers."""
        read = column.texts.to_frame().select(number(pl.col(column.name), pl.Int64(), self.columns.form)).to_series()
        unread = read.null_count() / max(1, len(read))
        if unread:
            self.notes.append(f"{column.name}: {unread:.1%} of the values are no whole numbers and go to quarantine")
        return Cell(column.name)

    def identity(self, column: Column | None, parts: list[Column], *, by_file: bool = True) -> Cell:
        """An id: a column of whole numbers as it is, the number at the end of a link, or a hash.

        Args:
            column: that holds an id, if any does.
            parts: the columns of which the hash is made where there is none, in order; as many are taken as are needed
                to tell the records apart.
            by_file: such a hash differs from file to file.
        """
        if column is not None and column.is_integer and _all_positive(column, self.columns):
            return Cell(column.name)
        if column is not None and column.is_url:
            ends = column.texts.str.extract(END_OF_LINK, 1)
            if ends.null_count() == 0 and ends.n_unique() == column.texts.n_unique():
                return Cell({"column": column.name, "extract": END_OF_LINK}, "the number at the end of the link")
        if column is not None and column.share_filled == 1 and column.texts.n_unique() > 1:
            return Cell({"hash": column.name}, "a text becomes a number, always the same")
        chosen = _telling(parts)
        names = [each.name for each in chosen]
        remark = "no column is an id: these together tell a record from every other"
        if len(names) == len(parts) and parts:
            remark += " (records alike in all of them count as one)"
        return Cell({"hash": ["$file", *names] if by_file or not names else names}, remark)

    def person(self, column: Column | None, what: str) -> Cell:
        """The id of an account or a user, from its name; without one the file is taken for one."""
        if column is None:
            return Cell({"hash": "$file"}, f"the file names no {what}: all of it counts as one")
        self.use(column)
        if column.is_integer and _all_positive(column, self.columns):
            return Cell(column.name)
        if not column.is_number and column.name not in self.personal:
            self.personal.append(column.name)
        return Cell({"hash": column.name})

    def choice(self, column: Column, known: dict[str, tuple[str, ...]], otherwise: str) -> Cell | None:
        """A column whose values are translated into a closed list; None if none of them is known."""
        values = column.distinct[:MOST_VALUES]
        turned = {text: _known(text, known) for text in values}
        if not any(turned.values()):
            return None
        if all(text == meant for text, meant in turned.items()) and len(column.distinct) <= MOST_VALUES:
            return (
                Cell(column.name) if column.share_filled == 1 else Cell({"column": column.name, "default": otherwise})
            )
        unknown = [text for text, meant in turned.items() if not meant]
        remark = self.edit(f"{column.name}: {', '.join(unknown[:5])} taken as {otherwise}") if unknown else ""
        meanings = {text: meant for text, meant in turned.items() if meant}
        spec: dict[str, Any] = {"column": column.name, "values": meanings}
        if unknown or column.share_filled < 1:
            spec["default"] = otherwise
        return Cell(spec, remark)

    def platform(self) -> Cell:
        """The platform, by a column that names it, by links, or by how columns are called."""
        column = self.columns.find("platform", taken=self.used)
        cell = self.choice(self.use(column), PLATFORM_NAMES, "twitter") if column else None
        if cell is not None:
            return cell
        for each in self.columns.all:
            for name, pattern in PLATFORM_SITES.items():
                if each.is_url and share(each.texts.str.contains(pattern)) > NEARLY_ALL:
                    return Cell({"constant": name}, f"by the links in {each.name}")
        words = " | ".join(each.words for each in self.columns.all)
        hits = {name: len(re.findall(pattern, words)) for name, pattern in PLATFORM_WORDS.items()}
        best = max(hits, key=lambda name: hits[name])
        guess = f"the file does not say which platform it is from; taken as {best if hits[best] else 'twitter'}"
        return Cell({"constant": best if hits[best] else "twitter"}, self.edit(guess))


END_OF_LINK = r"([0-9]{5,})/?(?:\?.*)?$"


def _known(text: str, known: dict[str, tuple[str, ...]]) -> str | None:
    plain = text.strip().lower()
    return next((meant for meant, words in known.items() if plain == meant or plain in words), None)


def _all_positive(column: Column, columns: Columns) -> bool:
    read = number(pl.col(column.name), pl.Int64(), columns.form)
    return column.share_filled == 1 and bool(
        column.texts.to_frame().select((read > 0).fill_null(value=False).all()).item()
    )


def _all_zoned(column: Column) -> bool:
    return bool(column.texts.str.strip_chars().str.contains(r"(?i)(Z|[+-]\d{2}:?\d{2})$").all())


def _telling(parts: list[Column]) -> list[Column]:
    """The first few columns that tell all records apart, or all of them."""
    for end in range(1, len(parts) + 1):
        frame = pl.DataFrame([column.values for column in parts[:end]])
        if frame.n_unique() == frame.height:
            return parts[:end]
    return parts
