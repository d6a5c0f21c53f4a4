"""The running product in a real browser: the lineage page, an asset's page, the dbt docs site, the feature catalogue.

Left out, and said so, where there is no Chromium; CI installs it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from clientnest_assets.features.sets import STANDARD
from clientnest_assets.lake import Lake
from clientnest_assets.lake.files import write_files
from clientnest_assets.models import store, study
from clientnest_assets.models.engagement.declaration import ENGAGEMENT
from clientnest_assets.models.model import Training
from clientnest_assets.models.page import model_page
from clientnest_assets.models.promotion import Decision, keep_decision
from clientnest_assets.models.study import Search, study_folder
from clientnest_assets.models.tuning import tune
from clientnest_assets.models.tuning_page import tuning_page
from clientnest_assets_tests.models.conftest import LEAN, UNTIL, make_world, train

WEEK = date(2026, 4, 6)
"""One that is over in the small company."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
READY_SECONDS = 120
GROUPS = ("raw", "warehouse", "staging", "dimensions", "facts", "marts", "features", "models", "predictions", "docs")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: install Debian's chromium")


@dataclass(frozen=True)
class Product:
    """The addresses of a running `clientnest up`."""

    ui: str
    web: str


@pytest.fixture(scope="module")
def product(small_company: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """`clientnest up` on the small company with a model, in the environment of a production machine, schedules off."""
    company = small_company.copy(tmp_path_factory.mktemp("product") / "home")
    _keep_a_model(company.installation.lake)
    ui, web = _free_port(), _free_port()
    settings = company.installation.settings
    environment = {
        "CLIENTNEST_ENVIRONMENT": "production",
        "CLIENTNEST_HOME": str(settings.home),
        "CLIENTNEST_APP_DATABASE_URL": settings.app_database_url,
        "CLIENTNEST_WAREHOUSE_URL": settings.warehouse_url,
        "CLIENTNEST_DAGSTER_DATABASE_URL": settings.dagster_database_url,
        "CLIENTNEST_LAKE_URL": company.installation.lake.root,
        "CLIENTNEST_PSEUDONYM_KEY": "a key of the tests, long enough for it",
        "CLIENTNEST_FIRST_DAY": str(company.installation.calendar.first_day),
        "CLIENTNEST_SCHEDULES": "false",
    }
    process = subprocess.Popen(
        [Path(sys.executable).parent / "clientnest", "up", "--ui-port", str(ui), "--web-port", str(web)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{ui}/server_info", f"http://127.0.0.1:{web}/")
        yield Product(f"http://127.0.0.1:{ui}", f"http://127.0.0.1:{web}")
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1680, "height": 1000})
    yield opened
    opened.close()


def test_the_lineage_page_shows_every_layer_as_one_graph(product: Product, page: Any, tmp_path: Path) -> None:
    page.goto(f"{product.ui}/asset-groups")
    for group in GROUPS:
        page.get_by_text(group, exact=True).first.wait_for(timeout=60_000)
    page.screenshot(path=tmp_path / "lineage.png")
    assert (tmp_path / "lineage.png").stat().st_size > 10_000


def test_a_prediction_leads_back_to_the_raw_posts(product: Product, page: Any) -> None:
    page.goto(f"{product.ui}/assets/predictions/engagement?view=lineage&lineageScope=upstream&lineageDepth=10")
    # Long names are cut short on the page.
    for asset in ("social_posts", "fact_posts", "dim_post", "user_enga"):
        page.get_by_text(asset).first.wait_for(timeout=60_000)


def test_an_asset_page_tells_rows_checks_columns_and_owner(product: Product, page: Any) -> None:
    page.goto(f"{product.ui}/assets/raw/post_metrics")
    page.get_by_text("What a platform said of one published post").first.wait_for(timeout=60_000)
    page.get_by_text("likes_count", exact=True).first.wait_for()
    page.get_by_text("rows_read", exact=True).first.wait_for()
    page.get_by_text("data", exact=True).first.wait_for()


def test_the_docs_site_explains_the_marts(product: Product, page: Any) -> None:
    page.goto(f"{product.web}/")
    page.get_by_text("Warehouse docs").click()
    page.get_by_role("heading", name="The ClientNest warehouse").wait_for(timeout=60_000)
    page.get_by_role("link", name="mrr_movements").click()
    page.get_by_text("What users who never paid before began to pay.").first.wait_for(timeout=60_000)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("overview/clientnest", "count(distinct user_id)"),
        ("metric/metric.clientnest.reach", "It is known of one post at a time"),
        ("exposure/exposure.clientnest.ten_questions", "platform_performance"),
        ("analysis/analysis.clientnest.do_people_come_back", "Do people who sign up come back?"),
    ],
)
def test_the_docs_site_has_metrics_exposures_and_questions(product: Product, page: Any, place: str, text: str) -> None:
    page.goto(f"{product.web}/dbt#!/{place}")
    page.get_by_text(text).first.wait_for(timeout=60_000)


@pytest.mark.parametrize("width", [1280, 390], ids=["desktop", "phone"])
def test_the_catalogue_is_searched_and_a_feature_leads_back_to_its_asset(
    product: Product, page: Any, width: int, tmp_path: Path
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(product.web)
    page.get_by_role("link", name="Features").click()
    page.get_by_label("Search by name or meaning").fill("question MARK")
    found = page.get_by_role("row").filter(has=page.get_by_role("link"), visible=True)
    assert [row.split()[0] for row in found.all_inner_texts()] == ["has_question"]
    page.get_by_role("link", name="has_question").click()
    section = page.locator("#has_question")
    section.get_by_role("heading", name="has_question").wait_for()
    assert section.locator("svg").count() > 1
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.screenshot(path=tmp_path / "view.png")
    page.get_by_role("link", name="features/content", exact=True).click()
    page.wait_for_url(f"{product.ui}/assets/features/content**", timeout=60_000)


@pytest.mark.parametrize("width", [1280, 390], ids=["desktop", "phone"])
def test_a_model_leads_to_a_weeks_page_and_on_to_its_asset_which_leads_back(
    product: Product, page: Any, width: int, tmp_path: Path
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{product.web}/models")
    page.screenshot(path=tmp_path / "models.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.get_by_role("link", name=ENGAGEMENT.title, exact=True).click()
    page.get_by_role("heading", name="Metrics by week").wait_for()
    page.screenshot(path=tmp_path / "model.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.get_by_role("link", name="Its page").click()
    page.get_by_role("heading", name="On later examples").wait_for()
    page.screenshot(path=tmp_path / "week.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("[...document.images].every(each => each.naturalWidth > 0)")
    page.get_by_role("link", name="models/engagement", exact=True).first.click()
    page.wait_for_url(f"{product.ui}/assets/models/engagement?**partition={WEEK}", timeout=60_000)
    page.goto(f"{product.ui}/assets/models/engagement")
    page.locator(f'a[href="{product.web}/models/engagement"]').first.wait_for(timeout=60_000)


@pytest.mark.parametrize("width", [1280, 390], ids=["desktop", "phone"])
def test_a_search_for_parameters_is_reached_from_its_model(
    product: Product, page: Any, width: int, tmp_path: Path
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{product.web}/models/engagement")
    page.get_by_role("link", name=f"searched, week from {WEEK}").click()
    page.get_by_role("heading", name="What it would gain").wait_for()
    page.screenshot(path=tmp_path / "search.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.get_by_role("link", name="tuning/engagement").click()
    page.wait_for_url(f"{product.ui}/assets/tuning/engagement?**", timeout=60_000)


def test_the_api_says_whether_the_warehouse_answers_and_no_event_waits(product: Product) -> None:
    with urllib.request.urlopen(f"{product.web}/api/v1/health") as answer:
        assert answer.status == 200
        assert json.load(answer) == {
            "warehouse": "ok",
            "events": {"waiting": 0, "oldest_seconds": None, "damaged": 0},
        }


def _keep_a_model(lake: Lake) -> None:
    """The engagement model of a small world of its own, promoted, and a search for its parameters."""
    rows = make_world(accounts=15).rows()
    # What such a world can tell, under the name of the set that is put to use.
    trained = train(rows, replace(LEAN, variant=STANDARD))
    store.keep(lake, WEEK, trained.artefact, trained.evaluated)
    store.keep_pages(lake, "engagement", WEEK, {store.PAGE_FILE: model_page(ENGAGEMENT, trained, WEEK).encode()})
    keep_decision(lake, "engagement", WEEK, Decision(trained.artefact.card["fingerprint"], promoted=True))
    assert ENGAGEMENT.tuning
    training = Training(rows, LEAN, UNTIL)
    search = tune(ENGAGEMENT, training, Search.begin(ENGAGEMENT, training, 1), trials=2, after_trial=lambda _: None)
    page = tuning_page(ENGAGEMENT, ENGAGEMENT.tuning, search, WEEK)
    write_files(lake, study_folder("engagement", WEEK), {study.PAGE_FILE: page.encode()})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[str], *addresses: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    waiting = list(addresses)
    while waiting and process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(waiting[0], timeout=2).close()
            waiting.pop(0)
        except OSError:
            time.sleep(0.3)
    if waiting:
        process.kill()
        pytest.fail(f"{waiting} did not answer:\n{process.communicate()[0]}")
