"""Asks for one account and its posts, page by page, and reads the numbers out of the answers by the version's fields.

How often and when a question is put again is decided in `client.py`; what becomes of the numbers in `rows.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import polars as pl

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.sources.platforms.client import AccountError, Client, PostponedError
from clientnest_assets.sources.platforms.spec import (
    Asked,
    Field,
    Json,
    Kind,
    Platform,
    Request,
    Version,
    inside,
)

MOST_PAGES = 2000
"""More pages of one account's last weeks are a paging that goes round in circles."""
INT64 = range(-(2**63), 2**63)
POSTS, ACCOUNTS = "post_metrics", "account_metrics"


@dataclass(frozen=True)
class Observation:
    """What the platform said of one post or account."""

    external_id: str
    values: dict[str, float | None]
    """Numbers by column; null what the platform does not give, or what could not be read."""
    rules: list[str]
    """Why numbers could not be read: `<column>|cast` or `<column>|missing_field`."""
    originals: dict[str, Any]
    """Of each column that could not be read, what stood in the answer instead."""


@dataclass
class Answers:
    """What came of one account. If `stopped` says why it is not all, what came before that is true all the same."""

    account: Observation | None = None
    posts: list[Observation] = field(default_factory=list)
    repeated: int = 0
    """Posts that came on two pages, because newer ones moved them along; the first answer counts."""
    unanswered: int = 0
    """Posts that the platform lists and has no statistics of."""
    stopped: AccountError | PostponedError | None = None

    @property
    def rows(self) -> int:
        """Rows for both tables."""
        return len(self.posts) + (self.account is not None)


def ask_account(client: Client, platform: Platform, asked: Asked) -> Answers:
    """Everything of one account: its own numbers, and those of its posts since `asked.since`. Never raises for the account."""
    answers = Answers()
    try:
        answers.account = client.ask(
            platform.account(asked),
            lambda body: _observed(
                ACCOUNTS, asked.external_id, asked.fields.account, platform.account_values(asked, body)
            ),
        )
        seen: set[str] = set()
        for page in _pages(client, platform, asked):
            fresh = {external_id: item for external_id, item in page.items() if external_id not in seen}
            answers.repeated += len(page) - len(fresh)
            seen |= fresh.keys()
            numbers = _numbers(client, platform, asked, fresh)
            answers.unanswered += len(fresh) - len(numbers)
            answers.posts += [_observed(POSTS, each, asked.fields.posts, item) for each, item in numbers.items()]
        _require_fields(answers, asked)
    except (AccountError, PostponedError) as stopped:
        answers.stopped = stopped
    return answers


def _pages(client: Client, platform: Platform, asked: Asked) -> Iterator[dict[str, Json]]:
    """The posts of the window, page by page, by external id."""

    def read(body: Json) -> tuple[dict[str, Json], bool, Request | None]:
        items = [(*platform.identity(item), platform.prepared(item)) for item in platform.items(body)]
        recent = {external_id: item for external_id, published_at, item in items if published_at >= asked.since}
        all_older = bool(items) and not recent
        return recent, all_older, platform.following(request, body)

    request = platform.posts(asked)
    for _ in range(MOST_PAGES):
        recent, all_older, following = client.ask(request, read)
        yield recent
        if following is None or all_older:
            return
        if following == request:
            raise AccountError(Kind.MALFORMED, f"{request.path.partition('?')[0]}: a page is followed by itself")
        request = following
    raise AccountError(Kind.MALFORMED, f"{request.path.partition('?')[0]}: more than {MOST_PAGES} pages")


def _numbers(client: Client, platform: Platform, asked: Asked, items: dict[str, Json]) -> Mapping[str, Json]:
    """The objects that hold the posts' numbers: the listed ones, or those of a second question."""
    statistics = platform.statistics
    if statistics is None:
        return items
    found: dict[str, Json] = {}
    ids = list(items)
    for start in range(0, len(ids), statistics.size):
        for request in statistics.requests(asked, ids[start : start + statistics.size]):
            found.update(client.ask(request, statistics.read))
    return {external_id: found[external_id] for external_id in ids if external_id in found}


def _observed(table: str, external_id: str, fields: Mapping[str, Field], values: Json) -> Observation:
    types = CONTRACTS[table].source_schema
    read: dict[str, float | None] = {}
    rules: list[str] = []
    originals: dict[str, Any] = {}
    for column, each in fields.items():
        try:
            read[column] = _number(each, values, types[column])
        except KeyError:
            rules.append(f"{column}|missing_field")
        except ValueError as error:
            rules.append(f"{column}|cast")
            originals[column] = error.args[0]
    return Observation(external_id, read, rules, originals)


def _number(each: Field, values: Json, dtype: pl.DataType) -> float | None:
    """The sum over the field's paths.

    Raises:
        KeyError: if a path ends in nothing, and that means an error.
        ValueError: with what stands there, if it is no number of the type.
    """
    found = []
    for path in each.paths:
        try:
            found.append(inside(values, path))
        except KeyError:
            if each.absent == "error":
                raise
            found.append(None if each.absent == "null" else 0)
    if any(value is None for value in found):
        return None
    original = found[0] if len(found) == 1 else dict(zip(each.paths, found, strict=True))
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in found):
        raise ValueError(original)
    total: float = sum(found)
    if not isfinite(total):
        raise ValueError(str(original))
    if isinstance(dtype, pl.Float64):
        return float(total)
    if total != int(total) or int(total) not in INT64:
        raise ValueError(original)
    return int(total)


def _require_fields(answers: Answers, asked: Asked) -> None:
    """Raises an AccountError that names every declared field that an answer lacks. The rows are in quarantine then."""
    observed = [("posts", each) for each in answers.posts]
    observed += [("account", answers.account)] if answers.account else []
    lacking = Counter(
        _path(asked.fields, what, rule.partition("|")[0])
        for what, each in observed
        for rule in each.rules
        if rule.endswith("|missing_field")
    )
    if lacking:
        told = ", ".join(f"{path} in {count} of {len(observed)}" for path, count in sorted(lacking.items()))
        raise AccountError(
            Kind.MALFORMED,
            f"version {asked.version} should have, and the answers lack: {told}. If the platform has renamed it, another "
            "version of it must be configured",
        )


def _path(fields: Version, what: str, column: str) -> str:
    return "+".join((fields.posts if what == "posts" else fields.account)[column].paths)
