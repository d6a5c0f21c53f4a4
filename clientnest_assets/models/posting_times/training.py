"""Training: a twin of the earlier posts, judged on the later ones, and the model of all posts by the same recipe."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.effects import with_blocks
from clientnest_assets.models.errors import NotEnoughDataError
from clientnest_assets.models.model import Trained, Training
from clientnest_assets.models.posting_times import spec
from clientnest_assets.models.posting_times.accounts import fit_posting_times
from clientnest_assets.models.posting_times.judging import (
    ACTUAL,
    evaluate,
    hours_seen_later,
    intervals_cover,
    metrics_of,
    suggested_do_better,
)
from clientnest_assets.models.posting_times.plots import sections_of
from clientnest_assets.models.skill import has_skill
from clientnest_assets.models.splits import LABEL_KNOWN_AT, split_by_time
from clientnest_assets.models.told import judged, told_of


def train(training: Training) -> Trained:
    """The model of the partition, judged.

    Raises:
        NotEnoughDataError: no platform has posts enough that can be set against others of their accounts, earlier or in
            all, or none of the later posts can.
    """
    # The declaration names this function.
    from clientnest_assets.models.posting_times.declaration import POSTING_TIMES

    rows = training.rows.filter(pl.col(AS_OF) >= training.until - spec.HISTORY)
    _require_contrasts(rows, f"before {training.until:%Y-%m-%d}")
    split = split_by_time(rows, AS_OF, LABEL_KNOWN_AT)
    _require_contrasts(split.earlier, f"written and mature before {split.cutoff:%Y-%m-%d}, from where on it is judged,")
    twin, covariances = fit_posting_times(split.earlier)
    evaluated = evaluate(twin, split.later, training.rows, split.earlier)
    if evaluated.is_empty():
        raise NotEnoughDataError(
            f"none of the {split.later.height} posts from {split.cutoff:%Y-%m-%d} on has another one of its account to be "
            "set against: train a later week, or import more history"
        )
    cells = hours_seen_later(twin, covariances, split.later)
    metrics = metrics_of(evaluated)
    skill = has_skill(evaluated, spec.NO_EFFECT, pl.col(ACTUAL) ** 2, "account_id")
    findings = (skill, suggested_do_better(evaluated), intervals_cover(cells))
    model, _ = fit_posting_times(rows)
    told = {
        **told_of(POSTING_TIMES, training),
        **judged(metrics, findings),
        "evaluated": {
            "cutoff": split.cutoff.isoformat(),
            "rows": split.earlier.height,
            "rows_later": split.later.height,
        },
        "parameters": {"history_days": spec.HISTORY.days, "scales": dict(model.scales), "own": dict(model.own)},
    }
    artefact = Artefact.of(spec.TASK, model.to_json(), {}, told)
    return Trained(artefact, evaluated, metrics, findings, sections_of(model, rows, evaluated, cells))


def _require_contrasts(rows: pl.DataFrame, which: str) -> None:
    contrasts: Mapping[str, int] = {}
    if rows.height:
        blocked = with_blocks(rows).group_by("platform").agg(pl.len() - pl.col("block").n_unique())
        contrasts = dict(blocked.sort("platform").iter_rows())
    if max(contrasts.values(), default=0) < spec.MIN_CONTRASTS:
        told = ", ".join(f"{number} of {name}" for name, number in contrasts.items()) or "none"
        raise NotEnoughDataError(
            f"{rows.height} posts {which} make {told} that can be set against others of their account, "
            f"{spec.MIN_CONTRASTS} of one platform are needed: train a later week, or import more history"
        )
