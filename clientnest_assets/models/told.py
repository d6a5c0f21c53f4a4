"""What every card tells: of its training, from what, until when, on which features; and how good it was.

What only one model has to tell is its own business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Final

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.model import Finding, Model, Training

LIBRARIES: Final = ("lightgbm", "numpy", "polars", "scipy")
"""Those by whose version what is learned could differ."""


def told_of(model: Model, training: Training) -> dict[str, Any]:
    """The part of a card that all models have."""
    features = training.features
    rows = training.rows
    first, last = (None, None) if rows.is_empty() else (rows[AS_OF].min(), rows[AS_OF].max())
    return {
        "label": model.label,
        "horizon_days": model.horizon.total_seconds() / 86_400,
        "objective": model.objective,
        "split": model.split,
        "until": training.until.isoformat(),
        "code_version": model.code_version,
        "libraries": {name: version(name) for name in LIBRARIES},
        "naive_rules": dict(model.naive_rules),
        "feature_set": features
        and {
            "name": features.name,
            "variant": features.variant,
            "description": features.description,
            "features": {view: list(names) for view, names in features.features.items()},
        },
        "views": {
            view.name: {"version": view.version, "definition": view.definition_hash}
            for view in (features.views if features else ())
        },
        "data": training.data,
        "rows": rows.height,
        "left_out": dict(training.left_out),
        "first_as_of": first and str(first),
        "last_as_of": last and str(last),
    }


def judged(metrics: Mapping[str, Mapping[str, float | None]], findings: Iterable[Finding]) -> dict[str, Any]:
    """The part of a card that says how its twin did on later examples; the promotion goes by it."""
    return {
        "metrics": {name: dict(values) for name, values in metrics.items()},
        "findings": [asdict(each) for each in findings],
    }
