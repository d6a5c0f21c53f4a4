"""From message bytes to events in the contract's columns, and to rejects with the rules they break. Nothing is lost.

The types that a message may have follow from the contract, and its rules are checked on whole columns. Not here: reading
Avro (`avro.py`), and whether an event came twice, which is settled later.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Annotated, Any, cast

import msgspec
import polars as pl

from clientnest_assets.contracts import Contract
from clientnest_assets.contracts.contract import tag
from clientnest_assets.contracts.validation import RULES, checked_rows, schema_with
from clientnest_assets.sources.events.feed import Stretch

RECEIVED_AT = "received_at"
DELIVERY = "delivery"
"""The column that says which message a row came from: its partition and offset, such as "app-events/3@1042"."""
MESSAGE = "message"
"""What a rule is named for that a message breaks as a whole."""
UNKNOWN_FIELDS_TOLD = 10
AHEAD = timedelta(days=1)
"""So far may a sender's clock be ahead."""

_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_FIELD_TYPES: dict[type[pl.DataType], Any] = {
    pl.Int64: _INT64,
    pl.Float64: float,
    pl.Boolean: bool,
    pl.String: str,
    # Read as text first and then by the column: ten times as quick as one by one.
    pl.Datetime: str,
}


@dataclass(frozen=True)
class Days:
    """The days that events may be of: from the installation's first to a little after `newest`."""

    first: date
    newest: datetime

    @property
    def end_at(self) -> datetime:
        """The first moment that no event may be of."""
        return self.newest + AHEAD


@dataclass(frozen=True)
class Decoded:
    """A batch of messages, parted. Each message is one row of either frame."""

    events: pl.DataFrame
    """The contract's columns and `delivery`."""
    rejects: pl.DataFrame
    """`delivery`, `rules`, `happened_at` (null where not to be read) and `row`: see `row_of`."""


@dataclass(frozen=True)
class Original:
    """A message as quarantine keeps it, to be read once more when the contract has been mended."""

    partition: str
    offset: int
    received_at: int
    payload: bytes | None


class UnreadableError(Exception):
    """A message cannot be read; carries the rule that says why."""


class Decoder:
    """Reads the messages of one contract.

    Args:
        contract: what events look like.
        record: gives one payload's fields by name, or raises an UnreadableError; for formats other than JSON.
    """

    def __init__(self, contract: Contract, record: Callable[[bytes], dict[str, Any]] | None = None) -> None:
        self._contract = contract
        self._record = record
        self._json_columns = [name for name, column in contract.columns.items() if tag(column, "json")]
        self._required = [
            name for name, column in contract.columns.items() if not column.nullable and name != RECEIVED_AT
        ]
        self._types = {name: self._type(name) for name in contract.source_schema}
        fields = [(name, self._types[name]) for name in self._required] + [
            (name, kind, None) for name, kind in self._types.items() if name not in self._required
        ]
        struct = msgspec.defstruct(contract.schema.__name__, fields, forbid_unknown_fields=True, gc=False)
        self._decode = msgspec.json.Decoder(struct).decode
        self._struct = struct
        # Not its key: the same event may come twice. The message's number comes along.
        self._schema = schema_with(contract, [MESSAGE], keyed=False)

    def decode(self, stretches: Mapping[str, Stretch], days: Days, *, stamps_receipt: bool) -> Decoded:
        """Parts the messages of some partitions into events and rejects.

        Args:
            stretches: by partition.
            days: which days events may be of.
            stamps_receipt: take the feed's time of receipt even where the event brings one.
        """
        deliveries, payloads, received = _columns(stretches)
        read: list[Any] = []
        numbers: list[int] = []
        rejected: list[_Reject] = []
        decode = self._decode if self._record is None else self._decode_record
        for number, payload in enumerate(payloads):
            try:
                read.append(decode(payload))  # type: ignore[arg-type]  # None is among what cannot be read
                numbers.append(number)
            except (msgspec.DecodeError, UnreadableError, UnicodeDecodeError, RecursionError, TypeError):
                rejected.append(_Reject(number, self._broken_rules(payload), None))
        frame = pl.DataFrame({MESSAGE: pl.Series(numbers, dtype=pl.UInt32)}).with_columns(
            self._column(name, dtype, read) for name, dtype in self._contract.source_schema.items()
        )
        arrived = pl.from_epoch(pl.Series(RECEIVED_AT, received, pl.Int64), time_unit="us").dt.replace_time_zone("UTC")
        events, broken = self._checked(frame, arrived, days, stamps_receipt=stamps_receipt)
        rejected += broken
        delivery = pl.Series(DELIVERY, deliveries, pl.String)
        return Decoded(
            events.with_columns(delivery.gather(events.get_column(MESSAGE))).drop(MESSAGE),
            pl.DataFrame(
                {
                    DELIVERY: [deliveries[each.number] for each in rejected],
                    RULES: [each.rules for each in rejected],
                    "happened_at": [each.happened_at for each in rejected],
                    "row": [
                        row_of(deliveries[each.number], payloads[each.number], received[each.number])
                        for each in rejected
                    ],
                },
                schema={
                    DELIVERY: pl.String,
                    RULES: pl.List(pl.String),
                    "happened_at": pl.Datetime("us", "UTC"),
                    "row": pl.String,
                },
            ),
        )

    def _decode_record(self, payload: bytes | None) -> Any:
        assert self._record is not None
        if payload is None:
            raise UnreadableError
        return msgspec.convert(self._record(payload), self._struct)

    def _type(self, name: str) -> Any:
        dtype = self._contract.source_schema[name]
        kind = msgspec.Raw if name in self._json_columns and self._record is None else _FIELD_TYPES[dtype.base_type()]
        return kind if name in self._required or kind is msgspec.Raw else kind | None

    def _column(self, name: str, dtype: pl.DataType, read: Sequence[Any]) -> pl.Series:
        values = [getattr(event, name) for event in read]
        if self._types[name] is msgspec.Raw:
            texts = [None if value is None or (text := bytes(value)) == b"null" else text for value in values]
            return pl.Series(name, texts, pl.Binary)
        return pl.Series(name, values, pl.String if dtype.base_type() is pl.Datetime else dtype)

    def _checked(
        self, frame: pl.DataFrame, arrived: pl.Series, days: Days, *, stamps_receipt: bool
    ) -> tuple[pl.DataFrame, list[_Reject]]:
        """Reads times and JSON by the column and checks every rule; each row is in one of the two results."""
        times = [name for name, dtype in self._contract.source_schema.items() if dtype.base_type() is pl.Datetime]
        arrived = arrived.gather(frame.get_column(MESSAGE))
        if stamps_receipt:
            frame = frame.with_columns(pl.lit(None, pl.String).alias(RECEIVED_AT))
        raw = [name for name in self._json_columns if frame.schema[name] == pl.Binary]
        read = frame.with_columns(
            *(pl.col(name).str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False) for name in times),
            *(_texts(frame.get_column(name)) for name in raw),
        )
        texts = [name for name, dtype in read.schema.items() if dtype == pl.String]
        happened, received = read.get_column(self._contract.cursor), read.get_column(RECEIVED_AT)
        own = {
            **{
                f"{name}|cast": frame.get_column(name).is_not_null() & read.get_column(name).is_null() for name in times
            },
            **{
                f"{name}|encoding": frame.get_column(name).is_not_null() & read.get_column(name).is_null()
                for name in raw
            },
            **{
                f"{name}|cast": ~read.get_column(name).str.starts_with("{").fill_null(value=True)
                for name in self._json_columns
            },
            **{f"{name}|nul_byte": read.get_column(name).str.contains("\0", literal=True) for name in texts},
            f"{self._contract.cursor}|outside_days": (happened.dt.date() < days.first) | (happened >= days.end_at),
            # A clock that is ahead makes an event of the first day arrive on the day before it.
            f"{RECEIVED_AT}|outside_days": (received.dt.date() < days.first - AHEAD) | (received >= days.end_at),
        }
        failing = {rule: broken.fill_null(value=False) for rule, broken in own.items() if broken.any()}
        read = read.with_columns(pl.coalesce(pl.col(RECEIVED_AT), arrived).alias(RECEIVED_AT))
        rejected: list[_Reject] = []
        if failing:
            rules = pl.DataFrame(failing).select(
                pl.concat_list(pl.when(pl.col(rule)).then(pl.lit(rule)) for rule in failing).list.drop_nulls()
            )
            bad = read.with_columns(rules.to_series().alias(RULES)).filter(pl.col(RULES).list.len() > 0)
            rejected += _rejects(bad, self._contract.cursor, days)
            read = read.filter(rules.to_series().list.len() == 0)
        checked = checked_rows(self._schema, read)
        rejected += _rejects(checked.invalid, self._contract.cursor, days)
        return checked.valid.select(MESSAGE, *self._contract.source_schema), rejected

    def _broken_rules(self, payload: bytes | None) -> list[str]:
        """Why a message is no event of the contract's types: for few messages, and one at a time."""
        if payload is None:
            return [f"{MESSAGE}|empty"]
        try:
            record = msgspec.json.decode(payload) if self._record is None else self._record(payload)
        except UnreadableError as error:
            return [str(error)]
        except (ValueError, RecursionError):
            return [f"{MESSAGE}|not_json"]
        if not isinstance(record, dict):
            return [f"{MESSAGE}|not_json"]
        missing = [f"{name}|nullability" for name in self._required if record.get(name) is None]
        retyped = [
            f"{name}|cast"
            for name, kind in self._types.items()
            if record.get(name) is not None and kind is not msgspec.Raw and not _fits(record[name], kind)
        ]
        unknown = islice(
            (f"{name[:100]}|unknown_field" for name in record if name not in self._types), UNKNOWN_FIELDS_TOLD
        )
        return missing + retyped + list(unknown) or [f"{MESSAGE}|not_json"]


def row_of(delivery: str, payload: bytes | None, received_at: int) -> str:
    """What quarantine keeps of a message, as JSON: where it stood, when it came, and all its bytes.

    `payload` is its text, or, where it is not UTF-8, `payload_base64` its bytes.
    """
    partition, _, offset = delivery.rpartition("@")
    topic, _, number = partition.rpartition("/")
    kept: dict[str, Any] = {
        "topic": topic,
        "partition": int(number) if number.isdigit() else number,
        "offset": int(offset),
        RECEIVED_AT: datetime.fromtimestamp(received_at / 1e6, UTC).isoformat(timespec="microseconds"),
    }
    try:
        kept["payload"] = payload.decode() if payload is not None else None
    except UnicodeDecodeError:
        kept["payload_base64"] = base64.b64encode(cast("bytes", payload)).decode()
    return msgspec.json.encode(kept).decode()


def original_of(row: str) -> Original:
    """The message that `row_of` kept."""
    kept = msgspec.json.decode(row)
    payload = base64.b64decode(kept["payload_base64"]) if "payload_base64" in kept else kept["payload"]
    since = datetime.fromisoformat(kept[RECEIVED_AT]) - datetime(1970, 1, 1, tzinfo=UTC)
    return Original(
        partition=f"{kept['topic']}/{kept['partition']}",
        offset=kept["offset"],
        received_at=since // timedelta(microseconds=1),
        payload=payload.encode() if isinstance(payload, str) else payload,
    )


@dataclass(frozen=True)
class _Reject:
    number: int
    """Of the message in its batch."""
    rules: list[str]
    happened_at: datetime | None
    """Where it can be read and is not what is wrong."""


def _columns(stretches: Mapping[str, Stretch]) -> tuple[list[str], list[bytes | None], list[int]]:
    deliveries: list[str] = []
    payloads: list[bytes | None] = []
    received: list[int] = []
    for partition, stretch in stretches.items():
        deliveries += [f"{partition}@{offset}" for offset in stretch.offsets]
        payloads += stretch.payloads
        received += stretch.received_at
    return deliveries, payloads, received


def _texts(values: pl.Series) -> pl.Series:
    """The bytes as text; null where they are not UTF-8."""
    try:
        return values.cast(pl.String)
    except pl.exceptions.ComputeError:
        return pl.Series(values.name, [_text(value) for value in values], pl.String)


def _text(value: bytes | None) -> str | None:
    try:
        return value.decode() if value is not None else None
    except UnicodeDecodeError:
        return None


def _rejects(bad: pl.DataFrame, cursor: str, days: Days) -> list[_Reject]:
    """Of rows with the rules they break. A time outside the days is no time to file an event under."""
    inside = (pl.col(cursor).dt.date() >= days.first) & (pl.col(cursor) < days.end_at)
    rows = bad.select(MESSAGE, RULES, pl.when(inside).then(pl.col(cursor))).rows()
    return [_Reject(*row) for row in rows]


def _fits(value: object, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True
