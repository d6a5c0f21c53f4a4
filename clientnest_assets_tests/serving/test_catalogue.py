"""The feature catalogue as people see it: every view and feature with its meaning, and how each is now."""

import html
import re
import time
from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

import pytest

from clientnest_assets.features.online.postgres import PostgresStore
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.sets import SETS
from clientnest_assets.partitions import Calendar
from clientnest_assets.serving.catalogue import ANOTHER_DEFINITION, Catalogue
from clientnest_assets.serving.plots import HEIGHT, WIDTH, Bar, bars, line
from clientnest_assets.serving.words import duration, number, p_value, share
from clientnest_assets_tests.serving.feature_world import ACTIVITY, LAST, USERS, WINDOW


def test_every_view_and_feature_is_listed_with_its_meaning_before_anything_is_stored(empty):
    page = html.unescape(empty.page("/features"))
    for view in VIEWS.values():
        assert f'href="/features/{view.name}"' in page
        for feature in view.features:
            assert f'href="/features/{view.name}#{feature.name}"' in page
            assert feature.description in page
    assert "clientnest demo" in page


@pytest.mark.parametrize("name", VIEWS)
def test_a_views_page_tells_its_declaration_before_anything_is_stored(empty, name):
    page, view = html.unescape(empty.page(f"/features/{name}")), VIEWS[name]
    assert view.description in page
    assert "Nothing is stored of this view yet" in page
    for feature in view.features:
        assert f'id="{feature.name}"' in page
        assert feature.description in page
        assert feature.unit is None or feature.unit in page
        for value in feature.values or ():
            assert value in page
    for upstream in view.upstream:
        assert f"/assets/{upstream.layer}/{upstream.table}" in page


def test_every_set_is_shown_with_its_features(empty):
    page = html.unescape(empty.page("/features/sets"))
    for each in SETS.values():
        assert f">{each.full_name}</h2>" in page
        assert each.description in page
        for view, features in each.features.items():
            assert all(f'href="/features/{view}#{feature}"' in page for feature in features)


def test_the_front_page_leads_to_the_catalogue_the_models_the_docs_and_dagster(empty):
    page = empty.page("/")
    assert re.findall(r'class="card" href="([^"]+)"', page) == [
        "/features", "/models", "/dbt", "http://127.0.0.1:3000", "/api/v1/docs",
    ]  # fmt: skip


def test_nothing_on_a_page_comes_from_elsewhere(stored):
    for path in ("/", "/features", "/features/activity", "/features/sets"):
        assert not re.findall(r'(?:src|<link[^>]*href)="(?!data:)', stored.page(path))


def test_a_views_page_tells_how_it_is_now(stored):
    page = stored.page("/features/activity")
    assert "fresh</span>: 2026-04-20 00:00 UTC, 0 seconds old" in page
    assert f"{51 * USERS:,} rows on 51 days; on {LAST} {USERS} rows of {USERS} entities" in page
    assert f"{USERS} entities, as of 2026-04-20 00:00 UTC, published " in page
    assert "features.activity_v1" in page


def section(page, feature):
    return re.search(rf'<section class="feature" id="{feature}">.*?</section>', page, re.DOTALL)[0]


def test_each_feature_has_a_plot_of_its_distribution_and_its_days(stored):
    page = stored.page("/features/activity")
    assert 'aria-label="Distribution of sessions' in section(page, "sessions")
    assert section(page, "sessions").count('<rect class="bar"') >= 7
    assert section(page, "sessions").count('class="trace"') == 3
    assert "90 %" in section(page, "tier")
    assert "10 %" in section(page, "tier")


def test_a_shift_is_shown_with_how_much_and_since_when(stored):
    assert "drifted since 2026-04-" in section(stored.page("/features/activity"), "sessions")
    assert "or more</span>" in section(stored.page("/features/activity"), "sessions")
    assert "or less" not in section(stored.page("/features/activity"), "sessions")
    assert stored.page("/features").count('<span class="quiet">not judged</span>') == 2
    assert "no drift; PSI 0" in section(stored.page("/features/activity"), "ratio")
    assert re.search(r'data-of="activity" data-text="sessions .*?drifted since', stored.page("/features"), re.DOTALL)


def test_broken_bounds_are_shown(stored):
    assert "20 % are null, at most 10 % may be" in section(stored.page("/features/activity"), "ratio")
    assert re.search(r"checks</dt><dd><span class=\"bad\">ratio</span>", stored.page("/features"))


def test_who_reads_a_feature_is_shown(stored):
    page = stored.page("/features/activity")
    assert 'href="/features/sets#churn-lean">churn/lean</a>' in section(page, "tier")
    assert "no feature set" in section(page, "ratio")


def test_models_stand_beside_the_set_that_they_were_trained_on(stored):
    found = Catalogue(stored.installation)
    assert [model.asset for model in found.sets()[0].models] == ["models/churn_lean"]
    assert found.models()[0].week.isoformat() == "2026-04-13"
    assert found.view("activity").downstream == ["online/activity", "models/churn_lean"]
    assert {each.name: each.models for each in found.view("activity").features} == {
        "sessions": ["churn_lean"], "ratio": [], "tier": ["churn_lean"],
    }  # fmt: skip
    row = re.search(r'<tr><td><a href="/models/churn_lean">.*?</tr>', stored.page("/features/sets"), re.DOTALL)[0]
    assert re.sub(r"<[^>]+>", " ", row).split() == ["churn_lean", "churn/lean", "2026-04-13", "1,234", "0.25"]


def test_text_from_data_and_declarations_stays_text(stored):
    for path in ("/features", "/features/activity", "/features/sets", "/features/%3Cscript%3E"):
        page = stored.page(path)
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "<b>" not in page
        assert "<i>" not in page
        assert "<script>\n" in page or "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in section(stored.page("/features/activity"), "tier")


def test_an_unknown_view_is_not_found_and_the_page_names_those_there_are(stored):
    answer = stored.client.get("/features/nope")
    assert answer.status_code == 404
    assert 'href="/features/activity"' in answer.text


def test_links_lead_to_where_dagster_is_said_to_be(stored):
    link = "/assets/features/activity"
    assert f'"http://127.0.0.1:3000{link}"' in stored.page("/features/activity")


def test_a_newest_row_older_than_the_ttl_is_stale(stored):
    edge = WINDOW.end_at + ACTIVITY.ttl
    for now, status in ((edge, "PRESENT"), (edge + timedelta(seconds=1), "STALE")):
        with patch.object(Calendar, "now", lambda _self, now=now: now):
            found = Catalogue(stored.installation).view("activity")
        assert (found.status, found.age_seconds) == (status, (now - WINDOW.end_at).total_seconds())


def test_what_was_gathered_is_shown_again_for_a_while(stored):
    found = Catalogue(stored.installation)
    first = found.view("activity")
    assert found.view("activity") is first
    with patch.object(time, "monotonic", lambda: float("inf")):
        assert found.view("activity") is not first


def test_an_online_store_that_does_not_answer_is_told_and_hides_nothing_else(stored):
    nowhere = PostgresStore("postgresql://127.0.0.1:1/nowhere")
    with patch.object(stored.installation, "online_store", nowhere):
        found = Catalogue(stored.installation).view("activity")
    assert found.online is None
    assert found.stored.newest_day == LAST
    assert len(found.problems) == 1


def test_rows_of_another_definition_are_told(stored):
    with patch.dict(VIEWS, {"activity": replace(ACTIVITY, ttl=None)}):
        found = Catalogue(stored.installation).view("activity")
    assert found.problems == [ANOTHER_DEFINITION]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (90_000, "25 hours"),
        (259_200, "3 days"),
    ],
)
def test_spans_of_time_are_told_in_a_unit_of_which_there_are_two(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0, "0"), (1234567, "1,234,567"), (12345.678, "12,346"), (0.123456, "0.1235"), (-3.0, "-3")],
)
def test_numbers_are_told_as_people_read_them(value, text):
    assert number(value) == text


def test_a_small_share_never_looks_like_none():
    assert [share(value) for value in (None, 0.0, 0.0004, 0.25, 1.0)] == ["-", "0 %", "under 0.1 %", "25 %", "100 %"]
    assert [p_value(value) for value in (0.0001, 0.034)] == ["p < 0.001", "p = 0.034"]


def test_bars_are_as_high_as_their_share_and_the_reference_is_to_the_same_scale():
    assert bars([1, 3], [4, 0]) == [
        Bar(0.5, WIDTH / 2 - 1, HEIGHT / 4, HEIGHT),
        Bar(WIDTH / 2 + 0.5, WIDTH / 2 - 1, HEIGHT * 3 / 4, 0.0),
    ]
    assert bars([0, 0], None) == [Bar(0.5, WIDTH / 2 - 1, 0.0, None), Bar(WIDTH / 2 + 0.5, WIDTH / 2 - 1, 0.0, None)]


def test_a_line_is_broken_where_a_day_is_unknown():
    drawn = line([1.0, None, 3.0, 2.0])
    assert drawn.stretches == ["0.0,80.0", f"{WIDTH * 2 / 3:.1f},0.0 {WIDTH:.1f},40.0"]
    assert (drawn.low, drawn.high) == (1.0, 3.0)
    assert line([None]) is None
    assert line([0.5, 1.0], from_zero=True).low == 0.0
