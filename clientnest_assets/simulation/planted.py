"""The events planted in the world, by day: what anomaly detection and experiment analysis must find.

Each recurs with a fixed period, so that none depends on how long the world lasts.
"""

from __future__ import annotations

from dataclasses import dataclass

from clientnest_assets.simulation.world import HOUR

_PERIOD_DAYS = 60
OUTAGE_DAY, VIRAL_DAY, RUNAWAY_COST_DAY = 20, 24, 27
"""Index of each event's first day, counted from 0."""
OUTAGE_HOURS = (2, 22)
"""UTC hours between which nobody gets in, nothing is published and no platform is asked."""
VIRAL_FACTOR = 5.0
"""What the viral day does to the expected engagement of the posts published on it, on one platform."""
RUNAWAY_TOKENS_FACTOR = 20
"""What the runaway day does to the tokens of each AI request."""


def outage_window(day: int, day_start: int) -> tuple[int, int] | None:
    """Start and end of the day's outage; None on other days."""
    if day % _PERIOD_DAYS != OUTAGE_DAY:
        return None
    return day_start + OUTAGE_HOURS[0] * HOUR, day_start + OUTAGE_HOURS[1] * HOUR


def viral_platform(day: int, platforms: int) -> int | None:
    """The position of the platform whose posts of this day go viral; None on other days."""
    return (day // _PERIOD_DAYS + 2) % platforms if day % _PERIOD_DAYS == VIRAL_DAY else None


def is_runaway_cost(day: int) -> bool:
    """Whether the AI burns tokens on this day."""
    return day % _PERIOD_DAYS == RUNAWAY_COST_DAY


@dataclass(frozen=True)
class Experiment:
    """One A/B test: fifty-fifty was meant; `treatment_share` is what was done."""

    key: str
    name: str
    metric: str
    first_day: int
    end_day: int
    treatment_share: float
    log_engagement_effect: float
    newcomers_only: bool


EXPERIMENTS = (
    Experiment("caption_coach", "Caption coach in the editor", "engagement_score", 10, 45, 0.5, 0.2, False),
    Experiment("dark_mode", "Dark mode by default", "sessions", 12, 54, 0.5, 0.0, False),
    Experiment("onboarding_checklist", "Checklist for newcomers", "activation", 8, 40, 0.6, 0.0, True),
)
"""In this order: a real effect, none, and a broken split."""
