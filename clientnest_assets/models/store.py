"""Where trained models are kept: in the lake, a folder per task and training partition.

What the files say is in `artefact.py`. A partition trained again replaces its files.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl

from clientnest_assets.lake import Lake
from clientnest_assets.lake.files import folders, read_files, write_files
from clientnest_assets.models.artefact import CARD_FILE, MODEL_FILE, Artefact

LAYER = "models"
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

    The card is written last: until it is there, readers refuse the model or see the one before.
    """
    files = artefact.to_files()
    rows = io.BytesIO()
    evaluated.write_parquet(rows)
    contents = {
        **pages,
        EVALUATION_FILE: rows.getvalue(),
        MODEL_FILE: files[MODEL_FILE],
        CARD_FILE: files[CARD_FILE],
    }
    return write_files(lake, _folder(task, week), contents)


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
            return week, Artefact.from_files(files, task=task)
    return None


def evaluation_rows(lake: Lake, task: str, week: date) -> pl.DataFrame:
    """The later posts a week's model was measured on: label, prediction and naive rules, one row a post."""
    return pl.read_parquet(read_files(lake, _folder(task, week))[EVALUATION_FILE])


def _folder(task: str, week: date) -> str:
    return f"{LAYER}/{task}/{week}"
