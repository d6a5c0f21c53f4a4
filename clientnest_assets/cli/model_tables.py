"""Models in the terminal: what is told of them, as tables and lines. The commands are in `models.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from clientnest_assets.lake import Lake
    from clientnest_assets.models.errors import ModelError
    from clientnest_assets.models.model import Finding, Metric, Model
    from clientnest_assets.models.promotion import Decision
    from clientnest_assets.models.retraining import Review


def told_of_all(lake: Lake, today: date) -> list[dict[str, Any]]:
    """What there is to say of every model in a line, as JSON can say it."""
    from clientnest_assets.models.registry import MODELS

    return [_told(lake, model, today) for model in MODELS.values()]


def table_of(told: Iterable[Mapping[str, Any]]) -> Table:
    """A line a model."""
    shown = Table("model", "in use", "of week", box=None)
    shown.add_column("judged by")
    shown.add_column("model", justify="right")
    shown.add_column("best rule", justify="right")
    shown.add_column("newest week")
    for each in told:
        shown.add_row(
            each["model"],
            each["champion"] or ("[red]not known[/]" if each["problem"] else "[yellow]none[/]"),
            each["champion_week"] or "-",
            each["metric"],
            _number(each["value"]),
            _number(each["best_rule"]),
            each["newest_week"] or "[yellow]no model yet[/]",
        )
    return shown


def problems_of(told: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A line a model of which it cannot be said which is in use, with the reason."""
    for each in told:
        if each["problem"]:
            yield f"[red]{each['model']}[/]: {escape(each['problem'])}"


def metrics_of(model: Model, card: Mapping[str, Any]) -> Table:
    """A line a predictor: the model, and each naive rule."""
    names = [each.name for each in model.metrics]
    shown = Table("", *names, box=None)
    for predictor, values in card["metrics"].items():
        shown.add_row(predictor, *(_number(values.get(name)) for name in names))
    return shown


def weeks_of(lake: Lake, model: Model, weeks: Iterable[date]) -> Table:
    """A line a week: how its model did on later examples, beside the best of the naive rules, and what was decided."""
    from clientnest_assets.models import promotion, store
    from clientnest_assets.models.model import MODEL

    shown = Table("week", box=None)
    shown.add_column("examples", justify="right")
    for metric in model.metrics:
        shown.add_column(metric.name, justify="right")
        shown.add_column("best rule", justify="right", style="dim")
    shown.add_column("decision")
    for week in weeks:
        card = store.read_card(lake, model.name, week)
        told = (
            (_number(card["metrics"][MODEL].get(metric.name)), _number(best_rule(model, metric, card["metrics"])))
            for metric in model.metrics
        )
        decision = promotion.decision_of(lake, model.name, week)
        shown.add_row(str(week), f"{card['rows']:,}", *(each for pair in told for each in pair), _outcome(decision))
    return shown


def decisions_of(lake: Lake, task: str, weeks: Iterable[date], champion: date | None) -> Table:
    """A line a week: what was decided of its model and why, the one in use bold."""
    shown = Table("week", "decision", "why", box=None)
    for week in weeks:
        decision = _decided(lake, task, week)
        shown.add_row(
            f"[bold]{week}[/]" if week == champion else str(week),
            _outcome(decision),
            escape("; ".join(_reasons(decision))),
        )
    return shown


def newest_outcomes(lake: Lake, model: Model) -> list[Finding]:
    """What was found of the predictions whose outcomes came to be known last; nothing where there are none."""
    import polars as pl

    from clientnest_assets.contracts import DAY
    from clientnest_assets.models.decay import SHOWN_DAYS, findings
    from clientnest_assets.models.outcomes import OUTCOMES
    from clientnest_assets.models.performance import performance_table
    from clientnest_assets.partitions import Window

    if model.name not in OUTCOMES:
        return []
    kept = performance_table(lake, model)
    days = kept.row_counts().filter(pl.col("rows") > 0)[DAY].to_list()
    if not days:
        return []
    newest = max(days)
    rows = kept.scan(Window.of_days(newest - timedelta(days=SHOWN_DAYS - 1), newest)).collect()
    return findings(rows, OUTCOMES[model.name], newest)


def lines_of(findings: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A line a finding."""
    for each in findings:
        yield f"[{'green' if each['passed'] else 'red'}]{each['name']}[/]: {escape(each['words'])}"


def requests_of(review: Review) -> Iterator[str]:
    """A line for each reason for which the model in use is to be trained again."""
    for each in review.requests:
        yield (
            f"[yellow]asks to be trained again[/], {each.reason} since {each.since}, asked on {each.asked_on} of "
            f"{each.model_version}: {escape(each.words)}"
        )
    if not review.requests:
        yield f"nothing asked for another model by the end of {review.reviewed_on}"


def best_rule(model: Model, metric: Metric, metrics: Mapping[str, Mapping[str, float | None]]) -> float | None:
    """The value of the naive rule that is best in a metric; None where no rule has one."""
    found = [value for rule in model.naive_rules if (value := metrics.get(rule, {}).get(metric.name)) is not None]
    return reduce(lambda best, value: value if metric.better(value, best) else best, found) if found else None


def _told(lake: Lake, model: Model, today: date) -> dict[str, Any]:
    from clientnest_assets.models import promotion, store
    from clientnest_assets.models.errors import ModelError
    from clientnest_assets.models.model import MODEL

    weeks = store.trained_weeks(lake, model.name)
    week, card, problem = None, None, None
    try:
        week = promotion.champion_week(lake, model.name, today)
        card = store.read_card(lake, model.name, week or weeks[-1]) if weeks else None
    except ModelError as error:
        problem = str(error)
    deciding = model.metrics[0]
    metrics = card["metrics"] if card else {}
    return {
        "model": model.name,
        "champion": f"{model.name}-{card['fingerprint'][:12]}" if card and week else None,
        "champion_week": str(week) if week else None,
        "metric": deciding.name,
        "value": metrics.get(MODEL, {}).get(deciding.name),
        "best_rule": best_rule(model, deciding, metrics),
        "newest_week": str(weeks[-1]) if weeks else None,
        "problem": problem,
    }


def _decided(lake: Lake, task: str, week: date) -> Decision | ModelError | None:
    """What was decided, or why that cannot be read."""
    from clientnest_assets.models import promotion
    from clientnest_assets.models.errors import ModelError

    try:
        return promotion.decision_of(lake, task, week)
    except ModelError as error:
        return error


def _outcome(decision: Decision | Exception | None) -> str:
    if decision is None:
        return "[dim]not decided[/]"
    if isinstance(decision, Exception):
        return "[red]cannot be read[/]"
    if decision.is_withdrawn:
        return "[yellow]taken back[/]"
    return "[green]promoted[/]" if decision.promoted else "[red]not promoted[/]"


def _reasons(decision: Decision | Exception | None) -> Iterator[str]:
    if isinstance(decision, Exception):
        yield str(decision)
    elif decision is not None:
        yield from decision.reasons
        compared = decision.comparison
        if compared and compared.loss is not None:
            yield (
                f"trained as far as the champion: loss {compared.loss:.4f}, the champion's "
                f"{compared.champion_loss:.4f}, on the {compared.rows:,} examples after that"
            )
        elif decision.promoted and not decision.reasons:
            yield "fit, and there was nothing to compare with"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
