"""Which days that dbt has built are behind the rows that were loaded since.

Arrival is kept apart from event time: a row that comes late, changes or goes is told by the business
days that it is about. Two tables of the raw schema hold that. Each load notes in `table_days` which
days it loaded and which it touched; each build of a windowed model notes in `built_days` the snapshot
of the database that it was made from (macro `remember_snapshot`). A built day is behind if its snapshot
does not see the transaction that touched a day it is made of: exact, whatever clocks say and whoever
commits first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

SCHEMA = "raw"
TABLE_DAYS, BUILT_DAYS = "table_days", "built_days"
TABLE_DAYS_COLUMNS = ("table_name", "day", "rows_loaded", "loaded_at", "touched_at", "touched_by")
BOOKKEEPING = f"""
create table if not exists {SCHEMA}.{TABLE_DAYS} (
  table_name text not null,
  day date not null,
  rows_loaded bigint,
  loaded_at timestamptz,
  touched_at timestamptz,
  touched_by xid8,
  primary key (table_name, day)
);
comment on table {SCHEMA}.{TABLE_DAYS} is 'One row per raw table and UTC day: what was loaded, and when a row about the day last came, changed or went.';
create table if not exists {SCHEMA}.{BUILT_DAYS} (
  model text not null,
  day date not null,
  snapshot pg_snapshot not null,
  primary key (model, day)
);
comment on table {SCHEMA}.{BUILT_DAYS} is 'One row per windowed model and UTC day: what the build of the day could see.';
"""


@dataclass(frozen=True)
class Inputs:
    """What a windowed model is made of."""

    tables: frozenset[str]
    """The raw tables upstream of it."""
    looks_back: bool
    """Whether a day is made of all days before it too."""


def days_behind(url: str, models: Mapping[str, Inputs]) -> dict[str, list[date]]:
    """The built days of each model that are behind what was loaded since, in order; models without one are left out."""
    import psycopg
    from psycopg import sql

    query = sql.SQL(
        """
        with built as (
            select day, snapshot from {built_days} where model = %(model)s
        ),

        touched as (
            select day, touched_by
            from {table_days}
            where
                table_name = any(%(tables)s)
                -- What every build has seen is not asked of each.
                and touched_by >= (select min(pg_snapshot_xmin(snapshot)::text::numeric)::text::xid8 from built)
        )

        select distinct built.day
        from built
        inner join touched
            on
                (built.day = touched.day or (%(looks_back)s and built.day > touched.day))
                and not pg_visible_in_snapshot(touched.touched_by, built.snapshot)
        order by built.day
        """
    ).format(built_days=sql.Identifier(SCHEMA, BUILT_DAYS), table_days=sql.Identifier(SCHEMA, TABLE_DAYS))
    found: dict[str, list[date]] = {}
    with psycopg.connect(url) as connection:
        if not connection.execute("select to_regclass(%s)", (f"{SCHEMA}.{BUILT_DAYS}",)).fetchone()[0]:  # type: ignore[index]
            return found
        for model, inputs in models.items():
            given = {"model": model, "tables": sorted(inputs.tables), "looks_back": inputs.looks_back}
            if days := [day for (day,) in connection.execute(query, given)]:
                found[model] = days
    return found


def forget_builds(url: str) -> None:
    """Forgets what was built: the tables are about to be dropped."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("truncate {}").format(sql.Identifier(SCHEMA, BUILT_DAYS)))
