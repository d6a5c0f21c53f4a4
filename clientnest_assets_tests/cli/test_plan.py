"""Which partitions a backfill makes, in which order, on small graphs and an instance in memory."""

from datetime import date, timedelta

import dagster as dg
import pytest

from clientnest_assets.cli.plan import Only, Planner
from clientnest_assets.defs.partitions import (
    CHUNKED,
    LOOKS_AHEAD,
    LOOKS_BACK,
    VERSIONED,
    Partitions,
    data_version,
    looking_back,
)
from clientnest_assets.partitions import Calendar, Window

FIRST = date(2025, 1, 6)
CALENDAR = Calendar(FIRST, FIRST + timedelta(days=69))
PARTITIONS = Partitions.of(CALENDAR)


def day(number):
    return str(FIRST + timedelta(days=number))


def days(first, last):
    return [day(number) for number in range(first, last + 1)]


def window(first, last):
    return Window.of_days(FIRST + timedelta(days=first), FIRST + timedelta(days=last))


def asset(name, *deps, daily=True, weekly=False, **options):
    """An asset of a group of its own that fails while the run is tagged to."""
    partitions_def = PARTITIONS.weekly if weekly else PARTITIONS.daily if daily else None

    @dg.asset(
        key=["layer", name],
        deps=list(deps),
        partitions_def=partitions_def,
        backfill_policy=CHUNKED if daily else None,
        **options,
    )
    def made(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        if context.run.tags.get("fail") == name:
            raise dg.Failure("as asked")
        return dg.MaterializeResult(data_version=data_version(options.get("code_version", ""), 1))

    return made


def key(name):
    return dg.AssetKey(["layer", name])


class Company:
    """A graph, an instance, and a planner that has read both."""

    def __init__(self, *assets):
        self.definitions = dg.Definitions(assets=assets, executor=dg.in_process_executor)
        self.instance = dg.DagsterInstance.ephemeral()

    def planner(self, behind=dict):
        return Planner(self.definitions.resolve_asset_graph(), self.instance, CALENDAR, behind)

    def plan(self, over, only="missing", *names):
        planner = self.planner()
        selected = {key(name) for name in names} or planner.default_selection()
        return planner.plan(selected, over, Only(only))

    def run(self, planned, **tags):
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=list(planned.assets),
            tags={**planned.tags, **tags},
            raise_on_error=False,
        )

    def backfill(self, over, only="missing", *names):
        for planned in self.plan(over, only, *names):
            assert self.run(planned).success


def told(runs):
    """Each run as its assets' names and its first and last partition."""
    return [("+".join(each.path[-1] for each in run.assets), *run.keys[:1], *run.keys[-1:]) for run in runs]


@pytest.fixture
def warehouse():
    """Raw and loaded by day; a view over all days; a restated fact and a history by day; a mart."""
    return Company(
        asset("raw"),
        asset("loaded", key("raw")),
        asset("view", key("loaded"), daily=False),
        asset("fact", key("view"), tags={LOOKS_AHEAD: "3", LOOKS_BACK: ""}),
        asset("feature", dg.AssetDep(key("fact"), partition_mapping=looking_back(3)), tags={LOOKS_BACK: ""}),
        asset("mart", key("fact"), daily=False),
        asset("model", key("feature"), weekly=True),
        asset("score", key("model"), key("raw")),
    )


def test_stages_follow_each_other_in_chunks_of_31_days(warehouse):
    assert told(warehouse.plan(window(0, 69))) == [
        *(("raw+loaded", day(first), day(last)) for first, last in ((0, 30), (31, 61), (62, 69))),
        ("view",),
        *(("fact", day(first), day(last)) for first, last in ((0, 30), (31, 61), (62, 69))),
        *(("feature", day(first), day(last)) for first, last in ((0, 30), (31, 61), (62, 69))),
        ("mart",),
    ]


def test_weekly_assets_and_what_hangs_on_them_are_made_when_they_are_asked_for(warehouse):
    assert {each.path[-1] for each in warehouse.planner().default_selection()}.isdisjoint({"model", "score"})

    runs = warehouse.plan(window(0, 15), "missing", "model")
    # A week belongs to the days in which it ended, and is a run of its own.
    assert told(runs) == [("model", day(0), day(0)), ("model", day(7), day(7))]


def test_days_are_made_again_when_a_week_that_was_over_before_them_is(warehouse):
    warehouse.backfill(window(0, 22), "missing", "model", "score")
    assert warehouse.plan(window(0, 22), "missing", "model", "score") == []

    (second,) = [run for run in warehouse.plan(window(0, 22), "all", "model") if run.keys == (day(7),)]
    assert warehouse.run(second).success
    assert told(warehouse.plan(window(0, 22), "missing", "model", "score")) == [("score", day(14), day(22))]

    # Within one plan too: the days after the week that is planned, and none before.
    assert told(warehouse.plan(window(7, 22), "all", "model", "score"))[-1] == ("score", day(7), day(22))
    warehouse.backfill(window(0, 22), "missing", "score")
    (third,) = [run for run in warehouse.plan(window(0, 22), "all", "model") if run.keys == (day(14),)]
    assert warehouse.run(third).success
    assert told(warehouse.plan(window(0, 22), "missing", "model", "score")) == [("score", day(21), day(22))]


def test_after_a_backfill_nothing_is_missing(warehouse):
    warehouse.backfill(window(0, 5))

    assert warehouse.plan(window(0, 5)) == []
    assert warehouse.planner().missing(warehouse.planner().default_selection(), window(0, 5)) == {}


def test_a_backfill_that_stopped_half_way_goes_on_where_it_stopped(warehouse):
    first, *_ = warehouse.plan(window(0, 40))
    assert warehouse.run(first).success

    assert told(warehouse.plan(window(0, 40)))[0] == ("raw+loaded", day(31), day(40))
    missing = warehouse.planner().missing({key("raw"), key("view")}, window(0, 40))
    assert missing == {key("raw"): days(31, 40), key("view"): ["(not partitioned)"]}


def test_runs_have_no_holes(warehouse):
    warehouse.backfill(window(3, 4), "all", "raw", "loaded")
    warehouse.backfill(window(8, 8), "all", "raw")

    assert told(warehouse.plan(window(0, 9), "missing", "raw", "loaded")) == [
        ("raw+loaded", day(0), day(2)),
        # Day 8 of raw is there: making it again costs less than one more run.
        ("raw+loaded", day(5), day(9)),
    ]


def test_restated_facts_and_what_is_made_of_them_are_planned_again_when_later_days_come(warehouse):
    warehouse.backfill(window(0, 9))

    assert told(warehouse.plan(window(10, 10))) == [
        ("raw+loaded", day(10), day(10)),
        ("view",),
        ("fact", day(7), day(10)),
        ("feature", day(7), day(10)),
        ("mart",),
    ]
    warehouse.backfill(window(10, 10))
    assert warehouse.plan(window(0, 10)) == []


def test_days_before_the_window_are_never_made_for_the_first_time(warehouse):
    runs = warehouse.plan(window(10, 12))

    assert ("fact", day(10), day(12)) in told(runs)
    warehouse.backfill(window(10, 12))
    assert warehouse.planner().missing(warehouse.planner().default_selection(), window(10, 12)) == {}


def test_earlier_days_that_come_later_make_the_days_after_them_anew(warehouse):
    warehouse.backfill(window(10, 12))

    assert told(warehouse.plan(window(5, 12))) == [
        ("raw+loaded", day(5), day(9)),
        ("view",),
        ("fact", day(5), day(12)),
        ("feature", day(5), day(12)),
        ("mart",),
    ]


def test_a_day_landed_again_takes_along_what_is_made_of_it_and_no_other(warehouse):
    warehouse.backfill(window(0, 9))
    warehouse.backfill(window(4, 4), "all", "raw")

    assert told(warehouse.plan(window(0, 9), "missing", "raw", "loaded")) == [("loaded", day(4), day(4))]


def test_all_makes_every_partition_of_the_window_once(warehouse):
    warehouse.backfill(window(0, 9))

    assert told(warehouse.plan(window(2, 4), "all")) == [
        ("raw+loaded", day(2), day(4)),
        ("view",),
        # Days before the window are made of days in it.
        ("fact", day(0), day(4)),
        ("feature", day(0), day(4)),
        ("mart",),
    ]
    everything = [
        (each, name) for run in warehouse.plan(window(0, 9), "all") for each in run.assets for name in run.keys or [""]
    ]
    assert len(everything) == len(set(everything)) == 4 * 10 + 2


def test_failed_makes_what_failed_and_what_hangs_on_it_and_nothing_else(warehouse):
    (planned,) = warehouse.plan(window(0, 3), "missing", "raw", "loaded")
    assert warehouse.run(planned).success
    (again,) = warehouse.plan(window(2, 3), "all", "raw", "loaded")
    assert not warehouse.run(again, fail="loaded").success

    # Days 4 to 9 were never tried. The fact is restated for 3 days: it waits with those, and reads no day alone.
    assert told(warehouse.plan(window(0, 9), "failed")) == [
        ("loaded", day(2), day(3)),
        ("view",),
        ("fact", day(0), day(3)),
        ("feature", day(0), day(3)),
        ("mart",),
    ]
    warehouse.backfill(window(0, 9), "failed")
    assert warehouse.plan(window(0, 9), "failed") == []


def test_failed_without_partitions_takes_along_the_days_that_waited_for_it(warehouse):
    warehouse.backfill(window(0, 2))
    warehouse.backfill(window(3, 4), "missing", "raw", "loaded")
    (view,) = warehouse.plan(window(3, 4), "missing", "view")
    assert not warehouse.run(view, fail="view").success

    assert told(warehouse.plan(window(0, 9), "failed")) == [
        ("view",),
        # Made of days up to three later, and of those before.
        ("fact", day(0), day(4)),
        ("feature", day(0), day(4)),
        ("mart",),
    ]


def test_days_that_late_rows_put_behind_are_made_again_wherever_they_are(warehouse):
    warehouse.backfill(window(0, 40))
    behind = {key("fact"): [FIRST + timedelta(days=number) for number in (2, 3, 39, 60)]}
    planner = warehouse.planner(lambda: behind)

    runs = planner.plan(planner.default_selection(), window(39, 40), Only.MISSING)

    # Day 60 was never made. What is made of the days goes with them, day by day.
    assert told(runs) == [
        ("fact", day(2), day(3)),
        ("fact", day(39), day(39)),
        ("feature", day(2), day(3)),
        ("feature", day(39), day(40)),
        ("mart",),
    ]


def test_a_plan_after_loads_asks_again_what_is_behind_and_does_not_load_twice(warehouse):
    warehouse.backfill(window(0, 9))
    behind = {}
    planner = warehouse.planner(lambda: behind)
    selected = planner.default_selection()
    first, *_ = planner.plan(selected, window(10, 10), Only.MISSING)
    assert warehouse.run(first).success

    behind[key("fact")] = [FIRST + timedelta(days=1)]
    planner.forget()
    assert told(planner.plan(selected, window(10, 10), Only.MISSING, after=[first])) == [
        ("view",),
        ("fact", day(1), day(1)),
        ("fact", day(7), day(10)),
        ("feature", day(1), day(1)),
        ("feature", day(7), day(10)),
        ("mart",),
    ]


def test_what_comes_before_the_last_load_is_done_before_the_rest_is_planned_anew():
    company = Company(
        asset("a_seed", daily=False, group_name="reference"),
        asset("load", group_name="warehouse"),
        asset("fact", key("load"), key("a_seed"), group_name="facts"),
    )
    planner = company.planner()

    runs = planner.plan(planner.default_selection(), window(0, 40), Only.MISSING)

    assert [name for name, *_ in told(runs)] == ["a_seed", "load", "load", "fact", "fact"]
    assert planner.loading(runs) == runs[:3]
    assert planner.loading(runs[3:]) == []


def test_assets_of_one_step_wait_for_the_latest_of_them_and_the_rest_for_them():
    """As facts do, of which one restates: what only the other is needed for still comes after both."""

    @dg.multi_asset(
        specs=[
            dg.AssetSpec(key("early"), deps=[key("raw")]),
            dg.AssetSpec(key("late"), deps=[key("view")]),
        ],
        partitions_def=PARTITIONS.daily,
        backfill_policy=CHUNKED,
    )
    def facts():
        yield dg.MaterializeResult(key("early"))
        yield dg.MaterializeResult(key("late"))

    company = Company(
        asset("raw"),
        asset("view", key("raw"), daily=False),
        facts,
        asset("after", key("early")),
        asset("mart", key("early"), daily=False),
    )

    order = [name for name, *_ in told(company.plan(window(0, 2)))]
    assert order == ["raw", "view", "early+after+late", "mart"]


def test_a_window_outside_the_calendar_has_no_partitions(warehouse):
    assert warehouse.plan(window(70, 75), "missing", "raw") == []


def test_runs_tell_dagster_which_partitions_they_are_about(warehouse):
    one, several, none = (
        warehouse.plan(window(3, 3), "missing", "raw")[0],
        warehouse.plan(window(3, 5), "missing", "raw", "loaded")[0],
        warehouse.plan(window(3, 3), "missing", "mart")[0],
    )

    assert one.tags == {"dagster/partition": day(3)}
    assert several.tags == {
        "dagster/asset_partition_range_start": day(3),
        "dagster/asset_partition_range_end": day(5),
    }
    assert none.tags == {}
    assert (one.materialisations, several.materialisations, none.materialisations) == (1, 6, 1)
    assert str(several) == f"layer {day(3)} to {day(5)}"


def test_a_day_that_looks_back_is_behind_for_as_many_days_as_it_looks_back():
    company = Company(asset("fact"), asset("feature", key("fact"), tags={LOOKS_BACK: "2"}))
    company.backfill(window(0, 9))
    company.backfill(window(4, 4), "all", "fact")

    # The fact of day 4 is part of the days 4, 5 and 6.
    assert told(company.plan(window(0, 9))) == [("feature", day(4), day(6))]


def test_days_that_another_version_made_count_as_missing():
    def company_of(version, instance):
        company = Company(
            asset("fact"), asset("feature", key("fact"), tags={VERSIONED: ""}, code_version=version), asset("mart")
        )
        company.instance = instance
        return company

    instance = dg.DagsterInstance.ephemeral()
    first, second = company_of("1-a", instance), company_of("2-b", instance)
    first.backfill(window(0, 9))
    assert told(second.plan(window(0, 9))) == [("feature", day(0), day(9))]

    # Stopped half-way, it goes on with the rest.
    second.backfill(window(0, 3), "missing", "feature")
    assert told(second.plan(window(0, 9))) == [("feature", day(4), day(9))]
    assert told(first.plan(window(0, 9))) == [("feature", day(0), day(3))]
