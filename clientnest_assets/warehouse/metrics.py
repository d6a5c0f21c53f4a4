"""The metric dictionary: what each number is called, means, and is computed by, out of dbt's parsed project.

The definitions stand in `dbt_project/models/metrics/`, as dbt semantic models and metrics, and nowhere
else. Not here: the columns of facts and marts, whose units and additivity are in their own `_models.yml`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from clientnest_assets.errors import ClientNestError

GRAINS = ("day", "week", "month", "quarter", "year")
"""Stretches of time by which a metric can be asked, finest first. Weeks begin on Monday; all are in UTC."""

_AGGREGATES = {
    "sum": "sum({})",
    "count": "count({})",
    "count_distinct": "count(distinct {})",
    "average": "avg({})::double precision",
    "max": "max({})",
    "sum_boolean": "count(*) filter (where {})",
}


class MetricError(ClientNestError):
    """A metric is not defined as the dictionary needs it, or is asked for in a way that would give a wrong number."""


class Additivity(StrEnum):
    """Over what the values of a number may be summed."""

    SUM = "sum"
    """Over everything."""
    SUM_OVER_ENTITIES = "sum over entities, not over days"
    """Over users, accounts or posts of one day: a state, or a count so far."""
    NONE = "none"
    """Over nothing: distinct counts, ratios, means."""


@dataclass(frozen=True)
class Reading:
    """A column that holds the metric ready to read."""

    mart: str
    column: str
    by: Mapping[str, str] = field(default_factory=dict)
    """What the metric is grouped by to give the column, by the mart's key columns; the same names if empty."""
    where: str = ""
    """The rows of the mart that hold it, as a condition in SQL; all if empty."""


@dataclass(frozen=True)
class Metric:
    """One number that the company speaks of."""

    name: str
    label: str
    description: str
    unit: str
    additivity: Additivity
    owner: str
    valid_from: date | None
    """First day on which the number means what the description says; None for since ever."""
    valid_to: date | None
    """First day on which it no longer does; None while it does."""
    table: str
    """The table it is computed from, with its schema."""
    expression: str
    """The aggregate over rows of the table, in SQL."""
    day: str
    """The table's date by which the metric is told."""
    finest: str
    """The finest grain of that date."""
    dimensions: Mapping[str, str]
    """What else it can be grouped by: names, and the table's columns."""
    needs: frozenset[str]
    """By what it must be grouped, because across that it does not add up."""
    readings: tuple[Reading, ...]

    @property
    def grains(self) -> tuple[str, ...]:
        """The grains of time by which it can be asked."""
        return GRAINS[GRAINS.index(self.finest) :]


def read_metrics(manifest: Path) -> dict[str, Metric]:
    """Every metric of the dictionary, by name.

    Args:
        manifest: dbt's manifest.json of the project, see `warehouse.dbt.prepared_manifest`.

    Raises:
        MetricError: naming the metric, if a definition is incomplete or of a kind that is not understood.
    """
    content = json.loads(manifest.read_text(encoding="utf-8"))
    defined = {metric["name"]: metric for metric in content["metrics"].values()}
    measures = {
        measure["name"]: (model, measure)
        for model in content["semantic_models"].values()
        for measure in model["measures"]
    }
    return {name: _metric(metric, defined, measures) for name, metric in sorted(defined.items())}


def metric_sql(metric: Metric, by: Iterable[str] = ()) -> str:
    """A query for the metric: a row a group, with the columns of `by` and one named as the metric, ordered.

    Args:
        metric: what to compute.
        by: at most one grain of time, such as day or week, and any of the metric's dimensions.

    Raises:
        MetricError: if the metric cannot be grouped so, or if groups as wide would sum what does not add up.
    """
    groups = tuple(by)
    grains = [name for name in groups if name in GRAINS]
    unknown = [name for name in groups if name not in (*metric.grains, *metric.dimensions)]
    if unknown or len(grains) > 1 or len(set(groups)) < len(groups):
        raise MetricError(
            f"{metric.name} cannot be grouped by {', '.join(groups)}: take at most one of "
            f"{', '.join(metric.grains)}, and any of {', '.join(metric.dimensions) or 'no dimension'}, each once"
        )
    missing = sorted(metric.needs - set(groups))
    if missing:
        raise MetricError(
            f"{metric.name} would be summed over what it does not add up over (its additivity is: {metric.additivity}): "
            f"group by {', '.join(missing)} too"
        )
    columns = [f"{_group(metric, name)} as {name}" for name in groups]
    numbers = ", ".join(str(position + 1) for position in range(len(groups)))
    return "\n".join(
        [
            "select",
            ",\n".join(f"    {column}" for column in [*columns, f"{metric.expression} as {metric.name}"]),
            f"from {metric.table}",
            *([f"group by {numbers}", f"order by {numbers}"] if groups else []),
        ]
    )


def _group(metric: Metric, name: str) -> str:
    if name not in GRAINS:
        return metric.dimensions[name]
    return metric.day if name == metric.finest else f"date_trunc('{name}', {metric.day})::date"


def _metric(
    metric: dict[str, Any], defined: Mapping[str, Any], measures: Mapping[str, tuple[dict[str, Any], dict[str, Any]]]
) -> Metric:
    parts = _parts(metric, defined)
    models = {measures[part][0]["unique_id"]: measures[part][0] for part in parts}
    if len(models) != 1:
        raise MetricError(f"metric {metric['name']} mixes the models {', '.join(sorted(models))}: take both from one")
    ((_, model),) = models.items()
    aggregates = [_aggregate(metric["name"], measures[part][1]) for part in parts]
    times = {dimension["name"]: dimension for dimension in model["dimensions"] if dimension["type"] == "time"}
    time = times[model["defaults"]["agg_time_dimension"]]
    held = [item for item in (*model["entities"], *model["dimensions"]) if item["name"] not in times]
    states = {time["name"] for part in parts if measures[part][1]["non_additive_dimension"]}
    meta = metric["config"]["meta"]
    try:
        return Metric(
            name=metric["name"],
            label=metric["label"],
            description=metric["description"],
            unit=meta["unit"],
            additivity=Additivity(meta["additivity"]),
            owner=meta["owner"],
            valid_from=_date(meta.get("valid_from")),
            valid_to=_date(meta.get("valid_to")),
            table=f"{model['node_relation']['schema_name']}.{model['node_relation']['alias']}",
            expression=aggregates[0] if len(parts) == 1 else _ratio(*aggregates),
            day=time["expr"] or time["name"],
            finest=time["type_params"]["time_granularity"],
            dimensions={item["name"]: item["expr"] or item["name"] for item in held},
            needs=frozenset({*meta.get("only_by", ()), *(time["type_params"]["time_granularity"] for _ in states)}),
            readings=tuple(_reading(item) for item in meta.get("reads", ())),
        )
    except (KeyError, ValueError) as error:
        raise MetricError(f"config.meta of metric {metric['name']} is incomplete or wrong: {error}") from error


def _parts(metric: dict[str, Any], defined: Mapping[str, Any]) -> list[str]:
    """The measures that the metric is made of: one, or numerator and denominator."""
    given = metric["type_params"]
    if metric["type"] == "simple":
        return [given["measure"]["name"]]
    if metric["type"] == "ratio":
        sides = [defined[given[side]["name"]] for side in ("numerator", "denominator")]
        if all(side["type"] == "simple" for side in sides):
            return [side["type_params"]["measure"]["name"] for side in sides]
    raise MetricError(f"metric {metric['name']} is neither simple nor a ratio of two simple metrics")


def _aggregate(metric: str, measure: dict[str, Any]) -> str:
    if measure["agg"] not in _AGGREGATES:
        raise MetricError(
            f"metric {metric} aggregates by {measure['agg']}, which is none of {', '.join(sorted(_AGGREGATES))}"
        )
    return _AGGREGATES[measure["agg"]].format(measure["expr"] or measure["name"])


def _ratio(numerator: str, denominator: str) -> str:
    return f"{numerator}::double precision / nullif({denominator}, 0)::double precision"


def _reading(item: dict[str, Any]) -> Reading:
    mart, column = item["column"].split(".")
    return Reading(mart, column, item.get("by", {}), item.get("where", ""))


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(str(text))
