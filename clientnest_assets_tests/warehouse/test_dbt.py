import pytest

from clientnest_assets.warehouse.dbt import connection_environment, prepared_manifest


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://user:p%40ss@db.example.com:6543/ware", ("db.example.com", "6543", "user", "p@ss", "ware")),
        ("postgresql://user@db.example.com/ware", ("db.example.com", "5432", "user", "", "ware")),
        ("postgresql://user:x@/ware?host=/run/postgres", ("/run/postgres", "5432", "user", "x", "ware")),
    ],
)
def test_dbt_connects_where_the_address_says(url, expected):
    environment = connection_environment(url)

    names = [f"CLIENTNEST_DBT_{part}" for part in ("HOST", "PORT", "USER", "PASSWORD", "DATABASE")]
    assert tuple(environment[name] for name in names) == expected


def test_a_command_leaves_nothing_that_slows_the_next_one_down(tmp_path):
    from dbt.adapters.base.impl import DEFAULT_BASE_BEHAVIOR_FLAGS

    counts = []
    for name in ("one", "two"):
        prepared_manifest(tmp_path / name)
        counts.append(len(DEFAULT_BASE_BEHAVIOR_FLAGS))

    assert counts[0] == counts[1]
