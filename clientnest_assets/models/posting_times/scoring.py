"""Advising: the best times for accounts, on the author's clock, and for one account, on the caller's."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.model import Scoring
from clientnest_assets.models.posting_times import spec
from clientnest_assets.models.posting_times.accounts import PostingTimes, outlook
from clientnest_assets.models.posting_times.clock import on_the_clock_of
from clientnest_assets.models.posting_times.examples import TIMED_POSTS, ZONE, examples
from clientnest_assets.models.posting_times.suggestions import ANSWERS, suggest


def score(artefact: Artefact, scoring: Scoring) -> pl.DataFrame:
    """SUGGESTED times for each request, on the author's clock (ANSWERS).

    None for a platform that the model has no curve of, and none where no hour is known to be better than usual.
    """
    model = PostingTimes.from_json(artefact.learned)
    return pl.concat(
        [
            pl.DataFrame(schema=ANSWERS),
            *(
                suggest(part, outlook(model, part, scoring.past), spec.SUGGESTED)
                for part in scoring.rows.iter_slices(spec.REQUESTS_AT_ONCE)
            ),
        ]
    )


def best_times(
    artefact: Artefact,
    platform: str,
    zone: str,
    now: datetime,
    *,
    account_id: int | None = None,
    author_zone: str | None = None,
    past: pl.DataFrame | None = None,
    count: int = spec.SUGGESTED,
) -> pl.DataFrame:
    """The best times of one account, or of whoever is new to the platform, on the caller's clock.

    Grain and columns as `on_the_clock_of` gives them.

    Args:
        artefact: the model.
        platform: where to post.
        zone: the caller's time zone, an IANA name.
        now: an aware moment; the times told are the next after it.
        account_id: whose own posts count; None for a newcomer.
        author_zone: the zone in which the account's audience is taken to live, that of its author; None is the
            caller's.
        past: labelled posts of the account as `examples` gives them; without, the platform's curve alone speaks.
        count: how many.

    Raises:
        ModelError: there is no such time zone.
    """
    asked = pl.DataFrame(
        {"platform": [platform], "account_id": [account_id], ZONE: [author_zone], AS_OF: [now]},
        schema={"platform": pl.String, "account_id": pl.Int64, ZONE: pl.String, AS_OF: pl.Datetime("us", "UTC")},
    )
    model = PostingTimes.from_json(artefact.learned)
    known = examples({TIMED_POSTS.table: pl.LazyFrame(schema=dict(TIMED_POSTS.columns))}, now) if past is None else past
    return on_the_clock_of(zone, suggest(asked, outlook(model, asked, known), count), now)
