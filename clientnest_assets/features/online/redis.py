"""The online store in Redis: a hash a state, one packed value an entity, and one field that says which generation counts.

A value holds up to two rows, the newer first, each with the number of the publication that wrote it. A publication
writes changed rows in front of the committed ones and then sets the field `generation` to its own number: that is the
switch. Readers fetch values and generation in one command, and of each value take the newest row whose number is not
above it. Numbers are never given twice, and each publication looks at all values and mends what a killed one left
before it switches, so that what was never committed never counts.

The field `writer` holds the number given last. Each write is a script that looks at it first: a writer that was
overtaken, or whose state was removed, cannot write any more.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import polars as pl
import redis

from clientnest_assets.features.online.store import (
    LOCK_WAIT_SECONDS,
    Generation,
    HeldRow,
    OnlineStoreError,
    Position,
    Published,
    busy,
    conformed,
    outdated,
    state_name,
)
from clientnest_assets.features.view import FeatureView

GENERATION: Final = b"generation"
WRITER: Final = b"writer"
# Fields of entities are packed lists: none begins with a letter.
BOOKKEEPING: Final = (GENERATION, WRITER)
LOCK_SECONDS: Final = 30
"""A writer that says nothing for so long is taken for dead."""
FIELDS_A_STEP: Final = 500
"""Each step blocks the server: this is about a millisecond."""
POLL_SECONDS: Final = 0.05
TIMEOUT_SECONDS: Final = 10
MILLISECONDS: Final = 1000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

BEGIN: Final = """
if redis.call('exists', KEYS[2]) == 1 then return 0 end
local number = redis.call('hincrby', KEYS[1], 'writer', 1)
redis.call('set', KEYS[2], number, 'px', ARGV[2])
redis.call('sadd', KEYS[3], ARGV[1])
return number
"""
"""KEYS: state, its lock, registry. ARGV: member of the registry, lock's milliseconds. Gives the number, 0 if locked."""
WRITE: Final = """
if redis.call('hget', KEYS[1], 'writer') ~= ARGV[1] then return 0 end
redis.call('set', KEYS[2], ARGV[1], 'px', ARGV[2])
if #ARGV > 3 then redis.call(ARGV[3], KEYS[1], unpack(ARGV, 4)) end
return 1
"""
"""KEYS: state, its lock. ARGV: number, lock's milliseconds, hset or hdel, its arguments. Gives 0 if overtaken."""
END: Final = """
if redis.call('get', KEYS[2]) == ARGV[1] then redis.call('del', KEYS[2]) end
"""

Slots = list[tuple[int, bytes | None]]
"""Rows by the publications that wrote them, the newest first; None says that the entity was removed."""
_pack = msgspec.msgpack.encode
_slots = msgspec.msgpack.Decoder(Slots)
_row = msgspec.msgpack.Decoder(list[Any])


class _StoredGeneration(msgspec.Struct, array_like=True, frozen=True):
    number: int
    created_ms: int
    version: int
    as_of: int
    published_at: int
    rows: int
    newest_event_at: int | None


_generation = msgspec.msgpack.Decoder(_StoredGeneration)


class RedisStore:
    """An online store in Redis, without Redis Cluster. Several installations may share it, each in its namespace."""

    def __init__(self, url: str, namespace: str, *, lock_seconds: float = LOCK_SECONDS) -> None:
        self._url = url
        self._registry = f"clientnest:{namespace}"
        self._lock_ms = int(lock_seconds * MILLISECONDS)
        # Its annotations leave open whether an answer is bytes or text, which its options have settled.
        self._client: Any = redis.Redis.from_url(
            url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
        )
        self._begin = self._client.register_script(BEGIN)
        self._write = self._client.register_script(WRITE)
        self._end = self._client.register_script(END)

    def publish(self, view: FeatureView, rows: pl.DataFrame, position: Position) -> Published:
        """See `OnlineStore.publish`."""
        kept = conformed(view, rows)
        wanted = _packed(view, kept)
        with self._errors(), self._writer(view) as writer:
            held = self._held(view)
            if held and held.position > position:
                return Published(held, is_current=False, written=0, unchanged=0, removed=0)
            written, unchanged, removed = self._replace(writer, wanted, held.number if held else 0)
            generation = Generation(
                number=writer.number,
                position=position,
                published_at=datetime.now(UTC),
                rows=kept.height,
                newest_event_at=kept[view.event_time].max(),  # type: ignore[arg-type]
            )
            writer.set({GENERATION: _packed_generation(generation)})
            # What nobody sees any more. Left by a kill, the next publication removes it.
            writer.delete(removed)
        return Published(generation, is_current=True, written=written, unchanged=unchanged, removed=len(removed))

    def generation(self, view: FeatureView) -> Generation | None:
        """See `OnlineStore.generation`."""
        with self._errors():
            return self._held(view)

    def count(self, view: FeatureView) -> int:
        """See `OnlineStore.count`."""
        seen = set[bytes]()
        with self._errors():
            held = self._held(view)
            for field, value in self._client.hscan_iter(self._state(view), count=FIELDS_A_STEP):
                # A scan may show a field twice.
                if field not in BOOKKEEPING and held and _visible_row(value, held.number):
                    seen.add(field)
        return len(seen)

    def read(self, views: Sequence[FeatureView], entities: Sequence[Mapping[str, Any]]) -> list[list[HeldRow | None]]:
        """See `OnlineStore.read`."""
        asked = [_fields(view, entities) for view in views]
        with self._errors():
            pipeline = self._client.pipeline(transaction=False)
            for view, fields in zip(views, asked, strict=True):
                pipeline.hmget(self._state(view), [GENERATION, *dict.fromkeys(filter(None, fields))])
            answers = pipeline.execute()
        found = []
        for fields, (generation, *values) in zip(asked, answers, strict=True):
            number = _generation.decode(generation).number if generation else 0
            rows = dict(zip(dict.fromkeys(filter(None, fields)), values, strict=True))
            found.append([_visible_row(rows[field], number) if field else None for field in fields])
        return found

    def clean(self, views: Iterable[FeatureView]) -> list[str]:
        """See `OnlineStore.clean`."""
        with self._errors():
            held = self._registered()
            published = [state for state in held if self._client.hexists(self._key(state), GENERATION)]
            gone = outdated(held, published, views)
            for state in gone:
                self._client.unlink(self._key(state))
                self._client.srem(self._registry, f"{state} {held[state]}")
        return gone

    def close(self) -> None:
        """See `OnlineStore.close`."""
        self._client.close()

    def _replace(self, writer: _Writer, wanted: dict[bytes, bytes], committed: int) -> tuple[int, int, list[bytes]]:
        """Puts what differs in front of what is committed; returns how many it wrote, left, and which it takes away."""
        written, unchanged, removed, known = 0, 0, [], set[bytes]()
        for held in self._scan(writer):
            changes: dict[bytes, bytes] = {}
            never_seen = []
            for field, value in held.items():
                # A scan may show a field twice.
                if field in BOOKKEEPING or field in known:
                    continue
                known.add(field)
                slots = _slots.decode(value)
                visible = [slot for slot in slots if slot[0] <= committed][:1]
                row, now = wanted.get(field), visible[0][1] if visible else None
                if row != now:
                    changes[field] = _pack([(writer.number, row), *visible])
                    written += row is not None
                    if row is None:
                        removed.append(field)
                elif row is None:
                    never_seen.append(field)
                else:
                    unchanged += 1
                    if slots[0][0] > committed:
                        changes[field] = _pack(visible)
            writer.set(changes)
            writer.delete(never_seen)
        new = [field for field in wanted if field not in known]
        for start in range(0, len(new), FIELDS_A_STEP):
            writer.set({field: _pack([(writer.number, wanted[field])]) for field in new[start : start + FIELDS_A_STEP]})
        return written + len(new), unchanged, removed

    def _scan(self, writer: _Writer) -> Iterator[dict[bytes, bytes]]:
        """All fields of the state, step by step; the writer holds on to its lock meanwhile."""
        cursor = 0
        while True:
            cursor, found = self._client.hscan(writer.state, cursor, count=FIELDS_A_STEP)
            yield found
            writer.set({})
            if cursor == 0:
                return

    @contextmanager
    def _writer(self, view: FeatureView) -> Iterator[_Writer]:
        """The only writer of the view's state, once the one before has ended or was silent for too long."""
        state = self._state(view)
        keys = [state, _lock(state), self._registry]
        give_up_at = time.monotonic() + LOCK_WAIT_SECONDS
        while not (number := self._begin(keys, [f"{state_name(view)} {view.name}", self._lock_ms])):
            if time.monotonic() > give_up_at:
                raise OnlineStoreError(busy(view))
            time.sleep(POLL_SECONDS)
        writer = _Writer(view.name, self._write, state, int(number), self._lock_ms)
        try:
            yield writer
        finally:
            self._end(keys[:2], [writer.number])

    def _held(self, view: FeatureView) -> Generation | None:
        value = self._client.hget(self._state(view), GENERATION)
        return _unpacked_generation(value) if value else None

    def _registered(self) -> dict[str, str]:
        """The name of the view of each state that was ever begun."""
        return dict(member.decode().split(" ", 1) for member in self._client.smembers(self._registry))

    def _state(self, view: FeatureView) -> str:
        return self._key(state_name(view))

    def _key(self, state: str) -> str:
        return f"{self._registry}:{state}"

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            url, reason = urlsplit(self._url), str(error).rstrip(".")
            raise OnlineStoreError(
                f"the online store at {url.scheme}://{url.hostname}:{url.port or 6379} failed: {reason}. Look at "
                "CLIENTNEST_ONLINE_STORE_URL, and whether that Redis runs; unset, the store is in the warehouse."
            ) from error


@dataclass(frozen=True)
class _Writer:
    """Writes to one state as long as nobody has overtaken it."""

    view: str
    script: Any
    state: str
    number: int
    lock_ms: int

    def set(self, fields: Mapping[bytes, bytes]) -> None:
        self._call("hset", [part for pair in fields.items() for part in pair])

    def delete(self, fields: Sequence[bytes]) -> None:
        for start in range(0, len(fields), FIELDS_A_STEP):
            self._call("hdel", fields[start : start + FIELDS_A_STEP])

    def _call(self, command: str, arguments: Sequence[bytes]) -> None:
        if not self.script([self.state, _lock(self.state)], [self.number, self.lock_ms, command, *arguments]):
            raise OnlineStoreError(
                f"another publication of {self.view} has taken over, because this one had said nothing for "
                f"{self.lock_ms / MILLISECONDS:.0f} seconds. What was published before stands."
            )


def _lock(state: str) -> str:
    return f"{state}:lock"


def _packed(view: FeatureView, rows: pl.DataFrame) -> dict[bytes, bytes]:
    """Each entity's field and its row, packed: event time in microseconds, then the features."""
    fields = map(_pack, rows.select(view.entity_keys).rows())
    values = rows.select(pl.col(view.event_time).dt.epoch("us"), *view.feature_names)
    return dict(zip(fields, map(_pack, values.rows()), strict=True))


def _fields(view: FeatureView, entities: Sequence[Mapping[str, Any]]) -> list[bytes | None]:
    """The field of each entity; None where a key is missing."""
    keys = view.entity_keys
    found = [tuple(entity.get(key) for key in keys) for entity in entities]
    return [None if None in key else _pack(key) for key in found]


def _visible_row(value: bytes | None, number: int) -> HeldRow | None:
    if value is None:
        return None
    for written_by, row in _slots.decode(value):
        if written_by <= number:
            if row is None:
                return None
            event, *values = _row.decode(row)
            return HeldRow(EPOCH + event * MICROSECOND, values)
    return None


def _packed_generation(generation: Generation) -> bytes:
    position, newest = generation.position, generation.newest_event_at
    return _pack(
        _StoredGeneration(
            generation.number,
            position.created_ms,
            position.version,
            (position.as_of - EPOCH) // MICROSECOND,
            (generation.published_at - EPOCH) // MICROSECOND,
            generation.rows,
            None if newest is None else (newest - EPOCH) // MICROSECOND,
        )
    )


def _unpacked_generation(value: bytes) -> Generation:
    stored = _generation.decode(value)
    return Generation(
        stored.number,
        Position(stored.created_ms, stored.version, EPOCH + stored.as_of * MICROSECOND),
        EPOCH + stored.published_at * MICROSECOND,
        stored.rows,
        None if stored.newest_event_at is None else EPOCH + stored.newest_event_at * MICROSECOND,
    )
