"""The pages on port 8000, rendered here: the front page and the feature catalogue. They fetch nothing from elsewhere.

What the catalogue says is gathered in `catalogue.py`; how pages look is in `templates/`.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool

from clientnest_assets.features.quality.store import (
    MOVES_WITH_TIME,
    NO_REFERENCE,
    NOT_FILLED,
    STABLE,
    TOO_FEW,
)
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.installation import Installation
from clientnest_assets.serving.catalogue import Catalogue
from clientnest_assets.serving.plots import bars, line
from clientnest_assets.serving.words import duration, number, p_value, share

DAGSTER_PORT: Final = 3000
VERDICTS: Final = {
    STABLE: "no drift",
    MOVES_WITH_TIME: "not judged: it moves by its nature",
    TOO_FEW: "not judged: too few entities",
    NO_REFERENCE: "not judged: nothing to compare with yet",
    NOT_FILLED: "not judged: what it is compared with looks back on days before the first",
}


def page_router(installation: Installation, catalogue: Catalogue) -> APIRouter:
    """The routes of all pages."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    environment = _environment()

    async def page(request: Request, template: str, status: int = 200, **told: Any) -> HTMLResponse:
        dagster = (
            installation.settings.dagster_ui_url or f"{request.url.scheme}://{request.url.hostname}:{DAGSTER_PORT}"
        )
        render = partial(environment.get_template(template).render, dagster=dagster.rstrip("/"), **told)
        return HTMLResponse(await run_in_threadpool(render), status)

    @router.get("/")
    async def front(request: Request) -> HTMLResponse:
        return await page(request, "front.html.jinja")

    @router.get("/features")
    async def views(request: Request) -> HTMLResponse:
        found = await run_in_threadpool(catalogue.views)
        return await page(request, "features.html.jinja", views=found)

    @router.get("/features/sets")
    async def sets(request: Request) -> HTMLResponse:
        found = await run_in_threadpool(catalogue.sets)
        return await page(request, "sets.html.jinja", sets=found, views=VIEWS)

    @router.get("/features/{name}")
    async def view(request: Request, name: str) -> HTMLResponse:
        if name not in VIEWS:
            return await page(request, "unknown.html.jinja", 404, name=name, views=list(VIEWS))
        found = await run_in_threadpool(catalogue.view, name)
        return await page(request, "view.html.jinja", view=found, verdicts=VERDICTS)

    return router


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("clientnest_assets.serving"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(duration=duration, number=number, p_value=p_value, share=share)
    environment.globals.update(bars=bars, line=line)
    return environment
