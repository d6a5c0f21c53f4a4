"""PostgreSQL's logical replication messages, decoded a batch at a time: bytes in, columns of text out.

The plugin is pgoutput, protocol version 1 (any server from 10 on), values as text. Layouts: PostgreSQL's documentation,
"Logical Replication Message Formats". A batch is decoded column by column over all rows at once. What the texts mean
as types is in `values.py`, what the changes mean for a table in `resolving.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from clientnest_assets.errors import ClientNestError

PROTOCOL_VERSION = 1
POSTGRES_EPOCH_US = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000

POSITION = "|position"
"""Where in the stream a change stands."""
TRANSACTION = "|transaction"
"""Id of the transaction that made the change."""
COMMITTED_AT = "|committed_at"
OPERATION = "|operation"
"""I, U or D: insert, update, delete."""
OLD_KEY = "|old_key"
"""The key before the change, as text, where it was sent: of deletes, and of updates that changed the key."""
META = pl.Schema(
    {
        POSITION: pl.Int64(),
        TRANSACTION: pl.Int64(),
        COMMITTED_AT: pl.Datetime("us", "UTC"),
        OPERATION: pl.String(),
        OLD_KEY: pl.String(),
    }
)
"""The columns before those of the table."""
UNCHANGED = "|unchanged|"
"""Prefix of the flags of a column's values that stayed as they were and, being stored apart (TOAST), were not sent."""

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

INLINE_BYTES = 12
"""Texts up to this length stand in an Arrow view itself; of longer ones the first four bytes do."""


class ProtocolError(ClientNestError):
    """A message is not what the protocol says."""


@dataclass(frozen=True)
class Relation:
    """A table as it was when the changes after it were made."""

    oid: int
    name: str
    columns: tuple[str, ...]
    types: tuple[tuple[int, int], ...]
    """Oid and modifier of each column's type."""


@dataclass(frozen=True)
class Rows:
    """Changes of one table. Grain: a change. META, then the columns' texts (of a delete none), then UNCHANGED flags."""

    relation: Relation
    frame: pl.DataFrame


@dataclass(frozen=True)
class Truncation:
    """A TRUNCATE of some tables, by oid."""

    tables: tuple[int, ...]
    position: int
    transaction: int
    committed_at: datetime


@dataclass(frozen=True)
class _Cells:
    """One column of some tuples: what kind of value each is (n, t or u), and where its text lies."""

    kinds: Bytes
    starts: Numbers
    lengths: Numbers

    def where_sent(self, before: _Cells) -> _Cells:
        """These values, and in place of unchanged ones those before."""
        sent = self.kinds != ord("u")
        return _Cells(
            np.where(sent, self.kinds, before.kinds),
            np.where(sent, self.starts, before.starts),
            np.where(sent, self.lengths, before.lengths),
        )


@dataclass
class Decoder:
    """Reads the messages of one pass over a slot, batch after batch. Transactions come whole, one after another."""

    keys: Mapping[int, str]
    """The key column of each table, by oid. Changes of other tables are passed over."""
    messages: int = 0
    """Messages read so far."""
    changes: int = 0
    """Rows inserted, updated or deleted, and truncations, read so far."""
    end_lsn: int = 0
    """Where the last transaction ends."""
    committed_at: datetime | None = None
    """When the last transaction was committed."""
    _relations: dict[int, Relation] = field(default_factory=dict)
    _transaction: tuple[int, int] = (0, 0)
    """Id and commit time, in microseconds since POSTGRES_EPOCH, of the transaction that the next message belongs to."""

    def decode(self, messages: pa.BinaryArray) -> Iterator[Rows | Truncation]:
        """The changes in the next messages: those that are alike in table and shape together.

        Raises:
            ProtocolError: if a message is of a kind that was not asked for.
        """
        batch = _Batch.of(messages)
        unknown = ~batch.are(b"BCORTYIUD")
        if unknown.any():
            raise ProtocolError(f"pgoutput sent a message of kind {chr(batch.kinds[unknown][0])!r}, not asked for.")
        first, self.messages = self.messages, self.messages + len(messages)
        self.changes += int(batch.are(b"IUDT").sum())
        ids, times = self._transactions(batch)
        for relation, operation, first_tuple, chosen in self._groups(batch):
            key = self.keys[relation.oid]
            meta = {POSITION: first + chosen, TRANSACTION: ids[chosen], COMMITTED_AT: _moments(times[chosen])}
            frame = pl.DataFrame(meta).with_columns(pl.lit(operation).alias(OPERATION))
            yield Rows(relation, frame.hstack(_values(batch, chosen, relation, key, operation, first_tuple)))
        for index in np.flatnonzero(batch.are(b"T")):
            message = messages[int(index)].as_py()
            (count,) = struct.unpack_from(">I", message, 1)
            tables = tuple(oid for oid in struct.unpack_from(f">{count}I", message, 6) if oid in self.keys)
            when = _moments(times[index : index + 1]).item()
            yield Truncation(tables, first + int(index), int(ids[index]), when)

    def _transactions(self, batch: _Batch) -> tuple[Numbers, Numbers]:
        """Id and commit time of each message's transaction; notes where the last one ends."""
        begins, commits = np.flatnonzero(batch.are(b"B")), np.flatnonzero(batch.are(b"C"))
        ids = np.concatenate([[self._transaction[0]], batch.integers(batch.starts[begins] + 17, 4)])
        times = np.concatenate([[self._transaction[1]], batch.integers(batch.starts[begins] + 9, 8)])
        self._transaction = int(ids[-1]), int(times[-1])
        if len(commits):
            last = batch.starts[commits[-1:]]
            self.end_lsn = int(batch.integers(last + 10, 8)[0])
            self.committed_at = _moments(batch.integers(last + 18, 8)).item()
        number = np.cumsum(batch.are(b"B"))
        return ids[number], times[number]

    def _groups(self, batch: _Batch) -> Iterator[tuple[Relation, str, str, Numbers]]:
        """Relation, operation, letter of the first tuple (N, K or O), and the messages that have them."""
        # A table's description holds for the changes after it, until the next one. They are few.
        described = {oid: [(-1, relation)] for oid, relation in self._relations.items()}
        for index in np.flatnonzero(batch.are(b"R")):
            relation = _relation(batch.array[int(index)].as_py())
            self._relations[relation.oid] = relation
            described.setdefault(relation.oid, []).append((int(index), relation))
        rows = np.flatnonzero(batch.are(b"IUD"))
        oids = batch.integers(batch.starts[rows] + 1, 4)
        shapes = batch.kinds[rows].astype(np.int64) * 256 + batch.data[batch.starts[rows] + 5]
        for oid in self.keys:
            relations = described.get(oid, [])
            version = np.searchsorted([index for index, _ in relations], rows) - 1
            mine = oids == oid
            for shape, number in set(zip(shapes[mine].tolist(), version[mine].tolist(), strict=True)):
                chosen = rows[mine & (shapes == shape) & (version == number)]
                yield relations[number][1], chr(shape // 256), chr(shape % 256), chosen


@dataclass(frozen=True)
class _Batch:
    """Messages as bytes in a row: where each begins, and its kind."""

    array: pa.BinaryArray
    data: Bytes
    starts: Numbers
    kinds: Bytes

    @classmethod
    def of(cls, messages: pa.BinaryArray) -> _Batch:
        _, offsets, data = messages.buffers()
        places = np.frombuffer(offsets, np.int32)[messages.offset : messages.offset + len(messages)]
        content = np.frombuffer(data or b"", np.uint8)
        starts = places.astype(np.int64)
        return cls(messages, content, starts, content[starts])

    def are(self, kinds: bytes) -> npt.NDArray[np.bool_]:
        """For each message whether it is of one of the kinds."""
        return np.isin(self.kinds, np.frombuffer(kinds, np.uint8))

    def integers(self, at: Numbers, size: int) -> Numbers:
        """Big-endian numbers at these places: of 4 bytes without a sign, of 8 with."""
        numbers = self.data[at[:, None] + np.arange(size)].view({4: ">u4", 8: ">i8"}[size])
        return np.asarray(numbers.ravel(), np.int64)

    def tuples(self, at: Numbers, width: int) -> tuple[list[_Cells], Numbers]:
        """The cells of tuples of one width, column by column, and where the tuples end."""
        place = at + 2
        columns = []
        for _ in range(width):
            kinds = self.data[place]
            is_text = kinds == ord("t")
            lengths = np.zeros(len(at), np.int64)
            lengths[is_text] = self.integers(place[is_text] + 1, 4)
            columns.append(_Cells(kinds, place + 5, lengths))
            place = place + 1 + np.where(is_text, 4 + lengths, 0)
        return columns, place

    def texts(self, cells: _Cells) -> pl.Series:
        """The cells as texts, null where they are null or unchanged. Long ones are views into the messages, not copies."""
        views = np.zeros((len(cells.starts), 16), np.uint8)
        words = views.view(np.int32)
        words[:, 0] = cells.lengths
        is_long = cells.lengths > INLINE_BYTES
        shown = np.arange(INLINE_BYTES) < np.where(is_long, 4, cells.lengths)[:, None]
        places = np.minimum(cells.starts[:, None] + np.arange(INLINE_BYTES), len(self.data) - 1)
        views[:, 4:] = np.where(shown, self.data[places], 0)
        words[is_long, 3] = cells.starts[is_long]
        valid = pa.array(cells.kinds == ord("t")).buffers()[1]
        buffers = [valid, pa.py_buffer(views), self.array.buffers()[2]]
        return pl.Series(pa.Array.from_buffers(pa.string_view(), len(views), buffers))


def _values(
    batch: _Batch, chosen: Numbers, relation: Relation, key: str, operation: str, first_tuple: str
) -> list[pl.Series]:
    """OLD_KEY, the columns and the UNCHANGED flags of messages that are alike in shape."""
    width, at = len(relation.columns), batch.starts[chosen] + 6
    if first_tuple == "N":
        old, old_key = None, pl.Series(OLD_KEY, [None], pl.String()).new_from_index(0, len(chosen))
    else:
        old, at = batch.tuples(at, width)
        at = at + 1
        old_key = batch.texts(old[relation.columns.index(key)]).alias(OLD_KEY)
    if operation == "D":
        return [old_key]
    new, _ = batch.tuples(at, width)
    if first_tuple == "O" and old:
        # The whole old row was sent (REPLICA IDENTITY FULL), values stored apart too.
        new = [cells.where_sent(before) for cells, before in zip(new, old, strict=True)]
    flags = {name: cells.kinds == ord("u") for name, cells in zip(relation.columns, new, strict=True)}
    return [
        old_key,
        *(batch.texts(cells).alias(name) for name, cells in zip(relation.columns, new, strict=True)),
        *(pl.Series(UNCHANGED + name, flag) for name, flag in flags.items() if flag.any()),
    ]


def _relation(message: bytes) -> Relation:
    (oid,) = struct.unpack_from(">I", message, 1)
    _, name, rest = message[5:].split(b"\0", 2)
    (count,) = struct.unpack_from(">H", rest, 1)
    rest = rest[3:]
    columns, types = [], []
    for _ in range(count):
        # One byte says whether the column is part of the key.
        column, rest = rest[1:].split(b"\0", 1)
        columns.append(column.decode())
        types.append(struct.unpack_from(">Ii", rest))
        rest = rest[8:]
    return Relation(oid, name.decode(), tuple(columns), tuple(types))


def _moments(microseconds: Numbers) -> pl.Series:
    return pl.Series(microseconds + POSTGRES_EPOCH_US, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
