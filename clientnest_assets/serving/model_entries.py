"""What is told of models: entries for a model, its weeks and what each was made of, as the API gives them.

How they are gathered is in `model_history.py`; the newest models beside their feature sets are in `catalogue_entries.py`.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

from clientnest_assets.models.model import MODEL, Metric

Outcome = Literal["promoted", "not promoted", "taken back", "not decided"]
Better = Literal["higher", "lower", "nearer to 0"]
Values = dict[str, float | None]


def comparison_of(model: str) -> str:
    """The name under which pages that compare a model's variants are kept."""
    return f"{model}_comparison"


class MetricEntry(BaseModel):
    """A number by which a model is judged."""

    name: str
    description: str
    better: Better

    def best(self, values: dict[str, float | None]) -> tuple[str, float] | None:
        """The best of the named values, and whose it is; None where there is none."""
        metric = Metric(
            self.name,
            self.description,
            higher_is_better=self.better == "higher",
            is_best_at_zero=self.better == "nearer to 0",
        )
        best: tuple[str, float] | None = None
        for name, value in values.items():
            if value is not None and (best is None or metric.better(value, best[1])):
                best = name, value
        return best


class FindingEntry(BaseModel):
    """What was looked at on later examples."""

    name: str
    passed: bool
    words: str


class ComparisonEntry(BaseModel):
    """The week's recipe, trained as far as the champion of its time was, and that champion, on what came after."""

    champion: str = Field(description="The champion's version.")
    rows: int = Field(description="How many examples; 0 where there was none to compare on.")
    loss: float | None
    champion_loss: float | None
    low: float | None = Field(description="The loss less the champion's: lower end of its 95 % interval.")
    high: float | None = Field(description="The upper end.")


class DecisionEntry(BaseModel):
    """Whether a week's model was put to use, and why."""

    outcome: Outcome
    reasons: list[str]
    by_hand: bool
    comparison: ComparisonEntry | None


class WeekEntry(BaseModel):
    """The model of one week."""

    week: date = Field(description="Its Monday: the partition.")
    version: str | None = Field(description="Null where the model's files cannot be read.")
    problem: str | None = Field(description="What is wrong with the model's files.")
    is_champion: bool = Field(description="Whether it is in use now.")
    decision: DecisionEntry
    rows_trained: int | None
    rows_evaluated: int | None = Field(description="The later examples on which its twin was judged.")
    metrics: dict[str, Values] = Field(description="On later examples, by predictor: `model`, and each naive rule.")
    findings: list[FindingEntry]

    def rules(self, metric: str) -> Values:
        """The naive rules' values in a metric."""
        return {name: values.get(metric) for name, values in self.metrics.items() if name != MODEL}

    def value(self, metric: str) -> float | None:
        """The model's own value in a metric."""
        return self.metrics.get(MODEL, {}).get(metric)


class TableEntry(BaseModel):
    """A Delta table at a version."""

    layer: str
    name: str
    version: int


class TrainingSetEntry(BaseModel):
    """The rows that were learned from: what it takes to make them again."""

    rows: int
    sha256: str
    tables: list[TableEntry] = Field(description="The examples first, then the feature views in their order.")


class MadeOf(BaseModel):
    """From what a week's model was made."""

    asset: str = Field(description="Its key in Dagster.")
    partition: date
    until: datetime = Field(description="Nothing that was known from then on was learned from.")
    inputs: list[str] = Field(description="Keys of the assets that its examples are made from.")
    feature_set: str | None = Field(description="Name and variant.")
    features: dict[str, list[str]] = Field(description="What it reads of the store, by view.")
    training_set: TrainingSetEntry | None
    fingerprint: str = Field(description="SHA-256 of all that was learned.")


class WeekDetail(WeekEntry):
    """The model of one week, and from what it was made."""

    made_of: MadeOf


class ModelSummary(BaseModel):
    """A model as declared, the one in use, and the newest."""

    name: str = Field(description="The task. Of a variant: under which its models are kept.")
    title: str
    description: str
    label: str
    horizon_days: float
    metrics: list[MetricEntry] = Field(description="The deciding one first.")
    naive_rules: dict[str, str]
    margin: float = Field(description="It may lose to the champion by this share of its loss.")
    feature_set: str | None
    variant_of: str | None = Field(description="Variants are trained beside a model, and not put to use.")
    variants: list[str]
    compared_week: date | None = Field(description="The newest week of which the variants' comparison has a page.")
    searched_week: date | None = Field(description="The newest week of which a search for parameters has a page.")
    problem: str | None = Field(description="Why it cannot be said which model is in use.")
    champion: WeekEntry | None = Field(description="The model in use.")
    newest: WeekEntry | None

    @property
    def asset(self) -> str:
        """The key of its asset."""
        return f"models/{self.name}"

    @property
    def comparison(self) -> str:
        """Under which name pages that compare its variants are kept."""
        return comparison_of(self.name)


class ModelDetail(ModelSummary):
    """A model with all of its weeks."""

    weeks: list[WeekEntry] = Field(description="Oldest first.")
