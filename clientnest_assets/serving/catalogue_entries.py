"""What the feature catalogue is made of: entries for views, features, feature sets and models, as the API gives them.

How they are gathered is in `catalogue.py`.
"""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, Field

from clientnest_assets.features.quality.store import DRIFTED, STABLE
from clientnest_assets.features.store import LAYER


class Histogram(BaseModel):
    """Counts by bin: bin i is from edges[i] up to edges[i + 1]; the outer ones hold what lies beyond, too."""

    edges: list[float]
    recent: list[int] = Field(description="Of the last seven days, one value an entity.")
    reference: list[int] | None = Field(description="Of the window that drift is measured against.")


class Share(BaseModel):
    """How frequent one value is, or one member of lists."""

    value: str
    recent: float
    reference: float | None


class Profile(BaseModel):
    """What a feature's values were like on one day."""

    day: date
    rows: int
    null_share: float | None
    outside: int = Field(description="Values that the declaration rules out, NaN among them.")
    mean: float | None
    std: float | None
    quantiles: dict[str, float] = Field(description="By their level, `0.5` is the median. Of lists: of their lengths.")
    histogram: Histogram | None
    shares: list[Share]


class Drift(BaseModel):
    """The last seven days against the reference window."""

    verdict: str
    drifted: bool
    severity: str | None
    since: date | None = Field(description="The first day of the unbroken run of days on which it was drifted.")
    psi: float | None = Field(description="Population stability index: 0.1 is moderate, 0.25 major.")
    test: str | None
    statistic: float | None
    p_value: float | None = Field(description="Adjusted for the features tested together.")
    reference_first_day: date | None
    reference_last_day: date | None


class Series(BaseModel):
    """A feature day by day, oldest first."""

    days: list[date]
    null_share: list[float | None]
    mean: list[float | None]
    psi: list[float | None]


class FeatureEntry(BaseModel):
    """One feature: as declared, how it is, and who reads it."""

    name: str
    column: str = Field(description="Its name in a joined frame.")
    type: str
    description: str
    unit: str | None
    default: bool | int | float | str | None
    minimum: float | None
    maximum: float | None
    values: list[str] | None = Field(description="All that it can be, where that is a closed set.")
    max_null_share: float
    moves_with_time: bool = Field(description="Its distribution moves by its nature: such a move is no drift.")
    profile: Profile | None
    drift: Drift | None
    series: Series | None
    problems: list[str] = Field(description="Declared bounds that the newest day breaks.")
    sets: list[str]
    models: list[str]
    left_out: str | None = Field(description="Why it is in no feature set.")


class KeyEntry(BaseModel):
    """One part of what tells a view's entities apart."""

    name: str
    type: str
    description: str


class Stored(BaseModel):
    """What the lake holds of a view."""

    days: int
    rows: int
    bytes: int
    newest_day: date
    newest_day_rows: int
    newest_day_entities: int
    newest_event_at: datetime
    definition: str = Field(description="By which its newest rows were computed.")


class Online(BaseModel):
    """What the online store holds of a view."""

    generation: int
    rows: int
    as_of: datetime
    published_at: datetime


class ViewEntry(BaseModel):
    """One feature view: as declared, how it is, and what it is made of and for."""

    name: str
    version: int
    table: str = Field(description="Its table, in the lake and online.")
    description: str
    owner: str
    entity_keys: list[KeyEntry]
    event_time: str
    known_time: str
    ttl_seconds: int | None
    definition: str = Field(description="SHA-256 of what readers rely on.")
    on_request: bool = Field(description="Whether it can be computed of something not stored yet.")
    upstream: list[str] = Field(description="Keys of the assets that it is computed from.")
    downstream: list[str] = Field(description="Keys of the assets that read it.")
    status: str = Field(description="PRESENT; STALE, when the newest row is older than the TTL; or MISSING.")
    age_seconds: int | None = Field(description="Age of the newest row, from its event time.")
    stored: Stored | None
    online: Online | None
    problems: list[str]
    features: list[FeatureEntry]

    @property
    def asset(self) -> str:
        """The key of its asset."""
        return f"{LAYER}/{self.name}"

    @property
    def drifted(self) -> list[FeatureEntry]:
        """The features that are drifted now."""
        return [each for each in self.features if each.drift and each.drift.drifted]

    @property
    def is_drift_judged(self) -> bool:
        """Whether there were entities and a reference enough to judge drift of any of its features."""
        return any(each.drift and each.drift.verdict in (STABLE, DRIFTED) for each in self.features)

    @property
    def broken(self) -> list[FeatureEntry]:
        """The features that break their bounds."""
        return [each for each in self.features if each.problems]

    @property
    def sets(self) -> list[str]:
        """The feature sets that read any of its features."""
        return sorted({name for each in self.features for name in each.sets})

    @property
    def models(self) -> list[str]:
        """The models trained on any of its features."""
        return sorted({name for each in self.features for name in each.models})


class ModelEntry(BaseModel):
    """The newest trained model of a task."""

    task: str
    week: date
    version: str
    feature_set: str | None = Field(description="Name and variant.")
    features: dict[str, list[str]] = Field(description="What it reads of the store, by view.")
    rows_evaluated: int | None = Field(description="The later rows that it was measured on.")
    metrics: dict[str, float | None]

    @property
    def asset(self) -> str:
        """The key of its asset."""
        return f"models/{self.task}"


class SetEntry(BaseModel):
    """One feature set, and the models trained on it."""

    name: str
    variant: str
    description: str
    features: dict[str, list[str]]
    models: list[ModelEntry]

    @property
    def full_name(self) -> str:
        """Name and variant."""
        return f"{self.name}/{self.variant}"

    @property
    def size(self) -> int:
        """How many features it has."""
        return sum(map(len, self.features.values()))
