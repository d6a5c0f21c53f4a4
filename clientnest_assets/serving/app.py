"""The web application on port 8000: a front page, the dbt docs site, and whether the services answer."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from starlette.concurrency import run_in_threadpool

from clientnest_assets.installation import Installation
from clientnest_assets.warehouse.dbt import docs_page

API = "/api/v1"


def create_app() -> FastAPI:
    """The application for the installation that the environment describes."""
    installation = Installation.load()
    app = FastAPI(
        title="ClientNest analytics", docs_url=f"{API}/docs", openapi_url=f"{API}/openapi.json", redoc_url=None
    )

    @app.get("/", include_in_schema=False)
    def front_page() -> HTMLResponse:
        return HTMLResponse(files("clientnest_assets.serving").joinpath("front_page.html").read_text())

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
        return {"docs": f"{API}/docs", "openapi": f"{API}/openapi.json", "health": f"{API}/health"}

    @app.get(f"{API}/health")
    async def health() -> JSONResponse:
        """Whether the warehouse answers; 503 if it does not."""
        problem = await run_in_threadpool(_warehouse_problem, installation)
        return JSONResponse({"warehouse": problem or "ok"}, status_code=503 if problem else 200)

    return app


def _warehouse_problem(installation: Installation) -> str | None:
    import psycopg

    try:
        with psycopg.connect(installation.warehouse_url, connect_timeout=3) as connection:
            connection.execute("select 1")
    except psycopg.OperationalError:
        return "does not answer"
    return None
