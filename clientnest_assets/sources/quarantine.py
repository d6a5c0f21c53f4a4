"""What is in quarantine and why, and trying rows again once their contract was mended.

Rows come back from the values that quarantine kept, not from where they came from: the source may have overwritten or
deleted them since. Of files and events only the original says it all, so they are sent back through their own doors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from clientnest_assets.contracts import CONTRACTS, DAY, SOURCE, Contract
from clientnest_assets.contracts.validation import RULES, reason, validate
from clientnest_assets.lake import Lake, with_fresh_input
from clientnest_assets.partitions import Window
from clientnest_assets.sources.kept_rows import parse, read_kept
from clientnest_assets.sources.landing import QUARANTINED_AT, landed, quarantine_table, raw_table

TRIED = (
    *("nullability", "inner_nullability", "nan", "inf", "min", "max", "min_length", "max_length", "regex"),
    *("check__allowed_values", "cast", "primary_key", "version_changed", "pseudonym"),
)
"""The rules that can be judged again by the row alone. A row that breaks another one too is left as it is."""
NUMBER = "|number"
LINKED_POST = "post_id"

Links = Callable[[str, list[tuple[int, str]]], Mapping[tuple[int, str], int]]
"""Our post's id by account id and a platform's own id of the post, of those posts of a platform that are linked now."""
Arrived = Callable[["Retried"], None]


@dataclass(frozen=True)
class Retried:
    """What became of the rows of one table and source. `rows = rows_landed + rows_held + sum(left)`."""

    table: str
    source: str
    rows: int
    rows_landed: int = 0
    rows_held: int = 0
    """Raw held these rows already, alike in every value: landed by another way, or by a retry that was cut off."""
    left: Mapping[str, int] = field(default_factory=dict)
    """Rows that stay in quarantine, by reason."""
    days_changed: list[date] = field(default_factory=list)

    @property
    def rows_left(self) -> int:
        """Rows that stay in quarantine."""
        return sum(self.left.values())


def summary(lake: Lake, window: Window | None = None) -> pl.DataFrame:
    """One row per table, source and reason: `rows`, `first_day`, `last_day`, and `since`, when the first of them came."""
    found = [
        _scan(lake, contract, window)
        .group_by(SOURCE, "reason")
        .agg(
            pl.len().cast(pl.Int64).alias("rows"),
            pl.col(DAY).min().alias("first_day"),
            pl.col(DAY).max().alias("last_day"),
            pl.col(QUARANTINED_AT).min().alias("since"),
        )
        .select(pl.lit(contract.name).alias("table"), pl.all())
        for contract in CONTRACTS.values()
    ]
    return pl.concat(found).sort("table", SOURCE, pl.col("rows").neg(), "reason").collect()


def rows(
    lake: Lake,
    contract: Contract,
    *,
    window: Window | None = None,
    source: str | None = None,
    words: str | None = None,
) -> pl.LazyFrame:
    """A table's rows in quarantine, the newest first.

    Args:
        lake: where.
        contract: of the table.
        window: the days; by default all.
        source: the way in that brought them; by default any.
        words: part of a rule's name, such as "min" or "user_id|", or of the reason, such as "is missing".
    """
    found = _scan(lake, contract, window)
    if source is not None:
        found = found.filter(pl.col(SOURCE) == source)
    if words is not None:
        in_rules = pl.col(RULES).list.join(" ").str.contains(words, literal=True)
        found = found.filter(in_rules | pl.col("reason").str.contains(words, literal=True))
    return found.sort(QUARANTINED_AT, DAY, "row", descending=[True, True, False])


def retry(
    lake: Lake,
    contract: Contract,
    source: str,
    *,
    window: Window | None = None,
    links: Links = lambda _platform, _posts: {},
    arrived: Arrived = lambda _: None,
    dry_run: bool = False,
) -> Retried:
    """Lands the rows of one table and source that keep their contract now. The others stay, with their reasons as of now.

    Rows are added to raw by their key, then `arrived` is called, and only then they leave quarantine. So a retry that
    was cut off anywhere is simply given again, and in the end each row is in exactly one place.

    Args:
        lake: where.
        contract: of the table.
        source: the way in that brought the rows; not a file, and no feed of events.
        window: the days whose rows may leave; by default all. Rows of other days are looked at nevertheless: one that
            shares its key with another may not land.
        links: asked for posts that a platform's collector did not know yet.
        arrived: told what landed. May be called again, if other writers are in the way.
        dry_run: find what would become of the rows, and write nothing.
    """
    return with_fresh_input(lambda: _retry(lake, contract, source, window, links, arrived, dry_run=dry_run))


def left_alone(lake: Lake, contract: Contract, source: str, window: Window | None = None) -> Retried:
    """What `retry` says of rows that cannot be tried by their own values: all of them stay."""
    reasons = rows(lake, contract, window=window, source=source).select("reason").collect().to_series()
    return Retried(contract.name, source, reasons.len(), left=dict(reasons.value_counts(sort=True).iter_rows()))


def _scan(lake: Lake, contract: Contract, window: Window | None) -> pl.LazyFrame:
    table = quarantine_table(lake, contract)
    return table.scan(window).select(table.schema.names())


def _retry(
    lake: Lake,
    contract: Contract,
    source: str,
    window: Window | None,
    links: Links,
    arrived: Arrived,
    *,
    dry_run: bool,
) -> Retried:
    quarantine = quarantine_table(lake, contract)
    # Opened before anything is read: whatever comes in between is a conflict, and all is done again.
    handle = quarantine.open()
    kept = quarantine.scan().filter(pl.col(SOURCE) == source).collect().with_row_index(NUMBER)
    inside = pl.lit(value=True) if window is None else pl.col(DAY).is_between(window.start, window.last_day)
    judged = _judge(contract, kept, _columns(lake, contract), links)
    judged = judged.join(kept.filter(inside).select(NUMBER), on=NUMBER, how="semi")
    good = judged.filter(pl.col(RULES).list.len() == 0).drop(RULES)
    held, changed = _held(lake, contract, good, source)
    fit = good.filter(~pl.col(NUMBER).is_in([*held, *changed]))
    if not dry_run:
        fit = _land(lake, contract, fit, source)
    rules = pl.concat(
        [
            judged.filter(pl.col(RULES).list.len() > 0).select(NUMBER, RULES),
            pl.DataFrame(
                {NUMBER: changed, RULES: [["version_changed"]] * len(changed)},
                schema={NUMBER: pl.UInt32, RULES: pl.List(pl.String)},
            ),
        ]
    )
    stay = _with_rules(kept, rules).filter(~pl.col(NUMBER).is_in([*held, *fit.get_column(NUMBER)]))
    left = stay.filter(inside).get_column("reason").value_counts(sort=True)
    retried = Retried(
        table=contract.name,
        source=source,
        rows=kept.filter(inside).height,
        rows_landed=fit.height,
        rows_held=len(held),
        left=dict(left.iter_rows()),
        days_changed=_days(contract, good.filter(~pl.col(NUMBER).is_in(changed))),
    )
    if not dry_run and not stay.equals(kept):
        arrived(retried)
        span = Window.of_days(*kept.select(pl.col(DAY).min(), pl.col(DAY).max().alias("last")).row(0))
        quarantine.replace_window(handle, stay.drop(NUMBER), span, source=source, allow_empty=True)
    return retried


def _columns(lake: Lake, contract: Contract) -> pl.Schema:
    """What a kept row may hold: what its source sends, and what raw holds beyond the contract."""
    held = raw_table(lake, contract).scan().collect_schema()
    further = {name: kind for name, kind in held.items() if name not in (*contract.source_schema, DAY, SOURCE)}
    return pl.Schema({**contract.source_schema, **further})


def _judge(contract: Contract, kept: pl.DataFrame, columns: pl.Schema, links: Links) -> pl.DataFrame:
    """NUMBER, the row's typed columns and RULES, of each row that can be judged by itself: no rule, and it is good."""
    is_tried = pl.col(RULES).list.eval(pl.element().str.extract(r"([^|]*)$", 1).is_in(TRIED)).list.all()
    tried = kept.filter(is_tried)
    objects = parse(tried.get_column("row"))
    _link(contract, objects, links)
    typed = read_kept(contract, objects, columns).with_columns(tried.get_column(NUMBER))
    readable = typed.filter(pl.col(RULES).list.len() == 0).drop(RULES)
    # Of rows alike one may land; with their numbers they would only seem to share a key.
    first = readable.select(pl.struct(pl.exclude(NUMBER)).is_first_distinct()).to_series()
    repeated = readable.filter(~first).with_columns(pl.lit(["duplicate_row"]).alias(RULES))
    checked = validate(contract, readable.filter(first))
    good = checked.valid.with_columns(pl.lit([], pl.List(pl.String)).alias(RULES))
    parts = [typed.filter(pl.col(RULES).list.len() > 0), repeated, good, checked.invalid]
    return pl.concat([part.select(NUMBER, *columns, RULES) for part in parts])


def _link(contract: Contract, objects: list[dict[str, Any]], links: Links) -> None:
    """Gives posts that were not linked when their numbers were collected the ids that they are linked to now."""
    if LINKED_POST not in contract.source_schema:
        return
    waiting: dict[str, list[dict[str, Any]]] = {}
    for each in objects:
        if each.get(LINKED_POST) is None and "external_id" in each:
            waiting.setdefault(each["platform"], []).append(each)
    for platform, posts in waiting.items():
        found = links(platform, [(each["account_id"], each["external_id"]) for each in posts])
        for each in posts:
            each[LINKED_POST] = found.get((each["account_id"], each["external_id"]))


def _held(lake: Lake, contract: Contract, good: pl.DataFrame, source: str) -> tuple[list[int], list[int]]:
    """The numbers of rows that raw holds already; and of those whose key it holds with other values."""
    days = _days(contract, good)
    rows = raw_table(lake, contract).scan().filter((pl.col(SOURCE) == source) & pl.col(DAY).is_in(days))
    both = (
        rows.join(good.lazy().select(contract.key), on=contract.key, how="semi")
        .collect()
        .join(good, on=contract.key, suffix="|kept")
    )
    values = [name for name in good.columns if name not in (NUMBER, *contract.key)]
    alike = pl.all_horizontal(pl.lit(value=True), *(pl.col(name).eq_missing(pl.col(f"{name}|kept")) for name in values))
    return both.filter(alike).get_column(NUMBER).to_list(), both.filter(~alike).get_column(NUMBER).to_list()


def _land(lake: Lake, contract: Contract, fit: pl.DataFrame, source: str) -> pl.DataFrame:
    """Adds the rows to raw, a commit a month at most; returns those that were added."""
    if fit.is_empty():
        return fit
    raw = raw_table(lake, contract)
    batch = landed(contract, fit.drop(NUMBER), source)
    added = []
    for window in Window.of_days(*batch.select(pl.col(DAY).min(), pl.col(DAY).max().alias("last")).row(0)).chunks():
        part = batch.filter(pl.col(DAY).is_between(window.start, window.last_day))
        if not part.is_empty():
            _, new = raw.add_missing(raw.open(), part, window, key=contract.key, source=source)
            added.append(new.select(contract.key))
    return fit.join(pl.concat(added), on=contract.key, how="semi")


def _days(contract: Contract, good: pl.DataFrame) -> list[date]:
    return good.get_column(contract.cursor).dt.date().unique().sort().to_list()


def _with_rules(kept: pl.DataFrame, rules: pl.DataFrame) -> pl.DataFrame:
    """The kept rows with the rules that they break now, where they were judged."""
    now = rules.select(NUMBER, pl.col(RULES).list.sort().alias("now"))
    joined = kept.join(now, on=NUMBER, how="left", maintain_order="left")
    is_other = pl.col("now").is_not_null() & (pl.col("now") != pl.col(RULES).list.sort())
    return joined.with_columns(
        pl.when(is_other).then("now").otherwise(RULES).alias(RULES),
        pl.when(is_other).then(reason(pl.col("now"))).otherwise("reason").alias("reason"),
    ).drop("now")
