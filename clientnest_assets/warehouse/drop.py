"""Drops what the platform made in the warehouse, by name: nobody else's table or view goes with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from clientnest_assets.contracts import WAREHOUSE_TABLES
from clientnest_assets.errors import ClientNestError
from clientnest_assets.warehouse.behind import BUILT_DAYS, SCHEMA, TABLE_DAYS
from clientnest_assets.warehouse.layers import BUILT

if TYPE_CHECKING:
    import psycopg

Relation = tuple[str, str]
"""Schema and name."""

LEFT_BY_KILLED_BUILDS = ("__dbt_tmp", "__dbt_backup")
LOCK_SECONDS = 60
PRESENT = """
    select pg_namespace.nspname, pg_class.relname, pg_class.relkind = 'v'
    from pg_class
    inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
    where pg_class.relkind in ('r', 'p', 'v', 'm', 'f') and pg_namespace.nspname = any(%s)
"""
DEPENDENTS = """
    select distinct schema_of.nspname, reader.relname
    from pg_class as made
    inner join pg_namespace as made_in on made.relnamespace = made_in.oid
    inner join (
        select pg_depend.refobjid as read, pg_rewrite.ev_class as reader
        from pg_depend
        inner join pg_rewrite on pg_depend.classid = 'pg_rewrite'::regclass and pg_depend.objid = pg_rewrite.oid
        where pg_depend.refclassid = 'pg_class'::regclass
        union all
        select confrelid, conrelid from pg_constraint where contype = 'f'
        union all
        select inhparent, inhrelid from pg_inherits
    ) as edges on made.oid = edges.read
    inner join pg_class as reader on edges.reader = reader.oid
    inner join pg_namespace as schema_of on reader.relnamespace = schema_of.oid
    where made_in.nspname || '.' || made.relname = any(%s) and reader.oid != made.oid
    order by 1, 2
"""


class DropError(ClientNestError):
    """The warehouse cannot be dropped: something that is not the platform's hangs on it, or somebody is using it."""


def made_by_us(manifest: Mapping[str, Any]) -> set[Relation]:
    """Every table and view that loads and the dbt project make, whether it is there or not."""
    raw = {(SCHEMA, contract.name) for contract in WAREHOUSE_TABLES} | {(SCHEMA, TABLE_DAYS), (SCHEMA, BUILT_DAYS)}
    return raw | {
        (node["schema"], node["alias"]) for node in manifest["nodes"].values() if node["resource_type"] in BUILT
    }


def present(url: str, made: set[Relation]) -> tuple[list[Relation], list[Relation]]:
    """What is in the warehouse's schemas, in order: what is ours, and what others made there."""
    import psycopg

    with psycopg.connect(url) as connection:
        found = _present(connection, made)
        rows = connection.execute(PRESENT, [_schemas(made)]).fetchall()
    return sorted(found), sorted({(schema, name) for schema, name, _ in rows} - found.keys())


def check_droppable(url: str, made: set[Relation]) -> None:
    """Raises an error that names what hangs on our relations without being ours.

    Raises:
        DropError: if something does.
    """
    import psycopg

    with psycopg.connect(url) as connection:
        _check(connection, _present(connection, made).keys())


def drop(url: str, made: set[Relation]) -> int:
    """Drops our relations, all or none, and returns how many there were.

    Raises:
        DropError: if something that is not ours hangs on them, or they are in use for a minute.
    """
    import psycopg
    from psycopg import sql

    with psycopg.connect(url) as connection:
        found = _present(connection, made)
        _check(connection, found.keys())
        connection.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'".encode())
        try:
            # Views first, all in one statement, so that the order among them does not matter.
            for kind, is_view in (("view", True), ("table", False)):
                names = [sql.Identifier(*relation) for relation, view in sorted(found.items()) if view is is_view]
                if names:
                    connection.execute(sql.SQL("drop {} {}").format(sql.SQL(kind), sql.SQL(", ").join(names)))
        except psycopg.errors.LockNotAvailable:
            raise DropError(
                f"somebody has used a table of the warehouse for over {LOCK_SECONDS} seconds, and nothing was dropped. "
                "End that query (see pg_stat_activity) and try again."
            ) from None
        except psycopg.errors.DependentObjectsStillExist as error:
            # What is neither a view nor a table, such as a function.
            raise DropError(
                f"something else depends on tables of the warehouse, and nothing was dropped: {error.diag.message_detail}"
            ) from None
    return len(found)


def _present(connection: psycopg.Connection[Any], made: set[Relation]) -> dict[Relation, bool]:
    """Our relations that are there, and whether each is a view."""
    wanted = made | {(schema, f"{name}{left}") for schema, name in made for left in LEFT_BY_KILLED_BUILDS}
    rows = connection.execute(PRESENT, [_schemas(made)]).fetchall()
    return {(schema, name): is_view for schema, name, is_view in rows if (schema, name) in wanted}


def _schemas(made: set[Relation]) -> list[str]:
    return sorted({schema for schema, _ in made})


def _check(connection: psycopg.Connection[Any], ours: Iterable[Relation]) -> None:
    own = set(ours)
    rows = connection.execute(DEPENDENTS, [sorted(f"{schema}.{name}" for schema, name in own)]).fetchall()
    foreign = [f"{schema}.{name}" for schema, name in rows if (schema, name) not in own]
    if foreign:
        raise DropError(
            f"these depend on tables of the warehouse and are not, or no longer, the platform's: {', '.join(foreign)}. "
            "Nothing was dropped. Keep their definitions, drop them, and try again."
        )
