"""What each column of a sample holds, by its values; and which one a name points to."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources

import polars as pl
import yaml

from clientnest_assets.sources.files.expressions import number
from clientnest_assets.sources.files.specs import FileForm
from clientnest_assets.sources.files.suggesting.times import NEARLY_ALL, TimeForm, is_clock_time, time_form

PACKAGE = "clientnest_assets.sources.files.suggesting"
MISSING_WORDS = (
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "NULL",
    "null",
    "None",
    "none",
    "nan",
    "NaN",
    "NaT",
    "-",
    "--",
    "\\N",
    "undefined",
)
NUMBERS = {
    # decimal and thousands marks, by what only they explain
    (".", ","): r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$",
    (",", "."): r"^[+-]?\d{1,3}(\.\d{3})+(,\d+)?$",
    (".", " "): r"^[+-]?\d{1,3}( \d{3})+(\.\d+)?$",
    (".", "'"): r"^[+-]?\d{1,3}('\d{3})+(\.\d+)?$",
    (",", None): r"^[+-]?\d+,\d+$",
}
PLAIN_NUMBER = r"^[+-]?\d+(\.\d+)?$"
NUMBER_LIKE = r"^[+-]?[\d.,' ]*\d[\d.,' ]*$"
URL = r"^https?://\S+$"
PERSONS = ("user", "author", "account", "owner", "from", "page", "profile", "creator")
QUALIFIERS = frozenset(
    [
        "rate",
        "ratio",
        "per",
        "avg",
        "average",
        "mean",
        "pct",
        "percent",
        "percentage",
        "organic",
        "paid",
        "viral",
        "unique",
        "goal",
        "target",
        "change",
        "growth",
        "delta",
        "previous",
        "prior",
        "total_change",
        "cost",
        "ctr",
        "cpc",
        "cpm",
        "organique",
        "pago",
    ]
)
EXACT, WITHIN = 100.0, 50.0
SHORTEST_WITHIN = 4
"""A shorter name, such as id, says something only where it stands alone."""


@dataclass(frozen=True)
class Column:
    """One column of the sample."""

    name: str
    values: pl.Series
    """One for each record, null where it is missing."""
    texts: pl.Series
    """Those that are not missing."""
    share_filled: float
    is_integer: bool
    is_number: bool
    time: TimeForm | None
    is_clock: bool

    @cached_property
    def words(self) -> str:
        """Its name in the form of the vocabulary; of a path in JSON the last part, with whose it is."""
        if not self.name.startswith("$."):
            return normalised(self.name)
        *above, leaf = self.name.removeprefix("$.").split(".")
        owner = f"{above[-1]} " if above and above[-1] in PERSONS else ""
        return normalised(owner + leaf)

    @cached_property
    def is_url(self) -> bool:
        """Whether the values are web addresses."""
        return share(self.texts.str.contains(URL)) >= NEARLY_ALL

    @property
    def is_text(self) -> bool:
        """Whether the values are none of the other things."""
        return not (self.is_number or self.time or self.is_clock or self.is_url) and len(self.texts) > 0

    @cached_property
    def is_unique(self) -> bool:
        """Whether each record has a value, and no value comes twice."""
        return self.share_filled == 1 and self.texts.n_unique() == len(self.texts)

    @cached_property
    def distinct(self) -> list[str]:
        """The values, the commonest first."""
        return self.texts.value_counts(sort=True, name="times").get_column(self.texts.name).to_list()


@dataclass(frozen=True)
class Columns:
    """All columns of a sample."""

    all: list[Column]
    form: FileForm
    """As found before, with the marks in numbers and the words for missing values."""

    def find(
        self, role: str, *, taken: frozenset[str] = frozenset(), by_name: bool = False, **must: bool
    ) -> Column | None:
        """The column that is most likely what the vocabulary calls by the role.

        Args:
            role: a key of vocabulary.yaml.
            taken: names of columns that are something else already.
            by_name: only one of the role's very names will do, and not one that merely contains it.
            must: properties of `Column` and what they have to be, such as `is_integer=True`; `is_time` too.
        """
        scored = [
            (score, column.share_filled, -at, column)
            for at, column in enumerate(self.all)
            if column.name not in taken
            and len(column.texts)
            and all(
                bool(column.time if name == "is_time" else getattr(column, name)) is value
                for name, value in must.items()
            )
            and (score := resemblance(column.words, role)) > (EXACT - 1 if by_name else 0)
        ]
        return max(scored, key=lambda each: each[:3])[3] if scored else None

    def named(self, name: str) -> Column:
        """The column of that name."""
        return next(column for column in self.all if column.name == name)


def described(records: pl.DataFrame, form: FileForm) -> Columns:
    """What each column holds."""
    records = records.select(pl.all().replace("", None))
    decimal, thousands = _marks(records, form)
    missing = _missing(records)
    given: dict[str, object] = form.model_dump(exclude_unset=True)
    if missing:
        given["missing"] = ("", *missing)
    if decimal != ".":
        given["decimal"] = decimal
    if thousands:
        given["thousands"] = thousands
    found = FileForm.model_validate(given)
    return Columns([_described(records.get_column(name), found) for name in records.columns], found)


def guessed_names(records: pl.DataFrame) -> dict[str, str]:
    """Names for the columns of a file without a header, by what their values look like."""
    columns = described(records, FileForm()).all
    guesses: dict[str, str] = {}

    def guess(name: str, candidates: list[Column]) -> None:
        free = [column for column in candidates if column.name not in guesses]
        if free:
            guesses[free[0].name] = name

    guess("created_at", [column for column in columns if column.time and not column.is_number])
    guess("url", [column for column in columns if column.is_url])
    worded = [column for column in columns if column.is_text]
    by_length = sorted(worded, key=lambda column: -int(column.texts.str.len_chars().sum()))
    guess("text", [column for column in by_length if column.texts.str.contains(" ").any()])
    guess("id", [column for column in columns if column.is_integer and column.is_unique])
    guess("created_at", [column for column in columns if column.time and "created_at" not in guesses.values()])
    guess("user", [column for column in worded if column.texts.n_unique() > 1])
    return guesses


def share(hits: pl.Series) -> float:
    """The share of a yes among values; 0 of none."""
    return int(hits.sum()) / max(1, len(hits))


def resemblance(words: str, role: str) -> float:
    """How much a name (in the vocabulary's form) is like those of a role; 0 for not at all."""
    best = 0.0
    names = _vocabulary()[role]
    parts = words.split()
    for at, name in enumerate(names):
        if words == name:
            return EXACT - at / len(names)
        spare = len(parts) - len(name.split())
        if spare > 0 and len(name) >= SHORTEST_WITHIN and f" {name} " in f" {words} ":
            qualified = QUALIFIERS & (set(parts) - set(name.split()))
            best = max(best, WITHIN + 5 * len(name.split()) - 2 * spare - 60 * len(qualified))
    return max(best, 0.0)


def normalised(name: str) -> str:
    """A name in lower case, without accents, its words parted by one blank."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    plain = unicodedata.normalize("NFKD", spaced).encode("ascii", "ignore").decode() or spaced
    return " ".join(re.findall(r"[^\W_]+", plain.lower()))


@cache
def _vocabulary() -> dict[str, list[str]]:
    content = yaml.safe_load(resources.files(PACKAGE).joinpath("vocabulary.yaml").read_text("utf-8"))
    return {role: [str(name) for name in names] for role, names in content.items()}


def _described(series: pl.Series, form: FileForm) -> Column:
    values = series.replace(list(form.missing), [None] * len(form.missing))
    texts = values.drop_nulls()
    readable = texts.to_frame().select(
        number(pl.col(series.name), pl.Int64(), form).is_not_null().mean().alias("integer"),
        number(pl.col(series.name), pl.Float64(), form).is_not_null().mean().alias("number"),
    )
    integer, numeric = (value or 0.0 for value in readable.row(0))
    is_offset = resemblance(normalised(series.name), "published_at") >= EXACT - 1 and numeric >= NEARLY_ALL
    return Column(
        name=series.name,
        values=values,
        texts=texts,
        share_filled=len(texts) / max(1, len(series)),
        is_integer=integer >= NEARLY_ALL,
        is_number=numeric >= NEARLY_ALL,
        time=time_form(texts, is_offset=is_offset) if len(texts) else None,
        is_clock=is_clock_time(texts),
    )


def _marks(records: pl.DataFrame, form: FileForm) -> tuple[str, str | None]:
    """The marks in the file's numbers, by the columns that hold nothing but numbers."""
    votes = dict.fromkeys(NUMBERS, 0)
    for series in records.get_columns():
        texts = series.drop_nulls().str.strip_chars()
        texts = texts.filter(~texts.is_in(MISSING_WORDS))
        if share(texts.str.contains(NUMBER_LIKE)) < NEARLY_ALL:
            continue
        for marks, pattern in NUMBERS.items():
            marked = texts.str.contains(pattern)
            plain = texts.str.contains(r"^[+-]?\d+$" if marks[0] == "," else PLAIN_NUMBER)
            if marked.any() and share(marked | plain) >= NEARLY_ALL:
                votes[marks] += int(marked.sum())
    # One comma before three digits may be either mark. Where the comma parts columns it is no decimal one.
    if form.delimiter == ";" and votes[(",", None)] and not votes[(",", ".")]:
        votes[(".", ",")] = 0
    best = max(votes, key=lambda marks: votes[marks])
    return best if votes[best] else (".", None)


def _missing(records: pl.DataFrame) -> list[str]:
    """Words that stand where numbers or times otherwise do."""
    found: dict[str, None] = {}
    for series in records.get_columns():
        texts = series.drop_nulls()
        words = texts.filter(texts.is_in(MISSING_WORDS)).unique().to_list()
        others = texts.filter(~texts.is_in(MISSING_WORDS))
        if words and share(others.str.contains(r"^[^A-Za-z]*\d[^A-Za-z]*$")) >= NEARLY_ALL:
            found |= dict.fromkeys(sorted(words))
    return list(found)
