"""Which columns upstream each column of a model is made of, read out of the model's query."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlglot import MappingSchema

DIALECT = "postgres"


class ColumnLineage:
    """The lineage of the models of one manifest. A model's is the same for every window: it is found once."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        nodes = [*manifest["nodes"].values(), *manifest["sources"].values()]
        self._relations = {
            (node["schema"], node.get("identifier") or node["alias"]): node
            for node in nodes
            if node["resource_type"] in ("model", "seed", "source")
        }
        self._found: dict[str, dict[str, list[tuple[str, str]]]] = {}

    def of(self, unique_id: str, sql: str) -> dict[str, list[tuple[str, str]]]:
        """By column of the model the columns it is made of, each as the unique id of its model, seed or source, and its name.

        A column that no other goes into, such as a constant or a count of rows, has an empty list.

        Args:
            unique_id: the model.
            sql: its query as dbt compiled it.

        Raises:
            sqlglot.errors.SqlglotError: if the query is beyond the parser.
        """
        if unique_id not in self._found:
            self._found[unique_id] = self._read(sql)
        return self._found[unique_id]

    def _read(self, sql: str) -> dict[str, list[tuple[str, str]]]:
        from sqlglot import exp, parse_one
        from sqlglot.lineage import lineage
        from sqlglot.optimizer.qualify import qualify
        from sqlglot.optimizer.scope import build_scope

        schema = self._schema
        query: Any = qualify(
            parse_one(sql, dialect=DIALECT), dialect=DIALECT, schema=schema, validate_qualify_columns=False
        )
        scope = build_scope(query)
        found: dict[str, list[tuple[str, str]]] = {}
        for column in query.named_selects:
            sources = set()
            for node in lineage(column, query, schema=schema, scope=scope, dialect=DIALECT, copy=False).walk():
                table = node.expression
                if node.downstream or not isinstance(table, exp.Table):
                    continue
                relation = self._relations.get((table.db, table.name))
                name = node.name.rpartition(".")[2].strip('"')
                if relation and name != "*":
                    sources.add((relation["unique_id"], name))
            found[column] = sorted(sources)
        return found

    @cached_property
    def _schema(self) -> MappingSchema:
        from sqlglot import MappingSchema

        columns: dict[str, Any] = {}
        for (schema, name), node in self._relations.items():
            # A relation of which no column is described could not be looked up.
            if node["columns"]:
                columns.setdefault(schema, {})[name] = {
                    column: described.get("data_type") or "text" for column, described in node["columns"].items()
                }
        return MappingSchema(columns, dialect=DIALECT)
