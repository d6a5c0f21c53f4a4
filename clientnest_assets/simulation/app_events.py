"""What the app's clients tell of the simulated company: the events around its sessions, posts and AI requests.

They follow from the rows of the app's database, so they can be told at any time after those are written, and told again
they are the same. Each draw is keyed by the world's seed and a row's id, and so depends on no other row.

As from real clients, some come twice, some late, some contradict an earlier one, and a few are broken: `flaw` says which.
How they get into the platform is not decided here; `payload` is what a client would post.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.partitions import DAYS_PER_CHUNK
from clientnest_assets.simulation.world import DAY, HOUR, SECOND, FloatArray, IntArray, World, as_datetime

if TYPE_CHECKING:
    from adbc_driver_postgresql.dbapi import Cursor

_SIGN_INS = ("password", "google", "remembered")
_PAGES = ("calendar", "analytics", "inbox", "compose", "settings", "billing")
_VIEWS = ("analytics_view", "calendar_view", "best_times_view", "hashtag_search", "inbox_view")
_ERRORS = ("network_timeout", "media_upload_failed", "token_expired", "rate_limited")
_SHARES = {"click": 0.5, "second_click": 0.2, "view": 0.5, "page_load": 0.25}
"""Of the sessions in which it happens."""
_ERROR_SHARE, _SIGN_IN_PAGE_SHARE = 0.03, 0.12
_MEDIAN_PAGE_LOAD_MS = 420.0
DUPLICATE_SHARE, LATE_SHARE, CONFLICTING_SHARE, BROKEN_SHARE = 0.01, 0.005, 0.0003, 0.0005
_LATEST = 3 * DAY
_BROKEN = ("event_type", "user_id", "occurred_at", "cut")
"""What is wrong with a broken event: a type or a user that cannot be, no time, or half a payload."""

_SESSIONS = "select id, user_id, created_at, duration, device from user_sessions"
_POSTS = "select id, user_id, created_at, platform, ai_generated from social_posts"
_REQUESTS = "select id, user_id, created_at, platform, request_type from ai_requests"


def told_events(world: World, app_database_url: str, start: int, end: int) -> Iterator[pl.DataFrame]:
    """The events of what the app's database holds of a span of time, in pieces of some days.

    Args:
        world: whose rows these are.
        app_database_url: a PostgreSQL URL.
        start: the span's first moment, the beginning of a day.
        end: the first moment after it.

    Yields:
        One row a message, in the order of arrival: event_id, user_id, session_id, event_type, name, properties,
        occurred_at (microseconds), payload, and flaw: null, duplicate, conflicting, or broken with what is wrong.
    """
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(app_database_url) as connection, connection.cursor() as cursor:
        for first in range(start, end, DAYS_PER_CHUNK * DAY):
            bounds = (as_datetime(first), as_datetime(min(first + DAYS_PER_CHUNK * DAY, end)))
            sessions, posts, requests = (_rows(cursor, query, *bounds) for query in (_SESSIONS, _POSTS, _REQUESTS))
            if not sessions.is_empty():
                yield messages(world, events(world, sessions, posts, requests))


def events(world: World, sessions: pl.DataFrame, posts: pl.DataFrame, requests: pl.DataFrame) -> pl.DataFrame:
    """What happened, each once: the columns of `told_events` but for payload and flaw, and `key`, a number for each.

    Args:
        world: gives the seed.
        sessions: of whole days: id, user_id, created_at, duration, device; moments in microseconds.
        posts: of the same days: id, user_id, created_at, platform, ai_generated.
        requests: of the same days: id, user_id, created_at, platform, request_type.
    """
    told = [
        _login(world, sessions),
        _sign_in_page(world, sessions),
        *(_in_session(world, sessions, what) for what in _SHARES),
        _errors(world, sessions),
        _uses("post", sessions, posts, pl.lit("compose_post"), [_text("platform"), _truth("ai_generated")]),
        _uses("request", sessions, requests, pl.format("ai_{}", "request_type"), [_text("platform")]),
    ]
    happened = pl.concat(told)
    return happened.with_columns(event_id=_uuids(world, happened["key"].to_numpy()))


def messages(world: World, happened: pl.DataFrame) -> pl.DataFrame:
    """The events as they are sent: some of them twice, late, contradicted or broken. See `told_events`."""
    key = happened["key"].to_numpy()
    chance = _draw(world, "flaw", key)
    is_repeated = chance < DUPLICATE_SHARE
    is_contradicted = ~is_repeated & (chance < DUPLICATE_SHARE + CONFLICTING_SHARE)
    is_broken = chance > 1 - BROKEN_SHARE
    is_late = _draw(world, "late", key) < LATE_SHARE
    sent_at = happened["occurred_at"].to_numpy() + SECOND + np.where(is_late, _within(world, "delay", key, _LATEST), 0)
    how = pl.Series(_BROKEN).gather(_pick(world, "how", key, len(_BROKEN)))
    first = happened.with_columns(
        sent_at=pl.Series(sent_at), flaw=pl.when(pl.Series(is_broken)).then(pl.format("broken: {}", pl.lit(how)))
    )
    again = first.with_columns(sent_at=pl.Series(sent_at + SECOND + _within(world, "retry", key, HOUR)))
    copies = again.filter(is_repeated).with_columns(flaw=pl.lit("duplicate"))
    others = again.filter(is_contradicted).with_columns(flaw=pl.lit("conflicting"), name=pl.format("{}_2", "name"))
    sent = pl.concat([first, copies, others]).sort("sent_at", "key")
    return sent.with_columns(payload=_payload()).drop("sent_at", "key")


def _login(world: World, sessions: pl.DataFrame) -> pl.DataFrame:
    ids = sessions["id"].to_numpy()
    return _event(
        "login",
        sessions.with_columns(name=pl.Series(_SIGN_INS).gather(_pick(world, "sign_in", ids, len(_SIGN_INS)))),
        event_type="login",
        occurred_at=sessions["created_at"].to_numpy(),
        properties=[_text("device")],
    )


def _sign_in_page(world: World, sessions: pl.DataFrame) -> pl.DataFrame:
    """A click before login: nobody knows yet whose it is."""
    chosen = sessions.filter(_draw(world, "sign_in_page", sessions["id"].to_numpy()) < _SIGN_IN_PAGE_SHARE)
    start = chosen["created_at"].to_numpy()
    before = start - 2 * SECOND - _within(world, "before", chosen["id"].to_numpy(), 40 * SECOND)
    return _event(
        "sign_in_page",
        chosen.with_columns(user_id=pl.lit(None, pl.Int64), name=pl.lit("sign_in")),
        event_type="click",
        occurred_at=np.maximum(before, start // DAY * DAY),
        properties=[_text("device")],
    )


def _in_session(world: World, sessions: pl.DataFrame, what: str) -> pl.DataFrame:
    chosen = sessions.filter(_draw(world, what, sessions["id"].to_numpy()) < _SHARES[what])
    ids = chosen["id"].to_numpy()
    names = _VIEWS if what.endswith("view") else _PAGES
    picked = pl.Series(names).gather(_pick(world, f"{what} name", ids, len(names)))
    if what == "page_load":
        duration = np.exp(0.5 * _normal(world, "load time", ids)) * _MEDIAN_PAGE_LOAD_MS
        chosen = chosen.with_columns(
            name=pl.lit("page_load"), page=picked, duration_ms=pl.Series(duration).cast(pl.Int64)
        )
        properties, event_type = [_text("page"), _number("duration_ms")], "performance"
    else:
        chosen = chosen.with_columns(name=picked)
        properties, event_type = [_text("device")], "feature_used" if what.endswith("view") else "click"
    return _event(what, chosen, event_type, _moment_in(world, what, chosen), properties)


def _errors(world: World, sessions: pl.DataFrame) -> pl.DataFrame:
    chosen = sessions.filter(_draw(world, "error", sessions["id"].to_numpy()) < _ERROR_SHARE)
    picked = pl.Series(_ERRORS).gather(_pick(world, "error name", chosen["id"].to_numpy(), len(_ERRORS)))
    chosen = chosen.with_columns(name=picked)
    return _event("error", chosen, "error", _moment_in(world, "error", chosen), [_text("device")])


def _uses(
    what: str, sessions: pl.DataFrame, rows: pl.DataFrame, name: pl.Expr, properties: list[pl.Expr]
) -> pl.DataFrame:
    """The use of a feature that left a row, in the user's session begun last before it."""
    ordered = sessions.sort("user_id", "created_at")
    base = int(ordered["created_at"].to_numpy().min())
    started = _by_user_and_time(ordered, base)
    position = np.searchsorted(started, _by_user_and_time(rows, base), side="right") - 1
    used = rows.with_columns(name=name, session=ordered["id"].gather(position))
    return _event(what, used, "feature_used", rows["created_at"].to_numpy(), properties)


def _event(
    what: str, rows: pl.DataFrame, event_type: str, occurred_at: IntArray, properties: list[pl.Expr]
) -> pl.DataFrame:
    """One event a row, which has user_id and name; its session is `session`, or the row itself."""
    session = "session" if "session" in rows.columns else "id"
    return rows.select(
        key=pl.Series(_mixed(rows["id"].to_numpy().astype(np.uint64), what)),
        user_id="user_id",
        session_id=pl.format("s-{}", session),
        event_type=pl.lit(event_type),
        name="name",
        properties=pl.concat_str(pl.lit("{"), pl.concat_str(properties, separator=","), pl.lit("}")),
        occurred_at=pl.Series(occurred_at),
    )


def _payload() -> pl.Expr:
    """What a client posts: JSON. The names and values have nothing to escape."""
    is_broken = {what: pl.col("flaw") == f"broken: {what}" for what in _BROKEN}
    user = pl.when(is_broken["user_id"]).then(pl.lit("-1")).otherwise(pl.col("user_id").cast(pl.String))
    kind = pl.when(is_broken["event_type"]).then(pl.lit("swipe")).otherwise("event_type")
    time = pl.from_epoch("occurred_at", time_unit="us").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    whole = pl.concat_str(
        pl.lit('{"event_id":"'), "event_id",
        pl.lit('","user_id":'), user.fill_null("null"),
        pl.lit(',"session_id":"'), "session_id",
        pl.lit('","event_type":"'), kind,
        pl.lit('","name":"'), "name",
        pl.lit('","properties":'), "properties",
        pl.when(is_broken["occurred_at"]).then(pl.lit("")).otherwise(pl.concat_str(pl.lit(',"occurred_at":"'), time, pl.lit('"'))),
        pl.lit("}"),
    )  # fmt: skip
    return pl.when(is_broken["cut"]).then(whole.str.head(60)).otherwise(whole)


def _text(name: str) -> pl.Expr:
    value = pl.when(pl.col(name).is_null()).then(pl.lit("null")).otherwise(pl.format('"{}"', name))
    return pl.concat_str(pl.lit(f'"{name}":'), value)


def _number(name: str) -> pl.Expr:
    return pl.concat_str(pl.lit(f'"{name}":'), pl.col(name).cast(pl.String))


def _truth(name: str) -> pl.Expr:
    return pl.concat_str(pl.lit(f'"{name}":'), pl.when(name).then(pl.lit("true")).otherwise(pl.lit("false")))


def _rows(cursor: Cursor, query: str, start: datetime, end: datetime) -> pl.DataFrame:
    cursor.execute(
        f"{query} where created_at >= '{start.isoformat()}' and created_at < '{end.isoformat()}' order by id"
    )
    found: pl.DataFrame = cursor.fetch_polars()
    return found.with_columns(pl.col("created_at").dt.epoch("us"))


def _by_user_and_time(rows: pl.DataFrame, base: int) -> IntArray:
    """One number that orders by user, then by time; a month of microseconds takes 42 bits."""
    order: IntArray = (rows["user_id"].to_numpy() << 43) + (rows["created_at"].to_numpy() - base)
    return order


def _moment_in(world: World, what: str, sessions: pl.DataFrame) -> IntArray:
    share = _draw(world, f"{what} moment", sessions["id"].to_numpy())
    within: IntArray = (share * sessions["duration"].to_numpy() * SECOND).astype(np.int64)
    moments: IntArray = sessions["created_at"].to_numpy() + within
    return moments


def _draw(world: World, what: str, keys: npt.NDArray[np.integer]) -> FloatArray:
    """A number from 0 up to 1 for each key, by chance and always the same."""
    found: FloatArray = (_mixed(keys.astype(np.uint64), f"{world.seed} {what}") >> np.uint64(11)).astype(
        np.float64
    ) * 2.0**-53
    return found


def _within(world: World, what: str, keys: npt.NDArray[np.integer], span: int) -> IntArray:
    found: IntArray = (_draw(world, what, keys) * span).astype(np.int64)
    return found


def _pick(world: World, what: str, keys: npt.NDArray[np.integer], choices: int) -> IntArray:
    return _within(world, what, keys, choices)


def _normal(world: World, what: str, keys: npt.NDArray[np.integer]) -> FloatArray:
    """By Box and Muller's method."""
    radius = np.sqrt(-2 * np.log1p(-_draw(world, f"{what} radius", keys)))
    angle = 2 * np.pi * _draw(world, f"{what} angle", keys)
    found: FloatArray = (radius * np.cos(angle)).astype(np.float64)
    return found


def _uuids(world: World, keys: npt.NDArray[np.uint64]) -> pl.Series:
    """A random UUID (version 4) for each key."""
    import pyarrow as pa

    raw = np.empty((len(keys), 16), np.uint8)
    for half in range(2):
        raw[:, 8 * half : 8 * half + 8] = _mixed(keys, f"{world.seed} uuid {half}").view(np.uint8).reshape(-1, 8)
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    binary = pa.Array.from_buffers(pa.binary(16), len(keys), [None, pa.py_buffer(raw.tobytes())])
    text = pl.DataFrame({"hex": pl.Series(values=binary).bin.encode("hex")})
    parts = [pl.col("hex").str.slice(at, length) for at, length in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))]
    return text.select(pl.concat_str(parts, separator="-")).to_series()


def _mixed(keys: npt.NDArray[np.uint64], what: str) -> npt.NDArray[np.uint64]:
    """Each key scattered over all of 64 bits by the finaliser of SplitMix64 (Steele, Lea, Flood 2014), twice."""
    salt = np.uint64(zlib.crc32(what.encode()))
    with np.errstate(over="ignore"):
        mixed = keys
        for added in (salt, np.uint64(1)):
            mixed = (mixed + added) * np.uint64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            mixed ^= mixed >> np.uint64(31)
    return mixed
