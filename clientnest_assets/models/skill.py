"""Whether a model has any skill, or only luck: what learned from noise beats naive rules in half of its trainings.

In which metrics a model has to be better than each rule is the gate's (`model.py`), and the promotion's (`promotion.py`).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.metrics import DECIMALS, clustered_half
from clientnest_assets.models.model import Finding

CONFIDENCE: Final = 0.9
"""To both sides: of models without skill one in twenty gets beyond the rule by more than chance."""
FEW: Final = 10
"""Of fewer entities it cannot be told how entities differ: the model is for just these, and what differs is days."""


def has_skill(
    evaluated: pl.DataFrame, rule: str, loss_of_rule: pl.Expr, cluster: str, *, loss: str = "loss"
) -> Finding:
    """Whether the mean loss is below that of a rule by more than chance.

    The rule is the plainest there is, the one that a model without skill could at best be as good as. Examples of one
    entity go wrong together, and so do those of one day: chance is the greater of the two that allow for it (K.-Y. Liang
    and S. L. Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 73 (1986), for a mean of
    differences on the same examples). Of fewer than FEW entities days alone tell; of one day nothing does.

    Args:
        evaluated: later examples, with `as_of`.
        rule: its name.
        loss_of_rule: what the rule loses on an example.
        cluster: the column of the entity.
        loss: the column of the model's loss.
    """
    compared = evaluated.select(
        gain=loss_of_rule - pl.col(loss), entity=pl.col(cluster), day=pl.col(AS_OF).dt.date()
    ).filter(pl.col("gain").is_finite())
    gain, chance = 0.0, None
    if compared.height:
        gains = compared["gain"].to_numpy()
        gain = float(gains.mean())
        together = ("day",) if compared["entity"].n_unique() < FEW else ("entity", "day")
        found = [clustered_half(gains, compared[name], CONFIDENCE) for name in together]
        chance = max((each for each in found if each is not None), default=None)
    told = (
        "nothing tells how much of that could be chance"
        if chance is None
        else f"more than {chance:.4f} is wanted, or it could be luck"
    )
    return Finding(
        "has_skill",
        passed=chance is not None and gain > chance,
        words=(
            f"On {compared.height:,} later examples its mean loss is smaller than that of the rule {rule} by {gain:.4f}; "
            f"{told}."
        ),
        figures={
            "rule": rule,
            "gain": round(gain, DECIMALS),
            "by_chance": None if chance is None else round(chance, DECIMALS),
        },
    )
