"""Views are replaced in place: what depends on them stays."""

from dataclasses import replace

PEOPLES_VIEW = "create view public.tablets as select * from staging.stg_app__user_sessions where device = 'tablet'"
IS_THERE = "select to_regclass('{}') is not null as is_there"


def test_building_a_view_again_leaves_the_views_that_depend_on_it(warehouse, databases):
    copy = replace(warehouse, url=databases.create(warehouse.url))
    copy.execute(PEOPLES_VIEW)
    intermediate = copy.rows("select viewname from pg_views where schemaname = 'intermediate' order by 1")
    assert intermediate

    copy.build("--select", "path:models/staging", "--exclude-resource-type", "unit_test", "test")

    assert copy.rows("select viewname from pg_views where schemaname = 'intermediate' order by 1") == intermediate
    assert copy.row(IS_THERE.format("public.tablets"))["is_there"]


def test_a_view_whose_columns_changed_is_made_anew(warehouse, databases):
    copy = replace(warehouse, url=databases.create(warehouse.url))
    copy.execute("drop view staging.stg_app__user_sessions cascade")
    copy.execute("create view staging.stg_app__user_sessions as select 1 as one, 2 as two")

    copy.build("--select", "stg_app__user_sessions", "--exclude-resource-type", "unit_test")

    columns = copy.rows("select * from staging.stg_app__user_sessions limit 1")[0].keys()
    assert "session_id" in columns
    assert "one" not in columns
