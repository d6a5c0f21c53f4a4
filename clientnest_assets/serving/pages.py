"""The pages on port 8000, rendered here: the front page and the feature catalogue. They fetch nothing from elsewhere.

What the catalogue says is gathered in `catalogue.py`; how pages look is in `templates/`. Those of models are in
`model_pages.py`.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from clientnest_assets.features.quality.store import (
    MOVES_WITH_TIME,
    NO_REFERENCE,
    NOT_FILLED,
    STABLE,
    TOO_FEW,
)
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.serving.catalogue import Catalogue
from clientnest_assets.serving.rendering import Renderer

VERDICTS: Final = {
    STABLE: "no drift",
    MOVES_WITH_TIME: "not judged: it moves by its nature",
    TOO_FEW: "not judged: too few entities",
    NO_REFERENCE: "not judged: nothing to compare with yet",
    NOT_FILLED: "not judged: what it is compared with looks back on days before the first",
}


def page_router(renderer: Renderer, catalogue: Catalogue) -> APIRouter:
    """The routes."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @router.get("/")
    async def front(request: Request) -> HTMLResponse:
        return await renderer.page(request, "front.html.jinja")

    @router.get("/features")
    async def views(request: Request) -> HTMLResponse:
        found = await run_in_threadpool(catalogue.views)
        return await renderer.page(request, "features.html.jinja", views=found)

    @router.get("/features/sets")
    async def sets(request: Request) -> HTMLResponse:
        found = await run_in_threadpool(catalogue.sets)
        return await renderer.page(request, "sets.html.jinja", sets=found, views=VIEWS)

    @router.get("/features/{name}")
    async def view(request: Request, name: str) -> HTMLResponse:
        if name not in VIEWS:
            return await renderer.page(request, "unknown.html.jinja", 404, name=name, views=list(VIEWS))
        found = await run_in_threadpool(catalogue.view, name)
        return await renderer.page(request, "view.html.jinja", view=found, verdicts=VERDICTS)

    return router
