"""What kind of export a file is, by what its columns are called and hold."""

from __future__ import annotations

from clientnest_assets.sources.files.suggesting.columns import WITHIN, Columns, resemblance
from clientnest_assets.sources.files.suggesting.posts import METRICS


def kind_of(columns: Columns) -> dict[str, float]:
    """How much the file is like each kind of export that we know, the likeliest first; only those that are likely."""

    def has(role: str, **must: bool) -> bool:
        found = columns.find(role, taken=frozenset(), by_name=False, **must)
        return found is not None and resemblance(found.words, role) >= WITHIN

    def named(role: str) -> bool:
        """Its very name, not only words of it."""
        return columns.find(role, by_name=True) is not None

    metrics = sum(has(role, is_integer=True) for role in METRICS)
    text, time = has("text", is_text=True), any(column.time for column in columns.all)
    ticket = any("ticket" in column.words for column in columns.all)
    scores = {
        "posts": 2.0 * metrics + 2 * text + has("url", is_url=True) + has("media_type", is_text=True),
        "ai": 8.0 * any(has(role, is_integer=True) for role in ("tokens_in", "tokens_out", "tokens_total")),
        "tickets": 3.0 * has("priority")
        + 4 * ticket
        + 2 * has("resolved_at", is_time=True)
        + has("status", is_text=True),
        "subscriptions": 4.0 * has("to_tier", is_text=True) + 3 * has("from_tier") + 2 * has("amount", is_number=True),
        "purchases": (
            3.0 * has("amount", is_number=True) + 2 * has("quantity", is_integer=True) + 3 * has("order_id") + 2
        )
        * (has("customer") and time),
        "sessions": 5.0 * named("session_id") + 3 * has("duration") + 2 * has("device") + 2 * has("ip_address"),
        "comments": 5.0 * has("comment_id") + 5 * has("comment_text", is_text=True) + 2 * has("sentiment"),
        "users": 3.0 * has("email") + 2 * named("joined_at") + 2 * has("last_login", is_time=True),
        "account_metrics": 3.0 * has("followers", is_integer=True)
        + 2 * has("following", is_integer=True)
        + has("posts_count", is_integer=True)
        - 3 * text,
        "events": 5.0 * has("event_name", is_text=True) + 3 * named("event_id") + time,
        "series": 1.0 * (time and any(column.is_number and not column.time for column in columns.all)),
    }
    if not text and not has("url") and metrics < 2:
        scores["posts"] = 0.0
    likely = {kind: score for kind, score in scores.items() if score >= (1 if kind == "series" else 4)}
    return dict(sorted(likely.items(), key=lambda item: -item[1]))
