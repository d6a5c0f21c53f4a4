"""Follows each SUM and AVG of a compiled model down to the columns it is made of, and says which may not be summed.

Not here: which models are judged and which breaches are meant, see `test_metrics.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope

from clientnest_assets.warehouse.metrics import Additivity

SUM, ENTITIES, NONE = Additivity.SUM, Additivity.SUM_OVER_ENTITIES, Additivity.NONE
ORDER = (SUM, ENTITIES, NONE)


@dataclass(frozen=True)
class Column:
    """What the docs say of a column."""

    data_type: str
    additivity: Additivity
    is_day: bool
    """Whether it is the date that tells the days of its table apart."""


@dataclass(frozen=True)
class Breach:
    """An aggregate over what does not add up."""

    aggregate: str
    additivity: Additivity

    def __str__(self) -> str:
        return f"{self.aggregate} sums what adds up thus: {self.additivity}"


Tables = Mapping[tuple[str, str], Mapping[str, Column]]
"""Columns by name, by schema and table."""


def documented_tables(manifest: Mapping[str, Any]) -> Tables:
    """The columns of every model and seed of dbt's manifest."""
    return {
        (node["schema"], node["alias"]): {
            column["name"]: Column(
                column["data_type"] or "text",
                Additivity(column["config"]["meta"].get("additivity", SUM)),
                _is_day(node, column["name"]),
            )
            for column in node["columns"].values()
        }
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "seed") and node["columns"]
    }


def _is_day(node: Mapping[str, Any], column: str) -> bool:
    key = [name for item in node.get("constraints", []) if item["type"] == "primary_key" for name in item["columns"]]
    is_date = node["columns"][column]["data_type"] == "date"
    return column == node["config"]["meta"].get("window_column") or (is_date and column in key)


def breaches(sql: str, tables: Tables) -> list[Breach]:
    """Aggregates in the query that sum what does not add up, or take the mean of ratios, each once."""
    found = {breach for scope in _scopes(sql, tables) for breach in _in_scope(scope, tables)}
    return sorted(found, key=lambda breach: breach.aggregate)


def outputs(sql: str, tables: Tables) -> dict[str, Additivity]:
    """Over what each column of the query's result may be summed, as far as its computation tells."""
    whole = _scopes(sql, tables)[-1]
    names = [projection.alias_or_name for projection in whole.expression.selects]
    return {
        name: max(
            (_additivity(definition, scope, tables) for definition, scope in _projections(whole, position)),
            key=ORDER.index,
        )
        for position, name in enumerate(names)
    }


def _scopes(sql: str, tables: Tables) -> list[Scope]:
    """The query and its subqueries, each after those that it reads, every column with its table."""
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for (layer, table), columns in tables.items():
        schema.setdefault(layer, {})[table] = {name: column.data_type for name, column in columns.items()}
    tree = parse_one(sql, dialect="postgres")
    for table in tree.find_all(exp.Table):
        table.set("catalog", None)
    tree = qualify(tree, schema=schema, dialect="postgres", validate_qualify_columns=False, quote_identifiers=False)
    return list(traverse_scope(tree))


def _in_scope(scope: Scope, tables: Tables) -> Iterator[Breach]:
    for aggregate in scope.find_all(exp.Sum, exp.Avg):
        additivity = _additivity(aggregate.this, scope, tables)
        if additivity is NONE or (
            additivity is ENTITIES and isinstance(aggregate, exp.Sum) and not _by_day(aggregate, scope, tables)
        ):
            yield Breach(aggregate.sql(dialect="postgres"), additivity)


def _by_day(aggregate: exp.Expression, scope: Scope, tables: Tables) -> bool:
    """Whether rows of different days fall into different groups."""
    holder = aggregate.parent
    if isinstance(holder, exp.Filter):
        holder = holder.parent
    if isinstance(holder, exp.Window):
        keys = holder.args.get("partition_by") or []
    else:
        group = scope.expression.args.get("group")
        keys = group.expressions if group else []
    return any(_is_the_day(key, scope, tables) for key in keys)


def _is_the_day(key: exp.Expression, scope: Scope, tables: Tables) -> bool:
    """Whether the key is a table's day, handed through unchanged."""
    if not isinstance(key, exp.Column):
        return False
    source = scope.sources.get(key.table)
    if isinstance(source, Scope):
        return all(_is_the_day(definition, inner, tables) for definition, inner in _definitions(source, key.name))
    return isinstance(source, exp.Table) and (found := _leaf(source, key.name, tables)) is not None and found.is_day


def _additivity(expression: exp.Expression, scope: Scope, tables: Tables) -> Additivity:
    """Over what an expression's values may be summed: the worst of what it is made of."""
    match expression:
        case exp.Column():
            return _column(expression, scope, tables)
        case exp.Count():
            return NONE if expression.find(exp.Distinct) else SUM
        case exp.Avg() | exp.Max() | exp.Min() | exp.PercentileCont() | exp.PercentileDisc():
            return NONE
        case exp.Div() if not isinstance(expression.expression.unnest(), exp.Literal):
            return NONE
        case exp.Case():
            results = [branch.args["true"] for branch in expression.args["ifs"]]
            parts = [*results, *([expression.args["default"]] if expression.args.get("default") else [])]
        case exp.Filter() | exp.Window() | exp.WithinGroup():
            parts = [expression.this]
        case _:
            parts = list(expression.iter_expressions())
    return max((_additivity(part, scope, tables) for part in parts), key=ORDER.index, default=SUM)


def _column(column: exp.Column, scope: Scope, tables: Tables) -> Additivity:
    source = scope.sources.get(column.table)
    if source is None and scope.parent is not None:
        return _column(column, scope.parent, tables)
    if isinstance(source, Scope):
        worst = [_additivity(definition, inner, tables) for definition, inner in _definitions(source, column.name)]
        return max(worst, key=ORDER.index, default=SUM)
    found = _leaf(source, column.name, tables) if isinstance(source, exp.Table) else None
    return found.additivity if found else SUM


def _leaf(table: exp.Table, column: str, tables: Tables) -> Column | None:
    return tables.get((table.db, table.name), {}).get(column)


def _definitions(source: Scope, name: str) -> Iterator[tuple[exp.Expression, Scope]]:
    """What a column of a subquery is, in each of the queries or rows that are united there."""
    inner = source.subquery_scopes[0] if isinstance(source.expression, exp.Lateral) else source
    if isinstance(inner.expression, exp.Values):
        position = source.expression.alias_column_names.index(name)
        yield from ((row.expressions[position], source) for row in inner.expression.expressions)
    else:
        position = [projection.alias_or_name for projection in inner.expression.selects].index(name)
        yield from _projections(inner, position)


def _projections(source: Scope, position: int) -> Iterator[tuple[exp.Expression, Scope]]:
    if source.set_operation_scopes:
        for part in source.set_operation_scopes:
            yield from _projections(part, position)
    else:
        yield source.expression.selects[position].unalias(), source
