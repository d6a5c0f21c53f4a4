"""Dividing rows by time, so that what is measured is always later than what was learned from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

LATER_SHARE = 0.2
MIN_SHARE_AFTER_PURGE = 0.5


@dataclass(frozen=True)
class TimeSplit:
    """Rows to learn from, and later ones to measure on. `cutoff` is the first moment of the later part."""

    earlier: pl.DataFrame
    later: pl.DataFrame
    cutoff: datetime
    is_purged: bool


def split_by_time(rows: pl.DataFrame, moment: str, label_known: str, *, later_share: float = LATER_SHARE) -> TimeSplit:
    """The last rows by `moment` against those before them.

    Purged: of the earlier rows only those whose label was known before the cutoff are kept, because on
    that day nobody could have learned from the others. Where this would take more than half of them, as
    in the first weeks of a young installation, all are kept and `is_purged` says so: later rows are still
    never learned from, but a level that shifts around the cutoff is then partly known.

    Args:
        rows: at least one row, no null in `moment` or `label_known`.
        moment: when the prediction is made.
        label_known: when its truth came to be known.
        later_share: share of the rows for the later part; rows that share the cutoff's moment all go there.
    """
    cutoff = rows[moment].sort()[int(rows.height * (1 - later_share))]
    before = rows.filter(pl.col(moment) < cutoff)
    purged = before.filter(pl.col(label_known) <= cutoff)
    is_purged = purged.height >= MIN_SHARE_AFTER_PURGE * before.height
    return TimeSplit(
        earlier=purged if is_purged else before,
        later=rows.filter(pl.col(moment) >= cutoff),
        cutoff=cutoff,
        is_purged=is_purged,
    )
