"""A model's page: one HTML file that needs no other, written when the model is trained and served as it is.

What it shows are the sections that the model gives; how good the model is, and from what it was made, is told of all
alike. How the page looks is in `templates/`. Whether the model is in use is decided later, so it is not told here but
on the pages of the application (`serving/`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl

from clientnest_assets.models.figures import data_uri, described
from clientnest_assets.models.model import MODEL, Metric, Model, Section, Trained

if TYPE_CHECKING:
    from jinja2 import Environment

DIGITS: Final = 3
METRIC_DIGITS: Final = 4
"""Of the greatest number of a column; so many that models that differ look different."""
ROWS_SHOWN: Final = 12
"""Longer tables are folded away: a page is looked through before it is read."""
_MOST_DECIMALS: Final = 6


class Cells(NamedTuple):
    """A table as it is shown."""

    heads: list[str]
    is_text: list[bool]
    rows: list[list[str]]


class Rated(NamedTuple):
    """A metric's value as it is shown."""

    text: str
    is_best: bool


def model_page(model: Model, trained: Trained, week: date) -> str:
    """The page of the model of the week from that Monday."""
    card = trained.artefact.card
    return _render(
        "model.html.jinja",
        model=model,
        card=card,
        week=week,
        last_day=week + timedelta(days=6),
        version=trained.artefact.version,
        rows_judged=trained.evaluated.height,
        metrics=dict(rated(model.metrics, trained.metrics)),
        rules={name: words for name, words in model.naive_rules.items() if name in trained.metrics},
        findings=trained.findings,
        sections=trained.sections,
        parameters=dict(_flat(card.get("parameters") or {})),
        trees=card.get("trees") or {},
        libraries=card.get("libraries") or {},
        MODEL=MODEL,
    )


def sections_page(model: Model, title: str, sections: Sequence[Section], *, asset: str, week: date) -> str:
    """A page of sections alone, for what is no model but about one.

    Args:
        model: the declaration.
        title: the page's.
        sections: what it shows.
        asset: the key of the asset that made it.
        week: the asset's partition.
    """
    return _render("sections.html.jinja", model=model, title=title, sections=sections, key=asset, week=week)


def rated(
    metrics: Sequence[Metric], values: Mapping[str, Mapping[str, float | None]]
) -> Iterator[tuple[str, list[Rated]]]:
    """By predictor, its value in each metric, and whether no other predictor has a better one."""
    columns = {each.name: [told.get(each.name) for told in values.values()] for each in metrics}
    decimals = {name: decimals_of(column, METRIC_DIGITS) for name, column in columns.items()}
    for predictor, told in values.items():
        yield (
            predictor,
            [
                Rated(
                    _number(told.get(each.name), decimals[each.name]),
                    _is_best(each, told.get(each.name), columns[each.name]),
                )
                for each in metrics
            ],
        )


def cells(frame: pl.DataFrame) -> Cells:
    """A frame as texts: the numbers of a column to the same place, nulls as a dash."""
    columns = [_texts(series) for series in frame]
    return Cells(
        [name.replace("_", " ") for name in frame.columns],
        [not dtype.is_numeric() for dtype in frame.dtypes],
        [list(row) for row in zip(*columns, strict=True)],
    )


def decimals_of(values: Sequence[float | None], digits: int) -> int:
    """The decimal places at which the greatest of the values has that many digits that count."""
    greatest = max((abs(value) for value in values if value is not None and math.isfinite(value)), default=0.0)
    if greatest == 0:
        return digits
    return min(max(digits - 1 - math.floor(math.log10(greatest)), 0), _MOST_DECIMALS)


def _is_best(metric: Metric, value: float | None, column: Sequence[float | None]) -> bool:
    return value is not None and not any(metric.better(other, value) for other in column if other is not None)


def _texts(series: pl.Series) -> list[str]:
    values = series.to_list()
    if series.dtype.is_float():
        decimals = decimals_of(values, DIGITS)
        return [_number(value, decimals) for value in values]
    if series.dtype.is_integer():
        return [_number(value, 0) for value in values]
    if series.dtype == pl.Boolean:
        values = [None if value is None else "yes" if value else "no" for value in values]
    return ["-" if value is None else str(value) for value in values]


def _number(value: float | None, decimals: int) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:,.{decimals}f}"


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _minute(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC"


def _anchor(title: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in title.lower()).split())


def _render(template: str, **told: Any) -> str:
    return _environment().get_template(template).render(**told)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("clientnest_assets.models"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        anchor=_anchor, cells=cells, data_uri=data_uri, described=described, minute=_minute, number=_number
    )
    environment.globals.update(ROWS_SHOWN=ROWS_SHOWN)
    return environment
