"""Views over facts of more than a quarter: a range gives what its days give, and nothing of a day is known before it ends."""

import random
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from clientnest_assets.features.registry import VIEWS
from clientnest_assets.partitions import Window

FIRST, DAYS = date(2026, 1, 1), 130
WINDOW = Window(FIRST + timedelta(days=85), FIRST + timedelta(days=113))
"""Posts of the first days pass out of the 90 days meanwhile."""
NAMES = ("account_audience", "author_engagement_history", "platform_timing", "user_engagement_history")


def at(days):
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days)


@pytest.fixture(scope="module")
def facts():
    """Few accounts with many posts, some at midnight, some without an outcome; followers seen now and then."""
    chance = random.Random(3)

    def post(number):
        published = at(round(chance.uniform(0, DAYS), 3) if chance.random() < 0.8 else chance.randint(0, DAYS))
        mature = published + timedelta(days=7, hours=chance.choice([0, 0, 5, 30])) if chance.random() < 0.8 else None
        return {
            "post_id": number,
            "user_id": chance.randint(1, 4),
            "account_id": chance.randint(1, 6),
            "platform": chance.choice("ab"),
            "content_category": chance.choice(["General", "Promotional", None]),
            "published_at": published,
            "local_published_date": published.date(),
            "local_published_hour": published.hour,
            "mature_at": mature,
            "mature_engagement_score": None if mature is None else chance.randint(0, 300),
        }

    return {
        "fact_posts": [post(number) for number in range(900)],
        "fact_social_daily": [
            {
                "account_id": account,
                "day": FIRST + timedelta(days=number),
                "observed_at": at(number + chance.random()),
                "followers": chance.choice([None, 0, chance.randint(1, 500)]),
                "following": 5,
                "engagement_rate": chance.choice([None, 0.02]),
                "engagement_category": "Low",
            }
            for account in range(1, 7)
            for number in range(DAYS)
            if chance.random() < 0.3
        ],
    }


def inputs(view, facts):
    return {
        each.table: pl.LazyFrame(
            [{name: row[name] for name, _ in each.columns} for row in facts[each.table]], schema=dict(each.columns)
        )
        for each in view.upstream
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_range_gives_row_for_row_what_its_days_give(facts, name):
    view = VIEWS[name]
    given = inputs(view, facts)

    whole = view.materialise(given, WINDOW)
    days = pl.concat(view.materialise(given, window) for window in WINDOW.chunks(1))

    assert whole.height > len(WINDOW.days())
    assert whole.equals(days.sort(view.row_key))


@pytest.mark.parametrize("name", NAMES)
def test_what_a_day_does_not_know_by_its_end_changes_nothing_of_it(facts, name):
    view = VIEWS[name]

    def unknown_after(end):
        """What will be is something else."""

        def other(post):
            if post["mature_at"] is None or post["mature_at"] < end:
                return post
            return {**post, "mature_at": post["mature_at"] + timedelta(days=3), "mature_engagement_score": 999}

        return {
            "fact_posts": [other(post) for post in facts["fact_posts"] if post["published_at"] < end],
            "fact_social_daily": [row for row in facts["fact_social_daily"] if row["observed_at"] < end],
        }

    for window in list(WINDOW.chunks(1))[::9]:
        known = view.materialise(inputs(view, unknown_after(window.end_at)), window)
        assert known.equals(view.materialise(inputs(view, facts), window)), window
