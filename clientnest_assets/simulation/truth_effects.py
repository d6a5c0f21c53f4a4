"""What `effects.json` says: all effects and planted events of a world as plain data."""

from __future__ import annotations

from typing import Any

import numpy as np

from clientnest_assets.contracts.app import PLATFORMS, TIERS
from clientnest_assets.simulation import effects, planted
from clientnest_assets.simulation.effects import CATEGORIES, MEDIA_TYPES, Effects
from clientnest_assets.simulation.hashtags import HASHTAGS
from clientnest_assets.simulation.world import FloatArray, World


def describe(world: World, drawn: Effects) -> dict[str, Any]:
    """All effects and planted events of a world as plain data. Days are dates; hours and weekdays count from 0."""

    def by_platform(values: FloatArray) -> dict[str, Any]:
        return dict(zip(PLATFORMS, np.round(values, 6).tolist(), strict=True))

    def days(is_planted: list[bool]) -> list[str]:
        return [day(index) for index, chosen in enumerate(is_planted) if chosen]

    def day(index: int) -> str:
        return str(np.datetime64(world.first_day) + index)

    every_day = range(world.days)
    viral = {day(index): planted.viral_platform(index, len(PLATFORMS)) for index in every_day}
    return {
        "engagement": {
            "scale": "natural logarithm of the expected engagement score at seven days",
            "platform_at_reference_followers": by_platform(effects.PLATFORM_LEVEL),
            "reference_followers": effects.REFERENCE_FOLLOWERS,
            "follower_exponent": effects.FOLLOWER_EXPONENT,
            "category": dict(zip(CATEGORIES, effects.CATEGORY_EFFECT.tolist(), strict=True)),
            "categories": list(CATEGORIES),
            "platform_category": by_platform(drawn.interaction),
            "local_hour": by_platform(drawn.hour),
            "weekday_from_monday": by_platform(effects.WEEKDAY_EFFECT),
            "best_hashtag_count": by_platform(effects.BEST_HASHTAG_COUNT),
            "hashtag_count_curvature": effects.HASHTAG_COUNT_CURVATURE,
            "hashtags": {tag: round(float(lift), 6) for tag, lift in zip(HASHTAGS, drawn.hashtag, strict=True) if lift},
            "best_length_characters": by_platform(effects.BEST_LENGTH),
            "length_curvature": effects.LENGTH_CURVATURE,
            "media_types": list(MEDIA_TYPES),
            "media": by_platform(effects.MEDIA_EFFECT),
            "ai": by_platform(effects.AI_EFFECT),
            "trend_per_year": effects.TREND_PER_YEAR,
            "season": {"amplitude": effects.SEASON_AMPLITUDE, "period_days": effects.SEASON_PERIOD_DAYS},
            "dispersion": by_platform(effects.DISPERSION),
            "half_life_hours": by_platform(effects.HALF_LIFE_HOURS),
        },
        "churn": {
            "scale": "chance to leave on a day, given presence at its start; factors multiply",
            "monthly_base": dict(zip(TIERS, effects.MONTHLY_CHURN.tolist(), strict=True)),
            "newcomer_factor": effects.NEWCOMER_FACTOR,
            "newcomer_days": effects.NEWCOMER_DAYS,
            "log_rate_per_silent_day": effects.INACTIVITY_RATE,
            "log_rate_per_recent_failed_post": effects.FAILED_POST_RATE,
            "log_rate_per_open_ticket": effects.OPEN_TICKET_RATE,
        },
        "experiments": [
            {
                "id": position + 1,
                "key": experiment.key,
                "first_day": day(experiment.first_day),
                "end_day": day(experiment.end_day),
                "log_engagement_effect": experiment.log_engagement_effect,
                "intended_treatment_share": 0.5,
                "treatment_share": experiment.treatment_share,
            }
            for position, experiment in enumerate(planted.EXPERIMENTS)
            if experiment.first_day < world.days
        ],
        "planted": {
            "outage_days": days([planted.outage_window(index, 0) is not None for index in every_day]),
            "outage_hours_utc": list(planted.OUTAGE_HOURS),
            "viral_days": {day: PLATFORMS[platform] for day, platform in viral.items() if platform is not None},
            "viral_factor": planted.VIRAL_FACTOR,
            "runaway_cost_days": days([planted.is_runaway_cost(index) for index in every_day]),
            "runaway_tokens_factor": planted.RUNAWAY_TOKENS_FACTOR,
        },
    }
