"""How well the churn model foresees a shop's customers who stop buying, from purchases that `clientnest import` landed.

A purchase is a visit, and what was spent is how long it was (a cent a second). Customers are looked at every four weeks: who
bought in the last 90 days is active, and gone is who does not buy in the next 90. There are no plans and no posts, so the
model has the visits alone. What it predicts for subscribers, on a schedule, is `models/churn` and needs none of this.

    clientnest import CDNOW_master.txt --mapping cdnow_purchases
    python docs/examples/customers_who_stop_buying.py
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.installation import Installation
from clientnest_assets.lake import Lake
from clientnest_assets.models.churn.chances import AUC, BRIER, LOG_LOSS, PR_AUC, chance_metrics
from clientnest_assets.models.churn.examples import POSTS, USER_DAYS, examples
from clientnest_assets.models.churn.predictor import Predictor, columns_of
from clientnest_assets.models.churn.spec import LABEL, Definition
from clientnest_assets.models.churn.training import train
from clientnest_assets.models.model import Training
from clientnest_assets.models.splits import LABEL_KNOWN_AT
from clientnest_assets.sources.landing import raw_table

QUARTER = timedelta(days=90)
DEFINITION = Definition(active_within=QUARTER, horizon=QUARTER, quiet=QUARTER, every=timedelta(days=28))


def user_days(lake: Lake) -> pl.DataFrame:
    """Visits by user and day, with the columns of fact_users_daily that the model reads; those of subscribers are null."""
    days = (
        raw_table(lake, CONTRACTS["user_sessions"])
        .scan()
        .group_by("user_id", "day")
        .agg(pl.len().cast(pl.Int64).alias("sessions"), pl.col("duration").sum().alias("session_seconds"))
        .collect()
    )
    unknown = [pl.lit(None, dtype).alias(name) for name, dtype in USER_DAYS.columns if name not in days.columns]
    return days.with_columns(unknown)


def customers(days: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """Customers at the moments they are looked at, and whether they were gone 90 days later; all of it known at `until`."""
    no_posts = pl.LazyFrame(schema=dict(POSTS.columns))
    return examples({USER_DAYS.table: days.lazy(), POSTS.table: no_posts}, until, DEFINITION)


def at_the_newest_moment(rows: pl.DataFrame) -> dict[str, float | None]:
    """The metrics at the last moment that can be judged, learned from all that was known by then."""
    newest = rows["as_of"].max()
    asked = rows.filter(as_of=newest)
    predictor = Predictor.fit(rows.filter(pl.col(LABEL_KNOWN_AT) <= newest), columns_of(None), threads=1)
    return chance_metrics(asked[LABEL].cast(pl.Float64).to_numpy(), predictor.chance(asked))


def main() -> None:
    """Prints the metrics of the model, and of the naive rules beside it."""
    installation = Installation.load()
    with installation.services():
        days = user_days(installation.lake)
    until = installation.calendar.span().end_at
    rows = customers(days, until)
    # The later fifth of the examples, and nothing learned that was not known before the first of them.
    later = train(Training(rows, None, until), {}).metrics
    for name, metrics in {**later, "model at the newest moment": at_the_newest_moment(rows)}.items():
        shown = ", ".join(f"{each} {metrics[each]:.3f}" for each in (AUC, PR_AUC, BRIER, LOG_LOSS))
        print(f"{name}: {shown}")


if __name__ == "__main__":
    main()
