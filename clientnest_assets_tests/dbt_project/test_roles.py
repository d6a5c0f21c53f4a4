"""Who may read what: analysts and services the layers that answer, admins every layer, nobody else anything."""

import psycopg
import pytest

LAYERS = {
    "raw": "raw.auth_user",
    "reference": "reference.platforms",
    "staging": "staging.stg_app__user_sessions",
    "dimensions": "dimensions.dim_user",
    "facts": "facts.fact_users_daily",
    "marts": "marts.daily_kpis",
}
ANSWERS = {"dimensions", "facts", "marts"}


def readable(warehouse, role):
    """The layers that the role can read."""
    found = set()
    for layer, table in LAYERS.items():
        with psycopg.connect(warehouse.url) as connection:
            connection.execute(f"set role {role}")
            try:
                connection.execute(f"select * from {table} limit 1")
            except psycopg.errors.InsufficientPrivilege:
                continue
            found.add(layer)
    return found


@pytest.mark.parametrize(
    ("role", "layers"),
    [("analyst", ANSWERS), ("service", ANSWERS), ("admin", set(LAYERS))],
    ids=["analyst", "service", "admin"],
)
def test_a_role_reads_its_layers_and_no_other(warehouse, role, layers):
    assert readable(warehouse, role) == layers


def test_every_table_that_people_read_is_granted(warehouse):
    missing = warehouse.rows(
        """
        select table_schema, table_name
        from information_schema.tables
        where
            table_schema in ('dimensions', 'facts', 'marts')
            and not has_table_privilege('analyst', format('%I.%I', table_schema, table_name), 'select')
        """
    )
    assert missing == []


@pytest.mark.parametrize("statement", ["delete from marts.daily_kpis", "create table marts.mine (id int)"])
def test_an_analyst_changes_nothing(warehouse, statement):
    with psycopg.connect(warehouse.url) as connection:
        connection.execute("set role analyst")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
