"""The app's A/B tests: who is in which variant, and on whom a real effect works."""

from __future__ import annotations

import numpy as np
import polars as pl

from clientnest_assets.simulation.planted import EXPERIMENTS
from clientnest_assets.simulation.users import Users
from clientnest_assets.simulation.visits import Visits
from clientnest_assets.simulation.world import BoolArray, FloatArray, World

_NOT_IN, _CONTROL, _TREATMENT = -1, 0, 1


class Trials:
    """The state of all experiments: each user's variant in each."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._variants = np.empty((len(EXPERIMENTS), 0), np.int8)

    def assign(self, day: int, users: Users, visits: Visits) -> pl.DataFrame:
        """Rows of experiment_assignments of one day, without ids: each user's first visit while it runs."""
        newcomers = len(users) - self._variants.shape[1]
        new = np.full((len(EXPERIMENTS), newcomers), _NOT_IN, np.int8)
        self._variants = np.concatenate([self._variants, new], axis=1)
        assigned = []
        for position, experiment in enumerate(EXPERIMENTS):
            if not experiment.first_day <= day < experiment.end_day:
                continue
            variants = self._variants[position]
            may_enter = (variants == _NOT_IN) & (visits.count_of > 0)
            if experiment.newcomers_only:
                may_enter &= users.joined_at >= self._world.day_start(experiment.first_day)
            entering = np.flatnonzero(may_enter)
            draw = self._world.rng(f"experiment {experiment.key}", day).random(len(entering))
            variants[entering] = np.where(draw < experiment.treatment_share, _TREATMENT, _CONTROL)
            assigned.append(
                pl.DataFrame(
                    {
                        "experiment_id": np.full(len(entering), position + 1),
                        "user_id": entering + 1,
                        "variant": pl.Series(("control", "treatment")).gather(variants[entering].astype(np.int64)),
                        "assigned_at": visits.start[visits.first_of[entering]],
                    }
                )
            )
        return pl.concat(assigned).sort("assigned_at", maintain_order=True) if assigned else pl.DataFrame()

    def engagement_effect(self, day: int, users: Users) -> FloatArray:
        """What the experiments that run on this day add to each user's log engagement."""
        effect = np.zeros(len(users))
        for position, experiment in enumerate(EXPERIMENTS):
            if experiment.first_day <= day < experiment.end_day:
                treated: BoolArray = self._variants[position] == _TREATMENT
                effect += experiment.log_engagement_effect * treated
        return effect


def experiment_rows(world: World) -> pl.DataFrame:
    """The experiments table at the world's end: those that have started."""
    rows = []
    for position, experiment in enumerate(EXPERIMENTS):
        if experiment.first_day < world.days:
            has_ended = experiment.end_day < world.days
            started_at, ended_at = world.day_start(experiment.first_day), world.day_start(experiment.end_day)
            rows.append(
                {
                    "id": position + 1,
                    "key": experiment.key,
                    "name": experiment.name,
                    "metric": experiment.metric,
                    "status": "completed" if has_ended else "running",
                    "started_at": started_at,
                    "ended_at": ended_at if has_ended else None,
                    "updated_at": ended_at if has_ended else started_at,
                }
            )
    return pl.DataFrame(rows)
