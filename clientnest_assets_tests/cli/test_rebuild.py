"""`clientnest rebuild`: the warehouse anew from the lake alone, and what it leaves alone."""

import pytest

from clientnest_assets.cli import execute
from clientnest_assets.cli.rebuild import MARK, run_rebuild
from clientnest_assets.cli.session import Session
from clientnest_assets.contracts import APP_TABLES
from clientnest_assets.installation import Installation
from clientnest_assets.warehouse.drop import DropError

DIGEST = "select count(*), sum(hashtext(t::text)::bigint) from marts.daily_kpis as t"


@pytest.fixture
def company(small_company, tmp_path):
    return small_company.copy(tmp_path / "home")


def rebuild(company):
    session = Session(Installation(company.installation.settings))
    try:
        return run_rebuild(session, is_confirmed=True)
    finally:
        session.instance.dispose()


def test_what_other_people_made_blocks_if_it_depends_on_the_warehouse_and_nothing_is_dropped(company):
    company.warehouse(
        "create schema people; create view people.revenue as select day, mrr from marts.daily_kpis; "
        "create table people.notes (user_key text references dimensions.dim_user (user_key)); "
        "create view marts.best_days as select * from marts.daily_kpis where mrr > 0"
    )
    before = company.warehouse(DIGEST)

    with pytest.raises(DropError, match=r"marts\.best_days, people\.notes, people\.revenue\. Nothing was dropped"):
        rebuild(company)

    assert company.warehouse(DIGEST) == before
    assert company.plan() == []
    assert not (company.installation.home / MARK).exists()


def test_a_rebuild_killed_half_way_and_given_again_ends_in_the_same_warehouse_without_the_app(company, monkeypatch):
    before = company.state()
    company.warehouse("create table marts.budget as select 1 as amount")
    company.app("; ".join(f"drop table {contract.name} cascade" for contract in APP_TABLES))

    begun, real = [], execute._execute_one

    def killed_at_the_fourth(*given):
        begun.append(given)
        if len(begun) == 4:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(execute, "_execute_one", killed_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        rebuild(company)
    assert company.warehouse("select to_regclass('marts.daily_kpis')") == [(None,)]

    assert rebuild(company)

    assert company.warehouse("select amount from marts.budget") == [(1,)]
    company.warehouse("drop table marts.budget")
    assert company.state() == before
    # Features and effects are of the lake, and are older now than the facts and marts they are made of.
    assert {key.path[0] for run in company.plan() for key in run.assets} == {"experiments", "features", "online"}
    assert not (company.installation.home / MARK).exists()


def test_a_mark_left_over_after_a_backfill_built_the_rest_does_not_keep_the_next_rebuild_from_dropping(company):
    (company.installation.home / MARK).write_text(str(company.installation.calendar.today()))
    company.warehouse("create view marts.best_days as select * from marts.daily_kpis where mrr > 0")

    with pytest.raises(DropError, match=r"marts\.best_days"):
        rebuild(company)
