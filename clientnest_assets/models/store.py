"""Where trained models are kept: in the lake, a folder per task and training partition.

What the files say is in `artefact.py`. A partition trained again replaces its files.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import polars as pl

from clientnest_assets.lake import Lake
from clientnest_assets.lake.files import Storage, folders, read_files, remove_file, write_files
from clientnest_assets.models.artefact import CARD_FILE, MODEL_FILE, Artefact
from clientnest_assets.models.errors import ModelError

LAYER = "models"
TREES = "model-"
EVALUATION_FILE = "evaluation.parquet"
WEEK = timedelta(days=7)


def keep(
    lake: Lake, task: str, week: date, artefact: Artefact, evaluated: pl.DataFrame, pages: Mapping[str, bytes]
) -> str:
    """Keeps a model trained for the week from that Monday; returns the folder's location.

    Args:
        lake: where to.
        task: the model's task.
        week: the partition.
        artefact: the model.
        evaluated: the rows it was measured on, with its predictions.
        pages: what people look at, by file name.

    The card is written last: until it is there, readers see the model before, if there was one.
    """
    files = artefact.to_files()
    rows = io.BytesIO()
    evaluated.write_parquet(rows)
    fingerprint = str(artefact.card["fingerprint"])
    # The card names the trees by their fingerprint: until it is replaced, the model before is whole and in use.
    location = write_files(
        lake,
        _folder(task, week),
        {
            **pages,
            EVALUATION_FILE: rows.getvalue(),
            _trees(fingerprint): files[MODEL_FILE],
            CARD_FILE: files[CARD_FILE],
        },
    )
    for name in read_files(lake, _folder(task, week)):
        if name.startswith(TREES) and name != _trees(fingerprint):
            remove_file(lake, f"{_folder(task, week)}/{name}")
    return location


def newest(lake: Lake, task: str, day: date) -> tuple[date, Artefact] | None:
    """The model of the last week that was over before the day's end, with that week's Monday; None if there is none.

    Raises:
        ForeignModelError: if its files are damaged.
    """
    weeks = [date.fromisoformat(name) for name in folders(lake, f"{LAYER}/{task}")]
    over = [week for week in weeks if week + WEEK <= day + timedelta(days=1)]
    for week in sorted(over, reverse=True):
        files = read_files(lake, _folder(task, week))
        if CARD_FILE in files:
            trees = files.get(_trees(str(json.loads(files[CARD_FILE]).get("fingerprint"))))
            whole = {CARD_FILE: files[CARD_FILE], **({} if trees is None else {MODEL_FILE: trees})}
            return week, Artefact.from_files(whole, task=task)
    return None


def newest_cards(lake: Lake) -> dict[str, tuple[date, dict[str, Any]]]:
    """The card of each task's newest model, with its week's Monday, by task."""
    weeks = {task: trained_weeks(lake, task) for task in folders(lake, LAYER)}
    storage = Storage.of(lake)
    return {
        task: (found[-1], json.loads(storage.read(f"{_folder(task, found[-1])}/{CARD_FILE}")))
        for task, found in weeks.items()
        if found
    }


def trained_weeks(lake: Lake, task: str) -> list[date]:
    """The Mondays of the weeks that have a model of the task, in order; told by a listing alone."""
    paths = [each.path.split("/") for each in Storage.of(lake).files(f"{LAYER}/{task}")]
    return sorted(date.fromisoformat(week) for *_, week, name in paths if name == CARD_FILE)


def evaluation_rows(lake: Lake, task: str, week: date) -> pl.DataFrame:
    """The later posts a week's model was measured on: label, prediction and naive rules, one row a post.

    Raises:
        ModelError: the week has no such model.
    """
    files = read_files(lake, _folder(task, week))
    if EVALUATION_FILE not in files:
        raise ModelError(f"the week from {week} has no model {task}: train it first")
    return pl.read_parquet(files[EVALUATION_FILE])


def keep_pages(lake: Lake, task: str, week: date, pages: Mapping[str, bytes]) -> str:
    """Keeps pages about a week's models, by file name; returns the folder's location."""
    return write_files(lake, _folder(task, week), pages)


def _trees(fingerprint: str) -> str:
    return f"{TREES}{fingerprint[:12]}.txt"


def _folder(task: str, week: date) -> str:
    return f"{LAYER}/{task}/{week}"
