"""Frames, figures and links to pages as Dagster's UI shows them. What they hold is the assets' business."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from clientnest_assets.installation import Installation
from clientnest_assets.models.figures import markdown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = {pl.Int64: "int", pl.UInt32: "int", pl.Float64: "float", pl.Boolean: "bool"}
DIGITS = 4


def table(frame: pl.DataFrame) -> dg.TableMetadataValue:
    """A small frame as a table."""
    schema = dg.TableSchema(
        [dg.TableColumn(name, KINDS.get(type(dtype), "string")) for name, dtype in frame.schema.items()]
    )
    records = [
        dg.TableRecord({name: _cell(value) for name, value in row.items()}) for row in frame.iter_rows(named=True)
    ]
    return dg.TableMetadataValue(records, schema)


def picture(figure: "Figure", words: str) -> dg.MarkdownMetadataValue:
    """A figure, inside the page; the words stand for it where it cannot be seen."""
    return dg.MetadataValue.md(markdown(figure, words))


def page(installation: Installation, *path: object) -> dict[str, dg.UrlMetadataValue]:
    """The entry that leads to a page of the product, by the parts of its path."""
    return {"page": address_of(installation, *path)}


def address_of(installation: Installation, *path: object) -> dg.UrlMetadataValue:
    """Where people reach a page of the product."""
    pages = installation.settings.web_url.rstrip("/")
    return dg.MetadataValue.url("/".join(map(str, (pages, *path))))


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, list):
        return "; ".join(" ".join(map(str, each.values())) if isinstance(each, dict) else str(each) for each in value)
    return value.isoformat() if isinstance(value, (date, datetime)) else value
