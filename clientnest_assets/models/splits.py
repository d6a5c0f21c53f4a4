"""Dividing rows by time, so that what is measured is always later than what was learned from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from clientnest_assets.models.errors import NotEnoughDataError

LABEL_KNOWN_AT = "label_known_at"
"""The column of a labelled example that says when its truth came to be known."""
LATER_SHARE = 0.2


@dataclass(frozen=True)
class TimeSplit:
    """Rows to learn from, and later ones to measure on. `cutoff` is the first moment of the later part."""

    earlier: pl.DataFrame
    later: pl.DataFrame
    cutoff: datetime


def split_by_time(rows: pl.DataFrame, moment: str, label_known: str, *, later_share: float = LATER_SHARE) -> TimeSplit:
    """The last rows by `moment`, and of those before them the ones whose label was known when the first of them began.

    On that day nobody could have learned from the others, so they are purged. Without them a level that shifts around the
    cutoff would be known to what is judged after it.

    Args:
        rows: at least one row, no null in `moment` or `label_known`.
        moment: when the prediction is made.
        label_known: when its truth came to be known.
        later_share: share of the rows for the later part; rows that share the cutoff's moment all go there.

    Raises:
        NotEnoughDataError: fewer rows are left to learn from than there are to judge on.
    """
    cutoff = rows[moment].sort()[int(rows.height * (1 - later_share))]
    later = rows.filter(pl.col(moment) >= cutoff)
    earlier = rows.filter(pl.col(moment) < cutoff, pl.col(label_known) <= cutoff)
    if earlier.height < min(later.height, (1 - later_share) * rows.height):
        raise NotEnoughDataError(
            f"of {rows.height} examples {later.height} are from {cutoff:%Y-%m-%d} on, to judge by, and the outcomes of "
            f"{earlier.height} were known by then, to learn from; as many are needed: train a later week, or import more "
            "history"
        )
    return TimeSplit(earlier, later, cutoff)
