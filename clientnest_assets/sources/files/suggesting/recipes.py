"""The tables that each kind of export becomes.

Posts have a file of their own, `posts.py`. Which kind a file is, is found in `kinds.py`; how cells are made is in
`draft.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from clientnest_assets.contracts.app import SENTIMENTS, SUBSCRIPTION_EVENTS, TIERS
from clientnest_assets.sources.files.suggesting.columns import Column
from clientnest_assets.sources.files.suggesting.draft import Cell, Draft
from clientnest_assets.sources.files.suggesting.posts import posts
from clientnest_assets.sources.files.suggesting.whens import moment

WORDS_OF_EVENTS = {
    "start": ("start", "new", "trial", "subscribe", "subscribed", "created", "signup", "activation"),
    "upgrade": ("upgrade", "upgraded", "expansion"),
    "downgrade": ("downgrade", "downgraded", "contraction"),
    "renew": ("renew", "renewal", "renewed", "charge", "payment", "invoice", "reactivation"),
    "cancel": ("cancel", "canceled", "cancelled", "churn", "churned", "expired", "cancellation"),
}
WORDS_OF_TIERS = {tier: (tier,) for tier in TIERS} | {
    "free": ("free", "trial", "none"),
    "starter": ("starter", "basic", "bronze", "hobby"),
    "professional": ("professional", "pro", "standard", "plus", "silver"),
    "business": ("business", "team", "premium", "gold"),
}
WORDS_OF_SENTIMENTS = {
    SENTIMENTS[0]: ("positive", "pos", "1", "4"),
    SENTIMENTS[1]: ("neutral", "neu", "0", "2"),
    SENTIMENTS[2]: ("negative", "neg", "-1"),
}
assert set(WORDS_OF_EVENTS) == set(SUBSCRIPTION_EVENTS)
UNKNOWN = "unknown"


def ai(draft: Draft) -> None:
    """A log of requests to a language model."""
    # The parts first: "tokens" alone, the whole, is in their names too.
    parts = [draft.take(role, is_integer=True) for role in ("tokens_in", "tokens_out")]
    total = draft.take("tokens_total", is_integer=True, by_name=any(parts))
    tokens = [*parts, total]
    cost, request = draft.take("cost", is_number=True), draft.take("request_id")
    when, user = moment(draft), draft.take("ai_user")
    told = [each for each in (when.column, *tokens, user, draft.columns.find("model")) if each]
    identity = draft.identity(request, told)
    who = draft.person(user, "user")
    counted = [each for each in ([total] if total else parts) if each]
    used = (
        Cell(counted[0].name)
        if len(counted) == 1
        else Cell({"sum": {each.name: 1 for each in counted}}, "read and written together")
    )
    free = "the file has no cost: with a price a token, write such as sum: {tokens: 0.000003}"
    draft.description = "Requests to a language model, one row a request."
    draft.tables["ai_requests"] = {
        "id": identity,
        "user_id": who,
        "request_type": Cell(
            {"constant": "content_generation"}, draft.edit("what the requests were for; see the docs")
        ),
        "status": Cell({"constant": "completed"}),
        "created_at": when.cell,
        "updated_at": when.cell,
    }
    draft.tables["ai_usage_logs"] = {
        "id": identity,
        "request_id": identity,
        "user_id": who,
        "tokens_used": used,
        "cost": Cell(cost.name) if cost else Cell({"constant": 0}, free),
        "timestamp": when.cell,
    }


def tickets(draft: Draft) -> None:
    """Support tickets."""
    ticket, resolved = draft.take("ticket_id"), draft.take("resolved_at", is_time=True)
    updated = draft.take("updated_at", is_time=True)
    when, customer = moment(draft, "joined_at", "published_at"), draft.take("customer")
    category, priority = draft.take("ticket_category", is_text=True), draft.take("priority")
    status = draft.take("status", is_text=True)
    draft.description = "Support tickets, one row a ticket."
    draft.tables["support_tickets"] = {
        "id": draft.identity(ticket, [each for each in (when.column, customer, category) if each]),
        "user_id": draft.person(customer, "customer"),
        "category": _or_constant(category, UNKNOWN),
        "priority": _or_constant(priority, "medium"),
        "status": _or_constant(status, "closed"),
        "created_at": when.cell,
        **({"resolved_at": draft.time(resolved)} if resolved else {}),
        "updated_at": draft.time(updated) if updated and updated.share_filled == 1 else when.cell,
    }


def subscriptions(draft: Draft) -> None:
    """Changes of customers' plans."""
    event, to, came = draft.take("subscription_event", is_text=True), draft.take("to_tier"), draft.take("from_tier")
    amount, customer, when = draft.take("amount", is_number=True), draft.take("customer"), moment(draft)
    order = draft.take("order_id") or draft.take("record_id", by_name=True)
    cells = {
        "id": draft.identity(order, [each for each in (when.column, customer, event, to, amount) if each]),
        "user_id": draft.person(customer, "customer"),
        "event": (draft.choice(event, WORDS_OF_EVENTS, "renew") if event else None)
        or Cell({"constant": "start"}, draft.edit("the file does not say what happened; taken as the start of a plan")),
    }
    for name, column in (("from_tier", came), ("to_tier", to)):
        cell = draft.choice(column, WORDS_OF_TIERS, "starter") if column else None
        if column and cell is None:
            draft.notes.append(f"{column.name}: none of its plans is one of ours ({', '.join(TIERS)}); give `values`")
        if cell:
            cells[name] = cell
    cells["mrr"] = Cell(amount.name) if amount else Cell({"constant": 0}, draft.edit("the file has no amounts"))
    draft.description = "Changes of customers' plans, one row a change."
    draft.tables["subscription_events"] = {**cells, "occurred_at": when.cell}


def purchases(draft: Draft) -> None:
    """Customers' purchases: each a visit, and a payment."""
    amount, quantity = draft.take("amount", is_number=True), draft.take("quantity", is_integer=True)
    customer, order, when = draft.take("customer"), draft.take("order_id"), moment(draft)
    order = order or draft.take("record_id", by_name=True)
    told = [each for each in (customer, when.column, amount, quantity, order) if each]
    rest = [each for each in draft.columns.all if each not in told]
    identity = draft.identity(order if order and order.is_unique else None, [*told, *rest])
    who = draft.person(customer, "customer")
    remark = draft.edit("each purchase stands as a renewal of a plan and a visit, its amount as the revenue a month")
    draft.description = "Customers' purchases, one row a purchase."
    draft.tables["subscription_events"] = {
        "id": identity,
        "user_id": who,
        "event": Cell({"constant": "renew"}, remark),
        "mrr": Cell(amount.name) if amount else Cell({"constant": 0}, draft.edit("the file has no amounts")),
        "occurred_at": when.cell,
    }
    draft.tables["user_sessions"] = {"id": identity, "user_id": who, "created_at": when.cell}


def sessions(draft: Draft) -> None:
    """Visits."""
    session, duration = draft.take("session_id"), draft.take("duration")
    device, address = draft.take("device", is_text=True), draft.take("ip_address")
    when, customer = moment(draft), draft.take("customer")
    cells = {
        "id": draft.identity(session, [each for each in (when.column, customer, device) if each]),
        "user_id": draft.person(customer, "user"),
        "created_at": when.cell,
    }
    if duration and duration.is_integer:
        cells["duration"] = Cell(duration.name, "taken as seconds")
    elif duration:
        draft.notes.append(f"{duration.name} is no whole number of seconds ({duration.distinct[0]!r}) and is left out")
    cells |= {name: Cell(column.name) for name, column in (("device", device), ("ip_address", address)) if column}
    draft.description = "Visits, one row a visit."
    draft.tables["user_sessions"] = cells


def comments(draft: Draft) -> None:
    """What people wrote under posts, and how it was judged."""
    comment, text = (
        draft.take("comment_id"),
        draft.take("comment_text", is_text=True) or draft.take("text", is_text=True),
    )
    post, sentiment, when = draft.take("parent_post"), draft.take("sentiment"), moment(draft)
    identity = draft.identity(comment, [each for each in (when.column, post, text) if each])
    cells = {
        "id": identity,
        "account_id": draft.person(None, "account"),
        "created_at": when.cell,
    }
    if post:
        cells["post_id"] = draft.identity(post, [post])
    if text:
        cells["content"] = Cell(text.name)
    draft.description = "Comments, one row a comment."
    draft.tables["social_comments"] = cells
    judged = draft.choice(sentiment, WORDS_OF_SENTIMENTS, "neutral") if sentiment else None
    if judged:
        draft.tables["sentiment_analysis"] = {
            "id": identity,
            "comment_id": identity,
            "sentiment": judged,
            "created_at": when.cell,
        }


def users(draft: Draft) -> None:
    """People."""
    email, name, seen = (
        draft.take("email"),
        draft.take("full_name", is_text=True),
        draft.take("last_login", is_time=True),
    )
    when, customer = moment(draft, "joined_at", "published_at"), draft.take("customer")
    tier, country, zone = draft.take("to_tier"), draft.take("country", is_text=True), draft.take("timezone")
    plan = draft.choice(tier, WORDS_OF_TIERS, "free") if tier else None
    cells = {
        "id": draft.person(customer or email, "user"),
        "email": Cell(email.name) if email else Cell({"constant": UNKNOWN}),
        "subscription_tier": plan or Cell({"constant": "free"}, draft.edit("the file has no plan that is one of ours")),
        "date_joined": when.cell,
        "is_active": Cell({"constant": True}),
        "timezone": _or_constant(zone, "UTC"),
        "updated_at": when.cell,
    }
    cells |= {ours: Cell(column.name) for ours, column in (("full_name", name), ("country", country)) if column}
    if seen:
        cells["last_login"] = draft.time(seen)
    draft.description = "Users, one row a user."
    draft.tables["auth_user"] = cells


def account_metrics(draft: Draft) -> None:
    """The audience of accounts over time."""
    counts = {f"{role}_count" if role != "posts_count" else role: draft.count(role) for role in AUDIENCE}
    when, author = moment(draft, "collected_at", "published_at"), draft.take("author")
    draft.description = "Followers of accounts, one row an account and day."
    draft.tables["account_metrics"] = {
        "id": draft.identity(None, [each for each in (when.column, author) if each]),
        "account_id": draft.person(author, "account"),
        "collected_at": when.cell,
        **{name: cell for name, cell in counts.items() if cell},
    }


def events(draft: Draft) -> None:
    """Events of an app or a site."""
    event, name = draft.take("event_id"), draft.take("event_name", is_text=True)
    when, customer, session = moment(draft), draft.take("customer"), draft.take("session_id")
    told = [each for each in (when.column, customer, session, name, event) if each]
    _app_events(draft, told, when.cell, Cell(name.name) if name else Cell("$file"), "feature_used", customer, session)


def series(draft: Draft) -> None:
    """Numbers over time that are nothing we know: kept as measurements."""
    when = moment(draft)
    numbers = [each for each in draft.columns.all if each.is_number and each.name not in draft.used]
    draft.edit(
        f"no table is for {', '.join(each.name for each in numbers[:5])}: kept as events of the kind performance"
    )
    told = [each for each in (when.column, *numbers) if each]
    _app_events(draft, told, when.cell, Cell("$file"), "performance", None, None)


AUDIENCE = ("followers", "following", "posts_count")
RECIPES: dict[str, Callable[[Draft], None]] = {
    each.__name__: each
    for each in (
        posts,
        ai,
        tickets,
        subscriptions,
        purchases,
        sessions,
        comments,
        users,
        account_metrics,
        events,
        series,
    )
}


def _app_events(
    draft: Draft, told: list[Column], when: Cell, name: Cell, kind: str, customer: Column | None, session: Column | None
) -> None:
    identity = draft.identity(None, told).spec
    # Text could hold quotes, which would break the JSON.
    others = [
        each
        for each in draft.columns.all
        if each.name not in draft.used and each.is_number and set(each.name).isdisjoint('{}"\\')
    ]
    given = [
        f'"{each.name}": {{{each.name}}}' if _is_plain(each) else f'"{each.name}": "{{{each.name}}}"' for each in others
    ]
    cells = {
        "event_id": Cell(identity),
        "event_type": Cell({"constant": kind}, "login, feature_used, click, error or performance"),
        "name": name,
        "occurred_at": when,
        "received_at": when,
    }
    if customer:
        cells["user_id"] = draft.person(customer, "user")
    if session:
        cells["session_id"] = Cell(session.name)
    if given:
        for each in others:
            draft.use(each)
        cells["properties"] = Cell({"template": "{{" + ", ".join(given) + "}}"})
    draft.description = "Events, one row an event."
    draft.tables["app_events"] = cells


def _is_plain(column: Column) -> bool:
    return bool(column.texts.str.contains(r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$").all())


def _or_constant(column: Column | None, otherwise: str) -> Cell:
    if column is None:
        return Cell({"constant": otherwise}, "the file does not say")
    return Cell(column.name) if column.share_filled == 1 else Cell({"column": column.name, "default": otherwise})
