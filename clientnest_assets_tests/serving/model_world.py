"""Models of three weeks, written by the functions that the assets call, for those who show and serve them.

Of churn the second week's is in use: the third was not promoted. Of budget the only one was taken back; of engagement
there is a variant without the standard one; nothing was ever trained of the others.
"""

from contextlib import contextmanager
from datetime import date, datetime, timedelta
from unittest.mock import patch

import polars as pl

from clientnest_assets.lake.files import write_files
from clientnest_assets.models import promotion, store
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.promotion import Comparison, Decision
from clientnest_assets.models.registry import MODELS
from clientnest_assets.models.study import PAGE_FILE, STUDY_FILE, study_folder
from clientnest_assets.partitions import Calendar
from clientnest_assets_tests.serving.served import installed

WEEKS = [date(2026, 11, 2), date(2026, 11, 9), date(2026, 11, 16)]
NOW = datetime.fromisoformat("2026-11-23T00:00:00+00:00")
PAGE = "<!doctype html><title>A page</title><p>As it was written: caf\u00e9</p>"
SEARCH_PAGE = "<!doctype html><title>A search</title>"
SECRET = "what scoring needs"
LOST = "its loss on 1,000 examples <i>that neither learned from</i> is 0.4100"


def keep(lake, task, week, *, model=None, value=0.4, rules=0.5, features=None, decision=None, **decided):
    """A week's model whose metrics are all `value`, and those of the rules `rules`; with its page, and its decision."""
    model = model or MODELS[task]
    names = [each.name for each in model.metrics]
    told = {
        "until": f"{week + timedelta(days=7)}T00:00:00+00:00",
        "rows": 5000,
        "evaluated": {"cutoff": f"{week}T00:00:00+00:00", "rows_later": 1000},
        "metrics": {
            "model": dict.fromkeys([*names, "undeclared"], value),
            **{rule: dict.fromkeys(names, rules + 0.1 * place) for place, rule in enumerate(model.naive_rules)},
        },
        "findings": [{"name": "is_calibrated", "passed": False, "words": "Slope <b>2</b>.", "figures": {}}],
        "feature_set": features and {"name": features.name, "variant": features.variant, "features": features.features},
        "data": {
            "rows": 5000,
            "sha256": "5e" * 32,
            "tables": [
                {"layer": "training_sets", "name": task, "id": "1", "version": 3},
                {"layer": "features", "name": "content_v2", "id": "2", "version": 41},
            ],
        },
    }
    artefact = Artefact.of(task, {SECRET: str(week)}, {}, told)
    store.keep(lake, week, artefact, pl.DataFrame({"loss": [0.1]}))
    store.keep_pages(lake, task, week, {store.PAGE_FILE: PAGE.encode()})
    if decision is not None:
        promotion.keep_decision(lake, task, week, Decision(artefact.card["fingerprint"], decision, **decided))


@contextmanager
def model_world(home):
    """The installation, in this process' environment too. It is the end of the last week."""
    with patch.object(Calendar, "now", lambda _self: NOW), installed(home) as installation:
        lake = installation.lake
        churn = MODELS["churn"].feature_sets[0]
        keep(lake, "churn", WEEKS[0], value=0.45, features=churn, decision=True)
        compared = Comparison("churn-before", 1000, 0.4, 0.42, -0.03, -0.01)
        keep(lake, "churn", WEEKS[1], features=churn, decision=True, comparison=compared)
        keep(lake, "churn", WEEKS[2], value=0.41, features=churn, decision=False, reasons=(LOST,), comparison=compared)
        keep(
            lake, "budget", WEEKS[1], decision=True, is_withdrawn=True, is_manual=True, reasons=("taken back: far off",)
        )
        variant = MODELS["engagement"].feature_sets[1]
        keep(lake, variant.task, WEEKS[2], model=MODELS["engagement"], features=variant)
        for week in WEEKS[:2]:
            write_files(lake, study_folder("churn", week), {PAGE_FILE: SEARCH_PAGE.encode()})
        write_files(lake, study_folder("churn", WEEKS[2]), {STUDY_FILE: b"one that was stopped"})
        store.keep_pages(lake, "engagement_comparison", WEEKS[2], {store.PAGE_FILE: PAGE.encode()})
        yield installation
