"""Templates into pages, with what every page knows: how numbers are told, and where Dagster is."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool

from clientnest_assets.installation import Installation
from clientnest_assets.serving.plots import bars, histories, line
from clientnest_assets.serving.words import duration, number, p_value, share

DAGSTER_PORT: Final = 3000


class Renderer:
    """The templates of one installation."""

    def __init__(self, installation: Installation) -> None:
        self._dagster = installation.settings.dagster_ui_url
        self._environment = _environment()

    def dagster(self, request: Request) -> str:
        """Where Dagster's UI is, without a slash at the end: as set, or beside the application."""
        return (self._dagster or f"{request.url.scheme}://{request.url.hostname}:{DAGSTER_PORT}").rstrip("/")

    async def page(self, request: Request, template: str, status: int = 200, **told: Any) -> HTMLResponse:
        """The page; a template knows `dagster`, and what it is told."""
        render = partial(self._environment.get_template(template).render, dagster=self.dagster(request), **told)
        return HTMLResponse(await run_in_threadpool(render), status)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("clientnest_assets.serving"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(duration=duration, number=number, p_value=p_value, share=share)
    environment.globals.update(bars=bars, histories=histories, line=line)
    return environment
