"""The plans of all users for the next week: as much as they usually give, better split."""

from __future__ import annotations

from typing import Final

import polars as pl

from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.budget.planning import RESOURCES, plan
from clientnest_assets.models.budget.response import Responses
from clientnest_assets.models.budget.weeks import CHANNEL, PAST
from clientnest_assets.models.encoding import require_columns

ANSWERS: Final = pl.Schema(
    {
        "user_id": pl.Int64(),
        "platform": pl.String(),
        "resource": pl.String(),
        "usual": pl.Float64(),
        "suggested": pl.Float64(),
        "suggested_low": pl.Float64(),
        "suggested_high": pl.Float64(),
        "expected_engagement": pl.Float64(),
        "expected_low": pl.Float64(),
        "expected_high": pl.Float64(),
        "one_more": pl.Float64(),
        "evidence": pl.String(),
    }
)


def score(artefact: Artefact, rows: pl.DataFrame) -> pl.DataFrame:
    """One answer per channel and resource (`planning.plan` says of what), by resource and in the rows' order.

    None for rows without a user or a platform: they are no channel, and have no part in a plan.

    Raises:
        ForeignModelError: a column of `weeks.current` is missing.
    """
    require_columns(rows, [*CHANNEL, *PAST, "usual_posts", "usual_ai_cost", "most_posts"])
    responses, rows = Responses.from_json(artefact.learned["platforms"]), rows.drop_nulls(CHANNEL)
    parts = [
        rows.select(CHANNEL).with_columns(pl.lit(resource).alias("resource")).hstack(plan(responses, rows, resource))
        for resource in RESOURCES
    ]
    return pl.concat(parts).select(pl.col(name).cast(dtype) for name, dtype in ANSWERS.items())
