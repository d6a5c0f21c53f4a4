"""How strong everything is: the constants of the world, and the few that each seed draws for itself.

All effects on engagement are on the natural logarithm of a post's expected engagement score at
seven days. `truth.py` writes them down for evaluation; nothing else may know them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clientnest_assets.contracts.app import PLATFORMS
from clientnest_assets.simulation.hashtags import HASHTAGS
from clientnest_assets.simulation.world import FloatArray, World

CATEGORIES = ("Promotional", "Educational", "Behind the Scenes", "Interactive", "General", "Unknown")
MEDIA_TYPES = ("text", "image", "video", "carousel")

# Expected score of an average author's average post at 1,000 followers, by platform.
PLATFORM_LEVEL = np.array([3.6, 3.7, 4.6, 3.9, 4.4])
FOLLOWER_EXPONENT = 0.55
REFERENCE_FOLLOWERS = 1000.0
USER_SKILL_SD = 0.38
ACCOUNT_SKILL_SD = 0.28

CATEGORY_EFFECT = np.array([-0.3, 0.2, 0.1, 0.25, 0.0, -0.2])
INTERACTION_SD = 0.22

# Two humps by platform: hours of the peaks, their heights, and their width in hours.
HOUR_PEAKS = np.array([[9, 18], [13, 20], [12, 20], [8, 17], [16, 22]])
HOUR_HEIGHTS = np.array([[1.1, 0.9], [0.9, 1.1], [0.8, 1.2], [1.3, 0.8], [0.8, 1.2]])
HOUR_WIDTH = 2.2

# Rows: platforms; columns: Monday to Sunday.
WEEKDAY_EFFECT = np.array(
    [
        [0.05, 0.08, 0.08, 0.05, 0.0, -0.12, -0.14],
        [0.0, 0.0, 0.02, 0.04, 0.05, -0.03, -0.08],
        [-0.04, 0.0, 0.02, 0.0, 0.02, -0.04, 0.04],
        [0.08, 0.16, 0.16, 0.12, -0.02, -0.28, -0.22],
        [-0.06, -0.04, -0.02, 0.0, 0.06, 0.04, 0.02],
    ]
)

BEST_HASHTAG_COUNT = np.array([2.0, 2.0, 6.0, 3.0, 4.0])
HASHTAG_COUNT_CURVATURE = 0.03
HASHTAG_COUNT_FLOOR = -0.7
GOOD_HASHTAGS, BAD_HASHTAGS = 10, 6

BEST_LENGTH = np.array([110.0, 160.0, 220.0, 420.0, 110.0])
LENGTH_CURVATURE = 0.22
LENGTH_FLOOR = -0.7

# Rows: platforms; columns: text, image, video, carousel.
MEDIA_EFFECT = np.array(
    [
        [-0.1, 0.15, 0.25, 0.05],
        [-0.3, 0.05, 0.3, 0.1],
        [-0.3, -0.12, 0.28, 0.12],
        [-0.1, 0.0, 0.05, 0.35],
        [-0.6, -0.35, 0.1, -0.05],
    ]
)
AI_EFFECT = np.array([0.1, 0.1, 0.08, -0.12, -0.05])
TREND_PER_YEAR = 0.25
SEASON_AMPLITUDE, SEASON_PERIOD_DAYS = 0.08, 91.0

# Likes, comments and shares as parts of all engagement, by platform.
ENGAGEMENT_PARTS = np.array(
    [[0.80, 0.08, 0.12], [0.78, 0.13, 0.09], [0.90, 0.07, 0.03], [0.82, 0.12, 0.06], [0.84, 0.07, 0.09]]
)
SCORE_WEIGHTS = np.array([1.0, 2.0, 3.0])
"""Weights of likes, comments and shares in the engagement score: the product's definition."""
DISPERSION = np.array([3.6, 4.0, 4.0, 4.6, 2.8])
"""Size of the negative binomial: one gamma factor of this shape, mean 1, multiplies all of a post's counts."""
HALF_LIFE_HOURS = np.array([3.0, 7.0, 10.0, 18.0, 14.0])
ACCRUAL_SHAPE = 0.6
REACH_ENGAGEMENT_RATE = np.array([0.025, 0.03, 0.045, 0.04, 0.06])
"""Median of all engagement over reach, by platform."""

MONTHLY_CHURN = np.array([0.075, 0.036, 0.022, 0.014, 0.008])
"""Chance that a settled, lively user leaves within 30 days, by tier; all else multiplies its daily hazard."""
NEWCOMER_FACTOR, NEWCOMER_DAYS = 2.0, 12.0
INACTIVITY_RATE, INACTIVITY_FREE_DAYS, INACTIVITY_MAX_DAYS = 0.17, 2.0, 18.0
FAILED_POST_RATE, FAILED_POST_MAX, FAILED_POST_MEMORY_DAYS = 0.35, 4.0, 7.0
OPEN_TICKET_RATE, OPEN_TICKET_MAX = 0.6, 2.0
MAX_DAILY_HAZARD = 0.25


@dataclass(frozen=True)
class Effects:
    """The effects of one world that are tables: by hour, category and hashtag."""

    hour: FloatArray
    """Platforms by 24 local hours; the mean over the day is 0."""
    interaction: FloatArray
    """Platforms by categories, drawn by the seed."""
    hashtag: FloatArray
    """One lift per hashtag; good, bad and indifferent ones are drawn by the seed."""


def draw_effects(world: World) -> Effects:
    """The effects of a world: the constants above, and what its seed draws."""
    rng = world.rng("effects", 0)
    interaction = rng.normal(0.0, INTERACTION_SD, (len(PLATFORMS), len(CATEGORIES)))
    lifts = np.zeros(len(HASHTAGS))
    chosen = rng.permutation(len(HASHTAGS) // 2)[: GOOD_HASHTAGS + BAD_HASHTAGS]
    lifts[chosen[:GOOD_HASHTAGS]] = rng.uniform(0.2, 0.5, GOOD_HASHTAGS)
    lifts[chosen[GOOD_HASHTAGS:]] = rng.uniform(-0.5, -0.25, BAD_HASHTAGS)
    return Effects(hour=_hour_curves(), interaction=interaction, hashtag=lifts)


def _hour_curves() -> FloatArray:
    hours = np.arange(24)
    distance = np.abs(hours[None, None, :] - HOUR_PEAKS[:, :, None])
    distance = np.minimum(distance, 24 - distance)
    curves = (HOUR_HEIGHTS[:, :, None] * np.exp(-0.5 * (distance / HOUR_WIDTH) ** 2)).sum(axis=1)
    curves -= curves.mean(axis=1, keepdims=True)
    centred: FloatArray = curves
    return centred
