"""The pages of models: all of them, one with its weeks, and those of a week's model and of a search for parameters.

The last two are written when a model is trained (`models/page.py`) or parameters are searched
(`models/tuning_page.py`) and served as they are, so their links are those of this application, which knows where Dagster
is. What the others say is gathered in `model_history.py`.
"""

from __future__ import annotations

from datetime import date
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from clientnest_assets.serving.model_history import ModelHistory, tasks
from clientnest_assets.serving.rendering import Renderer

SHOWS_ITSELF_ALONE: Final = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'"
}
"""A kept page is a file of the lake: whatever became of it there, it runs nothing and asks for nothing."""


def model_page_router(renderer: Renderer, history: ModelHistory) -> APIRouter:
    """The routes."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    # First: `tuning` is no week.
    router.include_router(_search_router(renderer, history))
    router.include_router(_dagster_router(renderer))

    @router.get("/models")
    async def models(request: Request) -> HTMLResponse:
        found = await run_in_threadpool(history.models)
        return await renderer.page(request, "models.html.jinja", models=found)

    @router.get("/models/{name}")
    async def model(request: Request, name: str) -> HTMLResponse:
        if name not in tasks():
            return await _not_found(renderer, request, f"There is no model {name}")
        found = await run_in_threadpool(history.model, name)
        return await renderer.page(request, "model.html.jinja", model=found)

    @router.get("/models/{name}/{week}")
    async def model_of_week(request: Request, name: str, week: str) -> HTMLResponse:
        found = await run_in_threadpool(history.page, name, _week(week))
        if found is None:
            return await _not_found(renderer, request, f"There is no page of the model {name} of the week from {week}")
        return HTMLResponse(found, headers=SHOWS_ITSELF_ALONE)

    return router


def _dagster_router(renderer: Renderer) -> APIRouter:
    router = APIRouter()

    @router.get("/dagster/assets/{key:path}")
    def to_dagster(request: Request, key: str) -> RedirectResponse:
        """An asset in Dagster, for pages that are written where its address is not known."""
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{renderer.dagster(request)}/assets/{quote(key)}{query}")

    return router


def _search_router(renderer: Renderer, history: ModelHistory) -> APIRouter:
    router = APIRouter(default_response_class=HTMLResponse)

    @router.get("/models/{name}/tuning")
    async def newest_search(request: Request, name: str) -> Response:
        week = await run_in_threadpool(history.searched_week, name)
        if week is None:
            return await _not_found(renderer, request, f"There is no search for parameters of the model {name}")
        return RedirectResponse(f"/models/{name}/tuning/{week}")

    @router.get("/models/{name}/tuning/{week}")
    async def search_of_week(request: Request, name: str, week: str) -> HTMLResponse:
        found = await run_in_threadpool(history.search_page, name, _week(week))
        if found is None:
            words = f"There is no search for parameters of the model {name} of the week from {week}"
            return await _not_found(renderer, request, words)
        return HTMLResponse(found, headers=SHOWS_ITSELF_ALONE)

    return router


async def _not_found(renderer: Renderer, request: Request, words: str) -> HTMLResponse:
    known = [(name, task.model.title) for name, task in tasks().items() if not task.is_variant]
    return await renderer.page(request, "unknown_model.html.jinja", 404, words=words, models=known)


def _week(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
