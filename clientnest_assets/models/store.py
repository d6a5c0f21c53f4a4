"""Where trained models are kept: in the lake, a folder a task and training partition.

What the files say is in `artefact.py`; which of the models is in use is decided in `promotion.py`. A partition trained
again replaces its files.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

import polars as pl

from clientnest_assets.lake import Lake
from clientnest_assets.lake.files import Storage, file_names, folders, read_files, remove_file, write_files
from clientnest_assets.models.artefact import CARD_FILE, TREES_SUFFIX, Artefact, card_of
from clientnest_assets.models.errors import ForeignModelError, ModelError

LAYER: Final = "models"
EVALUATION_FILE: Final = "evaluation.parquet"
PAGE_FILE: Final = "page.html"
WEEK: Final = timedelta(days=7)
_MARKED: Final = (TREES_SUFFIX, ".parquet")
"""How the names of files end that belong to one model of a week, and go with it."""
_WEEK: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def keep(lake: Lake, week: date, artefact: Artefact, evaluated: pl.DataFrame) -> str:
    """Keeps a model trained for the week from that Monday; returns the folder's location.

    Args:
        lake: where to.
        week: the partition.
        artefact: the model; its task names the folder.
        evaluated: the examples it was measured on, with its predictions.

    The card is written last, and the names of all other files of a model hold the beginning of its fingerprint: until
    the card is there, readers see the model before, if there was one, whole.
    """
    files, mark = artefact.to_files(), _mark(artefact.card)
    card = files.pop(CARD_FILE)
    rows = io.BytesIO()
    evaluated.write_parquet(rows)
    marked = {_marked(name, mark): content for name, content in {EVALUATION_FILE: rows.getvalue(), **files}.items()}
    folder = model_folder(artefact.card["task"], week)
    location = write_files(lake, folder, {**marked, CARD_FILE: card})
    for name in file_names(lake, folder):
        if name.endswith(_MARKED) and name not in marked:
            remove_file(lake, f"{folder}/{name}")
    return location


def forget(lake: Lake, task: str, week: date) -> None:
    """Removes the week's model, if there is one: what it was learned from is not there any more."""
    folder = model_folder(task, week)
    # The card first: without it there is no model.
    for name in sorted(file_names(lake, folder), key=lambda name: name != CARD_FILE):
        remove_file(lake, f"{folder}/{name}")


def read_model(lake: Lake, task: str, week: date) -> Artefact:
    """The model of a week.

    Raises:
        ModelError: the week has none.
        ForeignModelError: its files are damaged, or of something else.
    """
    folder = model_folder(task, week)
    names = [name for name in file_names(lake, folder) if name == CARD_FILE or name.endswith(TREES_SUFFIX)]
    files = read_files(lake, folder, names)
    if CARD_FILE not in files:
        raise _no_model(task, week)
    with _told_where(lake, task, week):
        end = f"-{_mark(card_of(files[CARD_FILE]))}{TREES_SUFFIX}"
        trees = {f"{name.removesuffix(end)}{TREES_SUFFIX}": text for name, text in files.items() if name.endswith(end)}
        return Artefact.from_files({CARD_FILE: files[CARD_FILE], **trees}, task=task)


def trained_weeks(lake: Lake, task: str) -> list[date]:
    """The Mondays of the weeks that have a model of the task, in order; told by a listing alone."""
    return weeks_with(lake, f"{LAYER}/{task}", CARD_FILE)


def weeks_with(lake: Lake, folder: str, file: str) -> list[date]:
    """The Mondays of the weeks below a folder in which there is a file of that name, in order."""
    found = [each.path for each in Storage.of(lake).files(folder) if each.path.endswith(f"/{file}")]
    weeks = [path.removeprefix(f"{folder}/").removesuffix(f"/{file}") for path in found]
    # What somebody has put beside the weeks, such as a copy, is none of them.
    return sorted(date.fromisoformat(week) for week in weeks if _WEEK.fullmatch(week))


def is_over(week: date, day: date) -> bool:
    """Whether a week was over when the day began: only then could its model be in use on that day."""
    return week + WEEK <= day


class NewestCard(NamedTuple):
    """The newest week of a task that has a model.

    Attributes:
        week: its Monday.
        card: the model's card; empty where it cannot be read.
        problem: why it cannot be read.
    """

    week: date
    card: Mapping[str, Any]
    problem: str | None = None

    @property
    def metrics(self) -> Mapping[str, Mapping[str, float | None]]:
        """By predictor; empty where the card cannot be read."""
        metrics: Mapping[str, Mapping[str, float | None]] = self.card.get("metrics", {})
        return metrics


def newest_cards(lake: Lake) -> dict[str, NewestCard]:
    """The card of each task's newest model, by task; one that is damaged hides none of the others."""
    weeks = {task: trained_weeks(lake, task) for task in folders(lake, LAYER)}
    return {task: _newest_card(lake, task, found[-1]) for task, found in weeks.items() if found}


def _newest_card(lake: Lake, task: str, week: date) -> NewestCard:
    try:
        return NewestCard(week, read_card(lake, task, week))
    except ForeignModelError as error:
        return NewestCard(week, {}, str(error))


def read_card(lake: Lake, task: str, week: date) -> dict[str, Any]:
    """The card of a week's model, without a look at whether its files are those that it describes.

    Raises:
        ForeignModelError: it cannot be read.
    """
    content = Storage.of(lake).read(f"{model_folder(task, week)}/{CARD_FILE}")
    with _told_where(lake, task, week):
        return card_of(content)


def evaluation_rows(lake: Lake, task: str, week: date) -> pl.DataFrame:
    """The later examples a week's model was measured on, with its predictions, one row an example.

    Raises:
        ModelError: the week has no such model.
        ForeignModelError: its files are damaged, or incomplete.
    """
    try:
        card = read_card(lake, task, week)
    except FileNotFoundError:
        raise _no_model(task, week) from None
    name = _marked(EVALUATION_FILE, _mark(card))
    with _told_where(lake, task, week):
        files = read_files(lake, model_folder(task, week), [name])
        if name not in files:
            raise ForeignModelError(f"{name} is missing, the examples that this model was measured on")
        try:
            return pl.read_parquet(files[name])
        except pl.exceptions.PolarsError as error:
            raise ForeignModelError(f"{name} cannot be read: {error}") from error


def keep_pages(lake: Lake, task: str, week: date, pages: Mapping[str, bytes]) -> str:
    """Keeps pages about a week's models, by file name; returns the folder's location."""
    return write_files(lake, model_folder(task, week), pages)


def model_folder(task: str, week: date) -> str:
    """The folder of a week's model, below the lake's root."""
    return f"{LAYER}/{task}/{week}"


@contextmanager
def _told_where(lake: Lake, task: str, week: date) -> Iterator[None]:
    """Says of a model that is refused where it is, and what to do."""
    try:
        yield
    except ForeignModelError as error:
        raise ForeignModelError(
            f"{Storage.of(lake).location(model_folder(task, week))}: {error}. Train models/{task} of the week from {week} "
            "again, or restore its files"
        ) from error


def _no_model(task: str, week: date) -> ModelError:
    return ModelError(
        f"the week from {week} has no model {task}: train it first, clientnest backfill --select 'key:\"models/{task}\"' "
        f"--from {week} --to {week + WEEK - timedelta(days=1)}"
    )


def _mark(card: Mapping[str, Any]) -> str:
    """What tells the files of one model from those of the model before it."""
    return str(card.get("fingerprint"))[:12]


def _marked(name: str, mark: str) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"{stem}-{mark}.{suffix}"
