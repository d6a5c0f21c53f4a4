"""What the model of posting times is: its terms, its limits, the rules it must beat. No computing here."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from clientnest_assets.models.design import Term
from clientnest_assets.models.traits import AI, CATEGORY, HASHTAG_COUNT, LENGTH, MEDIA

TASK: Final = "posting_times"

HISTORY: Final = timedelta(days=180)
"""Older posts say little of when an audience is there now."""

SLOT: Final = "slot"
DAY_OF_POST: Final = "day_of_post"
FORM: Final = (Term(CATEGORY), Term(MEDIA), Term(LENGTH), Term(AI), Term(HASHTAG_COUNT))
TERMS: Final = (*FORM, Term(DAY_OF_POST), Term(SLOT))
"""What a post of a platform adds up from, beside its account's level. A day of its own for all of the platform's posts:
what is in the news lifts a Tuesday, not Tuesdays, and weekdays are known by their number, not by that of their
posts."""
MIN_COUNT: Final = 5

MIN_CONTRASTS: Final = 200
"""Posts less the levels taken out of them. With fewer a platform has no curve."""
MIN_SLOT_POSTS: Final = 10
"""Posts of the platform within NEARBY hours of a slot, below which the slot is not suggested."""
NEARBY_HOURS: Final = 1
APART_HOURS: Final = 3
SUGGESTED: Final = 5
REQUESTS_AT_ONCE: Final = 20_000
"""What is expected of them takes 7 KB each."""

NO_EFFECT: Final = "no_effect"
RAW_HOUR: Final = "raw_hour_mean"
OWN_HOUR: Final = "own_hour_mean"
NAIVE_RULES: Final = {
    NO_EFFECT: "no hour is better than another",
    RAW_HOUR: "mean log engagement of the platform's earlier posts at that hour, whoever wrote them",
    OWN_HOUR: "mean log engagement of the account's own earlier posts at that hour less that of all of them; else 0",
}
