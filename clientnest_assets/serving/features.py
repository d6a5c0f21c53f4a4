"""`/api/v1/features`: the catalogue as JSON, the newest features of entities, and those of a draft.

What is read needs no key where it says nothing of a person: declarations and figures over everybody. Values of
entities do. What the catalogue says is gathered in `catalogue.py`; how values are read is decided in
`features/online/`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import polars as pl
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, create_model
from starlette.types import Message, Receive

from clientnest_assets.features.online import (
    OnlineRow,
    OnlineStoreError,
    features_on_request,
    read_entities,
)
from clientnest_assets.features.point_in_time import column
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.view import KEYS, Feature
from clientnest_assets.installation import Installation
from clientnest_assets.serving.catalogue import Catalogue
from clientnest_assets.serving.catalogue_entries import ModelEntry, SetEntry, ViewEntry
from clientnest_assets.serving.events import Problem
from clientnest_assets.serving.keys import CLOSE, Keys

MOST_ENTITIES: Final = 1_000
MOST_BODY_BYTES: Final = 1 << 20
LIMITS: Final = f"A request has at most {MOST_ENTITIES:,} entities and {MOST_BODY_BYTES >> 20} MiB."
MOST_CHARACTERS: Final = 200
"""Of a key that is text."""
REFUSALS: Final = {
    401: "No key, or none of this feature store's.",
    413: LIMITS,
    422: f"The body is not what is declared, or has more than {MOST_ENTITIES:,} entities. The place is named.",
    503: "The online store does not answer, or the feature store has no key yet.",
}
_PYTHON: Final[dict[Any, Any]] = {
    pl.Int64(): Annotated[int, Field(ge=-(2**63), lt=2**63)],
    pl.Float64(): float,
    pl.Boolean(): bool,
    pl.String(): str,
    pl.List(pl.String()): list[str],
}
_AS_SENT = ConfigDict(extra="forbid", strict=True)
_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="FeaturesKey",
    description="A key of the feature store; `clientnest status --json` tells it as `features_keys`.",
)
# A key is compared with what the store holds, and PostgreSQL's text has no NUL.
_TEXT_KEY = Annotated[str, Field(max_length=MOST_CHARACTERS, pattern=r"^[^\x00]*$")]


def _given(feature: Feature) -> tuple[Any, Any]:
    kind, told = _PYTHON[feature.dtype], Field(default=feature.default, description=feature.description)
    return (kind | None, told) if feature.default is None else (kind, told)


Entity = create_model(
    "Entity",
    __config__=_AS_SENT,
    __doc__="Keys of one entity, or of several that belong together. A view of which a key is missing is MISSING.",
    **{  # type: ignore[call-overload]
        name: (
            (_TEXT_KEY if key.dtype == pl.String() else _PYTHON[key.dtype]) | None,
            Field(default=None, description=key.description),
        )
        for name, key in KEYS.items()
    },
)
Draft = create_model(
    "Draft",
    __config__=_AS_SENT,
    __doc__="A post as it would be written. What is left out counts as its default, or as unknown.",
    **{feature.name: _given(feature) for view in VIEWS.values() for feature in view.request},  # type: ignore[call-overload]
)


class Asked(BaseModel):
    """Whose features to read."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"entities": [{"user_id": 1, "account_id": 5}]}},
    )

    entities: list[Entity] = Field(max_length=MOST_ENTITIES)
    views: list[str] | None = Field(default=None, description="Names of views; all by default.")


class ViewRow(BaseModel):
    """What one view knows of an entity."""

    status: Literal["PRESENT", "STALE", "MISSING"] = Field(description="STALE is older than the view's TTL.")
    age_seconds: int | None = Field(description="From the event time to now; null if MISSING.")
    event_at: datetime | None
    values: dict[str, Any] = Field(description="By feature; all null unless PRESENT.")


class EntityFeatures(BaseModel):
    """What was asked for, and what each view knows of it."""

    entity: dict[str, int | str]
    views: dict[str, ViewRow]


class Read(BaseModel):
    """Features of entities, in the order in which they were asked for."""

    as_of: datetime = Field(description="The moment that ages count to.")
    entities: list[EntityFeatures]


class DraftFeatures(BaseModel):
    """Features of a draft, computed as they are of a stored post."""

    views: dict[str, dict[str, Any]] = Field(description="By view and feature.")


class CatalogueAnswer(BaseModel):
    """Every view, feature set and newest model."""

    views: list[ViewEntry]
    sets: list[SetEntry]
    models: list[ModelEntry]


def feature_router(installation: Installation, catalogue: Catalogue) -> APIRouter:
    """The routes.

    Args:
        installation: whose features.
        catalogue: what there is.
    """
    router = APIRouter(prefix="/features", tags=["features"])

    @router.get("")
    def list_features() -> CatalogueAnswer:
        """Every view and feature: meaning, type, bounds, freshness, drift, and who reads it."""
        return CatalogueAnswer(views=catalogue.views(), sets=catalogue.sets(), models=catalogue.models())

    @router.get("/{view}", responses={404: {"model": Problem, "description": "There is no view of that name."}})
    def describe_view(view: str) -> ViewEntry:
        """One view, with the distribution of each feature and its last days."""
        if view not in VIEWS:
            raise HTTPException(404, f"There is no feature view {view!r}. There are: {', '.join(VIEWS)}.")
        return catalogue.view(view)

    keyed = APIRouter(
        route_class=_keyed_route(installation),
        dependencies=[Depends(_bearer)],
        responses={code: {"model": Problem, "description": text} for code, text in REFUSALS.items()},
    )

    @keyed.post("/read")
    def read_features(asked: Asked) -> Read:
        """The newest features of up to 1,000 entities: values, their age, and PRESENT, STALE or MISSING by view."""
        views = [VIEWS[name] for name in _known(asked.views)]
        keys = [entity.model_dump(exclude_none=True) for entity in asked.entities]
        now = installation.calendar.now()
        try:
            found = read_entities(installation.online_store, keys, views, now)
        except OnlineStoreError as error:
            raise HTTPException(503, str(error)) from None
        return Read(
            as_of=now,
            entities=[
                EntityFeatures(entity=key, views={name: _view_row(row) for name, row in rows.items()})
                for key, rows in zip(keys, found, strict=True)
            ],
        )

    @keyed.post("/draft")
    def compute_draft(draft: Draft) -> DraftFeatures:
        """The features of a post that is not stored yet, by the function that computes them of stored posts."""
        given = draft.model_dump()
        answer = {}
        for view in VIEWS.values():
            if view.on_request is None:
                continue
            schema = {feature.name: feature.dtype for feature in view.request}
            rows = pl.DataFrame([{name: given[name] for name in schema}], schema=schema)
            found = features_on_request(view, rows).row(0, named=True)
            answer[view.name] = {name: found[column(view, name)] for name in view.feature_names}
        return DraftFeatures(views=answer)

    router.include_router(keyed)
    return router


def _known(names: list[str] | None) -> list[str]:
    unknown = [name for name in names or () if name not in VIEWS]
    if unknown:
        raise HTTPException(422, f"views: there is no {', '.join(map(repr, unknown))}. There are: {', '.join(VIEWS)}.")
    return list(VIEWS) if names is None else list(dict.fromkeys(names))


def _view_row(row: OnlineRow) -> ViewRow:
    return ViewRow(
        status=row.status,
        age_seconds=row.age_seconds,
        event_at=row.event_at,
        values=row.values,
    )


def _keyed_route(installation: Installation) -> type[APIRoute]:
    """A route that looks at the key before it reads the body, and reads a bounded one."""
    keys = Keys(installation.features_keys, "feature store", "CLIENTNEST_FEATURES_KEYS")

    class KeyedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def keyed(request: Request) -> Response:
                shown = await _bearer(request)
                keys.require(shown.credentials if shown else "")
                return await handle(Request(request.scope, _bounded(request.receive)))

            return keyed

    return KeyedRoute


def _bounded(receive: Receive) -> Receive:
    """The same messages, up to MOST_BODY_BYTES."""
    size = 0

    async def receive_bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MOST_BODY_BYTES:
            raise HTTPException(413, LIMITS, CLOSE)
        return message

    return receive_bounded
