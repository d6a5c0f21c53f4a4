"""The web application on port 8000: pages, dbt docs site, event collector, features, models, and how the services are."""

from __future__ import annotations

import gc
import time

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.concurrency import run_in_threadpool

from clientnest_assets.installation import Installation
from clientnest_assets.serving.catalogue import Catalogue
from clientnest_assets.serving.events import Collector
from clientnest_assets.serving.features import feature_router
from clientnest_assets.serving.model_history import ModelHistory
from clientnest_assets.serving.model_pages import model_page_router
from clientnest_assets.serving.models import model_router
from clientnest_assets.serving.pages import page_router
from clientnest_assets.serving.rendering import Renderer
from clientnest_assets.sources.events.spool import waiting
from clientnest_assets.warehouse.dbt import docs_page

API = "/api/v1"
COLLECT_AFTER = 50_000
"""Objects made and not freed."""


def create_app() -> FastAPI:
    """The application for the installation that the environment describes."""
    installation = Installation.load()
    collector = Collector(installation)
    catalogue, history = Catalogue(installation), ModelHistory(installation)

    app = FastAPI(
        title="ClientNest analytics",
        docs_url=f"{API}/docs",
        openapi_url=f"{API}/openapi.json",
        redoc_url=None,
        lifespan=lambda _app: collector.running(),
    )
    app.include_router(collector.router(), prefix=API)
    app.include_router(feature_router(installation, catalogue), prefix=API)
    app.include_router(model_router(history), prefix=API)
    renderer = Renderer(installation)
    app.include_router(page_router(renderer, catalogue))
    app.include_router(model_page_router(renderer, history))

    @app.exception_handler(RequestValidationError)
    async def refuse(_request: Request, error: RequestValidationError) -> JSONResponse:
        """Refusals have one shape, those of a schema too; what was sent is not repeated."""
        places = [
            ("body", f"not JSON from character {each['loc'][1]} on")
            if each["type"] == "json_invalid"
            else (".".join(map(str, each["loc"][1:])) or "body", each["msg"])
            for each in error.errors()
        ]
        return JSONResponse({"detail": "; ".join(f"{place}: {words}" for place, words in places)}, 422)

    @app.get("/dbt", include_in_schema=False)
    def dbt_docs() -> FileResponse:
        page = docs_page(installation.home)
        if not page.exists():
            raise HTTPException(
                404, "The docs site is not built yet: materialise docs/dbt_docs, or run clientnest backfill."
            )
        return FileResponse(page, media_type="text/html")

    @app.get(API)
    def index() -> dict[str, str]:
        """Where to go from here."""
        return {
            "docs": f"{API}/docs",
            "openapi": f"{API}/openapi.json",
            "health": f"{API}/health",
            "events": f"{API}/events",
            "features": f"{API}/features",
            "models": f"{API}/models",
        }

    @app.get(f"{API}/health")
    async def health() -> JSONResponse:
        """Whether the warehouse answers, 503 if it does not; and what the collector has that the lake has not."""
        problem, events = await run_in_threadpool(
            lambda: (_warehouse_problem(installation), _waiting_events(installation))
        )
        return JSONResponse({"warehouse": problem or "ok", "events": events}, status_code=503 if problem else 200)

    settle_collector()
    return app


def settle_collector() -> None:
    """Keeps Python's garbage collector out of requests.

    What is loaded by now stays, and need not be looked through. And a request makes some thousands of objects that are gone
    with it: the collector's own limit of 700 would have it at work several times in each.
    """
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def _warehouse_problem(installation: Installation) -> str | None:
    import psycopg

    try:
        with psycopg.connect(installation.warehouse_url, connect_timeout=3) as connection:
            connection.execute("select 1")
    except psycopg.OperationalError:
        return "does not answer"
    return None


def _waiting_events(installation: Installation) -> dict[str, int | float | None]:
    found = waiting(installation.spool)
    age = None if found.oldest is None else round(time.time() - found.oldest / 1e6, 3)
    return {"waiting": found.events, "oldest_seconds": age, "damaged": found.damaged}
