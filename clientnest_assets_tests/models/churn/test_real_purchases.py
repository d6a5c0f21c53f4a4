"""Real purchases (CDNOW, Fader and Hardie), by the packaged mapping and the documented example: better than was measured."""

from __future__ import annotations

import importlib.util
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clientnest_assets.features.view import MOMENT
from clientnest_assets.lake import Lake
from clientnest_assets.models.churn.training import train
from clientnest_assets.models.model import Training
from clientnest_assets.settings import PROJECT_ROOT
from clientnest_assets.sources.files import check_file, land_file, load_mapping, require_fit

REAL = Path(os.environ.get("CLIENTNEST_REALDATA") or PROJECT_ROOT.parent / "shared" / "realdata")
FILE = REAL / "cdnow" / "CDNOW_master.txt"
EXAMPLE = PROJECT_ROOT / "docs" / "examples" / "customers_who_stop_buying.py"
pytestmark = pytest.mark.skipif(
    not FILE.is_file(), reason=f"no real data in {REAL}: set CLIENTNEST_REALDATA to its folder to run this"
)

UNTIL = datetime(1998, 7, 1, tzinfo=UTC)
AUC, PR_AUC = 0.711, 0.691
"""Of a plain model, trained on earlier cut-offs and tested on later ones."""


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location(EXAMPLE.stem, EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows(example, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    lake = Lake(str(folder / "lake"))
    checked = check_file(FILE, load_mapping("cdnow_purchases"), lake, b"k" * 32, folder, now=datetime.now(UTC))
    require_fit(checked)
    land_file(lake, checked)
    return example.customers(example.user_days(lake), UNTIL)


def test_every_customer_is_looked_at(rows):
    assert rows["user_id"].n_unique() == 23_570
    assert rows.schema["as_of"] == MOMENT


def test_later_cut_offs_are_foreseen_better_than_before(rows):
    found = train(Training(rows, None, UNTIL), {}).metrics
    assert found["model"]["auc"] > AUC
    assert found["model"]["pr_auc"] > PR_AUC
    assert found["model"]["auc"] > found["recency"]["auc"]


def test_the_last_cut_off_is_foreseen_better_than_before(example, rows):
    """Learned from every cut-off whose truth was known by then."""
    found = example.at_the_newest_moment(rows)
    assert found["auc"] > AUC
    assert found["pr_auc"] > PR_AUC
