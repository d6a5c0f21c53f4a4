"""`/api/v1/models`: every model, the one in use, its weeks with what was decided, and from what each was made.

No key is needed: what is told are figures over everybody. What models say of single users, posts or accounts is not
served here. What is told is gathered in `model_history.py`; the pages for people are in `pages.py`.
"""

from __future__ import annotations

from datetime import date

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

from clientnest_assets.models.errors import ModelError
from clientnest_assets.serving.events import Problem
from clientnest_assets.serving.model_entries import ModelDetail, ModelSummary, WeekDetail
from clientnest_assets.serving.model_history import UNREADABLE, ModelHistory, tasks


class ModelsAnswer(BaseModel):
    """Every declared model."""

    models: list[ModelSummary]


def model_router(history: ModelHistory) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/models", tags=["models"])

    @router.get("")
    def list_models() -> ModelsAnswer:
        """Every model: the one in use, the newest, and how both did beside the naive rules."""
        return ModelsAnswer(models=history.models())

    @router.get("/{model}", responses={404: {"model": Problem, "description": "There is no model of that name."}})
    def describe_model(model: str) -> ModelDetail:
        """One model with all of its weeks: how each did, whether it was put to use, and why."""
        _require(model)
        return history.model(model)

    @router.get(
        "/{model}/{week}",
        responses={
            404: {"model": Problem, "description": "There is no such model, or the week has none of it."},
            503: {"model": Problem, "description": "The model's files are damaged."},
        },
    )
    def describe_week(model: str, week: date) -> WeekDetail:
        """The model of a week, named by its Monday, and from what it was made: tables, versions, features."""
        _require(model)
        try:
            found = history.week(model, week)
        except ModelError:
            raise HTTPException(503, UNREADABLE) from None
        if found is None:
            raise HTTPException(404, f"There is no model {model} of the week from {week}: /api/v1/models/{model}")
        return found

    return router


def _require(model: str) -> None:
    known = tasks()
    if model not in known:
        raise HTTPException(404, f"There is no model {model!r}. There are: {', '.join(known)}.")
