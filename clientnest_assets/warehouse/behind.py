"""Which days that dbt has built are behind the rows that were loaded since.

Arrival is kept apart from event time: a row that comes late, changes or goes is told by the business
days that it is about. Two tables of the raw schema hold that. Each load notes in `table_days` which
days it loaded and which it touched; whoever builds a windowed model notes in `built_days` a snapshot of
the database from before the build, once its tests have passed. A built day is behind if its snapshot
does not see the transaction that touched a day it is made of, whatever clocks say and whoever commits
first. A build that was killed or failed a test is not noted: its days stay as far behind as they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from clientnest_assets.partitions import Window

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
comment on table {SCHEMA}.{BUILT_DAYS} is 'One row per windowed model and UTC day: what the build of the day could see at least.';
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
            select
                day,
                snapshot,
                -- The warehouse was restored into a younger cluster, which counts anew.
                pg_snapshot_xmax(snapshot) > pg_snapshot_xmax(pg_current_snapshot()) as is_of_another_cluster
            from {built_days}
            where model = %(model)s
        ),

        touched as (
            select day, touched_by
            from {table_days}
            where
                table_name = any(%(tables)s)
                -- What every build has seen is not asked of each.
                and touched_by >= (select min(pg_snapshot_xmin(snapshot)::text::numeric)::text::xid8 from built)
        )

        select day
        from built
        where
            is_of_another_cluster
            or exists (
                select from touched
                where
                    (touched.day = built.day or (%(looks_back)s and touched.day < built.day))
                    and not pg_visible_in_snapshot(touched.touched_by, built.snapshot)
            )
        order by day
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


def current_snapshot(url: str) -> str:
    """What the database's transactions see now, for `note_builds`: whatever is read later sees that at least."""
    import psycopg

    with psycopg.connect(url) as connection:
        ((snapshot,),) = connection.execute("select pg_current_snapshot()::text").fetchall()
    return str(snapshot)


def note_builds(url: str, models: Iterable[str], window: Window, snapshot: str) -> None:
    """Writes down that these windowed models were built for the window, and are sound.

    Args:
        url: the warehouse.
        models: their names.
        window: the days.
        snapshot: `current_snapshot` from before the build.
    """
    import psycopg
    from psycopg import sql

    statement = sql.SQL(
        """
        insert into {} (model, day, snapshot)
        select model, day, %s::pg_snapshot
        from unnest(%s::text[]) as built (model) cross join unnest(%s::date[]) as spine (day)
        order by model, day
        on conflict (model, day) do update set snapshot = excluded.snapshot
        """
    ).format(sql.Identifier(SCHEMA, BUILT_DAYS))
    with psycopg.connect(url) as connection:
        connection.execute(statement, (snapshot, sorted(models), window.days()))
