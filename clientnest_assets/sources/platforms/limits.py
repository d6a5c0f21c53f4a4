"""What platforms say in their headers about when to ask again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

META_HEADERS = ("X-App-Usage", "X-Page-Usage", "X-Business-Use-Case-Usage")
META_PERCENT = ("call_count", "total_cputime", "total_time")
ALL_USED = 100
LONGEST_WAIT = timedelta(days=366)
"""A platform's word that says more is no wait that anybody means; it is still too long to wait."""
META_USUAL_WAIT = timedelta(minutes=10)
"""When usage has reached its limit and the header gives no time."""


def retry_after(response: httpx.Response, now: datetime) -> datetime | None:
    """`Retry-After` (RFC 9110 section 10.2.3): seconds, or a date."""
    said = str(response.headers.get("retry-after", "")).strip()
    if said.isdecimal():
        return now + timedelta(seconds=min(int(said), LONGEST_WAIT.total_seconds()))
    try:
        moment: datetime = parsedate_to_datetime(said)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def window_reset(response: httpx.Response, now: datetime) -> datetime | None:
    """X's `x-rate-limit-remaining` and `x-rate-limit-reset`: nothing remains until that second since 1970."""
    if (waits := retry_after(response, now)) is not None:
        return waits
    reset = response.headers.get("x-rate-limit-reset", "")
    if response.headers.get("x-rate-limit-remaining") != "0" or not reset.isdecimal():
        return None
    return datetime.fromtimestamp(min(int(reset), (now + LONGEST_WAIT).timestamp()), UTC)


def meta_usage(response: httpx.Response, now: datetime) -> datetime | None:
    """Meta's usage headers: the minutes until access is regained, or else a usual wait where all that is allowed is used."""
    usages = list(_meta_usages(response))
    minutes = max((_number(each.get("estimated_time_to_regain_access")) for each in usages), default=0.0)
    told = retry_after(response, now)
    if minutes > 0:
        regained = now + timedelta(minutes=min(minutes, LONGEST_WAIT / timedelta(minutes=1)))
        return max(regained, told) if told else regained
    if told is None and any(_number(each.get(name)) >= ALL_USED for each in usages for name in META_PERCENT):
        return now + META_USUAL_WAIT
    return told


def _meta_usages(response: httpx.Response) -> Iterator[dict[str, Any]]:
    for name in META_HEADERS:
        try:
            yield from _usages(json.loads(response.headers.get(name, "{}")))
        except ValueError:
            continue


def _usages(said: Any) -> Iterator[dict[str, Any]]:
    """The objects with numbers: the header's own, or those in lists by business."""
    if not isinstance(said, dict):
        return
    yield said
    for each in said.values():
        if isinstance(each, list):
            yield from (usage for usage in each if isinstance(usage, dict))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
