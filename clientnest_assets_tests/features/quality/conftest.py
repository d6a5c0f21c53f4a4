"""A small feature view of users, a number of days of it, and a lake to keep them in."""

from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.quality.measure import measure
from clientnest_assets.features.store import store_window
from clientnest_assets.features.upstream import Upstream
from clientnest_assets.features.view import Feature, FeatureView
from clientnest_assets.lake import Lake
from clientnest_assets.partitions import ONE_DAY, Window, midnight

FIRST = date(2026, 3, 2)


def passed_on(inputs, _window):
    return inputs["rows"]


VIEW = FeatureView(
    name="users",
    version=1,
    entity_keys=("user_id",),
    features=(
        Feature("score", pl.Float64(), "A number.", minimum=-50, maximum=50),
        Feature("visits", pl.Int64(), "A count.", minimum=0, max_null_share=0.1),
        Feature("tenure", pl.Int64(), "Days since sign-up.", moves_with_time=True),
        Feature("plan", pl.String(), "A closed set.", values=("free", "paid"), max_null_share=0.0),
        Feature("city", pl.String(), "Open text."),
        Feature("is_active", pl.Boolean(), "True or false."),
        Feature("topics", pl.List(pl.String()), "A list."),
    ),
    compute=passed_on,
    upstream=(Upstream("facts", "rows", (("day", pl.Date()),)),),
    owner="data@clientnest.example",
    description="For tests.",
)


@dataclass
class Days:
    """Days of the view in a lake. `changes` are made to the drawn columns of a day, by a function of it."""

    lake: Lake
    users: int = 400
    changes: list = field(default_factory=list)
    view: FeatureView = VIEW
    first: date = FIRST

    def day(self, number):
        return self.first + timedelta(days=number)

    def rows(self, window):
        return self.view.materialise({"rows": pl.concat([self._rows_of(day) for day in window.days()]).lazy()}, window)

    def store(self, first, last):
        """Stores the rows of the days numbered so; gives them and their window."""
        window = Window.of_days(self.day(first), self.day(last))
        rows = self.rows(window)
        store_window(self.lake, self.view, rows, window)
        return rows, window

    def measure(self, first, last, trained=()):
        rows, window = self.store(first, last)
        return measure(self.lake, self.view, rows, window, trained)

    def _rows_of(self, day):
        number = (day - self.first).days
        users = np.arange(self.users)
        # What a user is like stays; what a day brings does not.
        lasting, daily = np.random.default_rng(1), np.random.default_rng([2, number])
        columns = {
            "score": lasting.normal(size=self.users) + daily.normal(size=self.users),
            "visits": daily.poisson(2, self.users),
            "tenure": users % 50 + number,
            "plan": lasting.choice(["free", "paid"], self.users, p=[0.8, 0.2]),
            "city": lasting.choice(["Rome", "Oslo", "Lima"], self.users),
            "is_active": daily.random(self.users) < 0.3,
            "topics": [["a", "b"][: n % 3] for n in users],
        }
        for change in self.changes:
            columns |= change(number, columns)
        at = midnight(day + ONE_DAY)
        return (
            pl.DataFrame({"user_id": users, **columns}, strict=False)
            .with_columns(pl.lit(at).alias("event_at"), pl.lit(at).alias("known_at"), pl.lit(day).alias("day"))
            .cast(dict(self.view.computed_schema))
            .select(self.view.computed_schema.names())
        )


@pytest.fixture
def days(tmp_path):
    return Days(Lake(str(tmp_path / "lake")))
