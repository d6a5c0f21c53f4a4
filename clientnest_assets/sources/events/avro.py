"""Reading Avro messages by one schema from a file, where there is no registry to ask.

Three framings are told apart by their first bytes: Avro's single-object encoding (C3 01 and the schema's fingerprint),
the header of schema registries (00 and a four-byte id, which is not looked up), and the bare record.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from clientnest_assets.contracts import Contract
from clientnest_assets.contracts.contract import tag
from clientnest_assets.errors import ClientNestError
from clientnest_assets.sources.events.decoding import MESSAGE, RECEIVED_AT, UnreadableError

SINGLE_OBJECT = b"\xc3\x01"
REGISTRY_HEADER_BYTES = 5


class AvroSchemaError(ClientNestError):
    """The schema file cannot be used for this contract. Nothing was read."""


def avro_records(file: Path, contract: Contract) -> Callable[[bytes], dict[str, Any]]:
    """Gives a function that reads one message into JSON-like values by field name.

    Raises:
        AvroSchemaError: if the file is no Avro record schema, or its fields are not the contract's.
    """
    from fastavro import schemaless_reader
    from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

    try:
        raw = json.loads(file.read_text())
        schema = parse_schema(raw)
        fields = {field["name"] for field in raw["fields"]}
    except Exception as error:
        raise AvroSchemaError(f"{file} is no Avro schema of a record: {error}") from error
    _require_fields(file, fields, contract)
    canonical = to_parsing_canonical_form(schema)
    header = SINGLE_OBJECT + bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))
    json_columns = [name for name, column in contract.columns.items() if tag(column, "json")]

    def whole(body: bytes) -> dict[str, Any] | None:
        """The record, if the bytes are exactly one."""
        stream = io.BytesIO(body)
        try:
            record = schemaless_reader(stream, schema, None)
        except Exception:  # noqa: BLE001 - on foreign bytes it raises whatever its parts raise
            return None
        return record if isinstance(record, dict) and stream.tell() == len(body) else None

    def read(payload: bytes) -> dict[str, Any]:
        record = None
        if payload.startswith(header):
            record = whole(payload[len(header) :])
        elif payload[:1] == b"\0":
            record = whole(payload[REGISTRY_HEADER_BYTES:])
        record = record or whole(payload)
        if record is None:
            raise UnreadableError(f"{MESSAGE}|not_avro")
        for name in json_columns:
            if record.get(name) is not None:
                record[name] = _json_object(name, record[name])
        return {name: _plain(value) for name, value in record.items()}

    return read


def _require_fields(file: Path, fields: set[str], contract: Contract) -> None:
    unknown = sorted(fields - set(contract.source_schema))
    missing = [
        name
        for name, column in contract.columns.items()
        if not column.nullable and name != RECEIVED_AT and name not in fields
    ]
    problems = [f"the contract does not know: {', '.join(unknown)}"] if unknown else []
    problems += [f"missing: {', '.join(missing)}"] if missing else []
    if problems:
        raise AvroSchemaError(
            f"the fields of {file} are not those of {contract.name} ({'; '.join(problems)}), so that every message would "
            "go to quarantine. Mend the contract in clientnest_assets/contracts/events.py, or the schema."
        )


def _json_object(name: str, value: object) -> str:
    """Avro has no type for JSON: it comes as text, as a map or as a record."""
    try:
        if not isinstance(value, str):
            return msgspec.json.encode(value).decode()
        msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, TypeError, RecursionError):
        raise UnreadableError(f"{name}|cast") from None
    return value


def _plain(value: object) -> object:
    """The value as JSON would carry it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
