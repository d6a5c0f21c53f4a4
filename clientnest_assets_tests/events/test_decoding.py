"""Messages become events exactly, or go to quarantine with the rule they break; nothing is lost or changed."""

import io
import json
import uuid
from datetime import UTC, date, datetime

import fastavro
import polars as pl
import pytest
from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form
from hypothesis import given, settings
from hypothesis import strategies as st

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.sources.events.avro import AvroSchemaError, avro_records
from clientnest_assets.sources.events.decoding import Days, Decoder, original_of, row_of
from clientnest_assets.sources.events.feed import Stretch

CONTRACT = CONTRACTS["app_events"]
DAYS = Days(date(2026, 3, 1), datetime(2026, 4, 19, 12, tzinfo=UTC))
RECEIVED = int(datetime(2026, 4, 19, 11, 59, tzinfo=UTC).timestamp() * 1_000_000)
AVRO = {
    "type": "record",
    "name": "AppEvent",
    "fields": [
        {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "user_id", "type": ["null", "long"]},
        {"name": "session_id", "type": ["null", "string"], "default": None},
        {"name": "event_type", "type": "string"},
        {"name": "name", "type": "string"},
        {"name": "properties", "type": ["null", "string", {"type": "map", "values": ["string", "long"]}]},
        {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}


def decode(*payloads, decoder=None, stamps_receipt=False):
    stretch = Stretch(0, len(payloads), list(range(len(payloads))), list(payloads), [RECEIVED] * len(payloads))
    return (decoder or Decoder(CONTRACT)).decode({"app-events/0": stretch}, DAYS, stamps_receipt=stamps_receipt)


def rules(*payloads, **options):
    """The broken rules by offset; the rest must be events."""
    decoded = decode(*payloads, **options)
    found = {
        int(row["delivery"].split("@")[1]): row["rules"]
        for row in decoded.rejects.select("delivery", "rules").to_dicts()
    }
    assert decoded.events.height + len(found) == decoded.rejects.height + decoded.events.height == len(payloads)
    return [found.get(number, []) for number in range(len(payloads))]


def test_an_event_keeps_every_value_exactly(make_message):
    payload = (
        b'{"event_id": "0198C5A2-7b1e-7cc3-9d7e-3f1f0a2b4c5d", "user_id": 9007199254740993, "event_type": "click",'
        b' "name": "\\u00fcber \xe2\x9c\x93", "properties": {"b" : 1.10, "a": "\\u0000", "b": 2},'
        b' "occurred_at": "2026-03-29T02:30:00.123456+02:00"}'
    )
    [found] = decode(payload).events.to_dicts()
    assert found == {
        "event_id": "0198C5A2-7b1e-7cc3-9d7e-3f1f0a2b4c5d",
        "user_id": 2**53 + 1,
        "session_id": None,
        "event_type": "click",
        "name": "über ✓",
        "properties": '{"b" : 1.10, "a": "\\u0000", "b": 2}',
        "occurred_at": datetime(2026, 3, 29, 0, 30, 0, 123456, tzinfo=UTC),
        "received_at": datetime(2026, 4, 19, 11, 59, tzinfo=UTC),
        "delivery": "app-events/0@0",
    }
    assert decode(make_message()).events.schema == {**CONTRACT.source_schema, "delivery": pl.String()}
    assert decode().events.schema == {**CONTRACT.source_schema, "delivery": pl.String()}


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"event_id": None}, ["event_id|nullability"]),
        ({"event_id": "no-uuid"}, ["event_id|regex"]),
        ({"user_id": "7"}, ["user_id|cast"]),
        ({"user_id": 7.0}, ["user_id|cast"]),
        ({"user_id": True}, ["user_id|cast"]),
        ({"user_id": 2**63}, ["user_id|cast"]),
        ({"user_id": 0}, ["user_id|min"]),
        ({"event_type": "hover"}, ["event_type|check__allowed_values"]),
        ({"name": ""}, ["name|min_length"]),
        ({"name": "a\0b"}, ["name|nul_byte"]),
        ({"properties": [1]}, ["properties|cast"]),
        ({"properties": "{}"}, ["properties|cast"]),
        ({"occurred_at": "2026-04-01T10:00:00"}, ["occurred_at|cast"]),
        ({"occurred_at": "2026-02-30T10:00:00Z"}, ["occurred_at|cast"]),
        ({"occurred_at": 1_775_000_000}, ["occurred_at|cast"]),
        ({"occurred_at": "1970-01-01T00:00:00Z"}, ["occurred_at|outside_days"]),
        ({"occurred_at": "2026-02-28T23:59:59.999999Z"}, ["occurred_at|outside_days"]),
        ({"occurred_at": "2026-04-20T12:00:00Z"}, ["occurred_at|outside_days"]),
        ({"received_at": "soon"}, ["received_at|cast"]),
        ({"received_at": "2026-02-28T00:00:00Z"}, []),
        ({"received_at": "2026-02-27T23:59:59Z"}, ["received_at|outside_days"]),
        ({"received_at": "9999-12-31T23:59:59Z"}, ["received_at|outside_days"]),
        ({"received_at": "+200000-01-01T00:00:00Z"}, ["received_at|outside_days"]),
        ({"colour": "red"}, ["colour|unknown_field"]),
        ({"name": None, "user_id": "7", "colour": 1}, ["name|nullability", "user_id|cast", "colour|unknown_field"]),
        ({"name": "", "event_type": "hover"}, ["event_type|check__allowed_values", "name|min_length"]),
    ],
)
def test_each_rule_is_named_and_stops_only_its_own_event(make_message, changes, broken):
    assert rules(make_message(1), make_message(2, **changes), make_message(3)) == [[], broken, []]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b'{"event_id":',
        b"\x00\x01",
        b"\xef\xbb\xbf{}",
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b"[" * 100_000,
        b'{"properties":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_json_object_is_named_as_such(make_message, payload):
    assert rules(make_message(1), payload, make_message(2)) == [[], ["message|not_json"], []]


def test_bytes_that_are_no_utf8_within_properties_are_found(make_message):
    broken = make_message(1).replace(b"/posts", b"/\xff")
    assert rules(broken, make_message(2)) == [["properties|encoding"], []]


def test_nulls_are_as_good_as_fields_left_away(make_event):
    sent = {**make_event(1), "user_id": None, "session_id": None, "properties": None, "received_at": None}
    [found] = decode(json.dumps(sent).encode()).events.to_dicts()
    assert [found[name] for name in ("user_id", "session_id", "properties")] == [None] * 3
    assert found["received_at"] == datetime(2026, 4, 19, 11, 59, tzinfo=UTC)


def test_a_time_of_receipt_counts_from_kafka_and_not_from_the_internet(make_message):
    sent = make_message(1, received_at="2026-04-18T00:00:00Z")
    at = [decode(sent, stamps_receipt=stamps).events.get_column("received_at")[0] for stamps in (False, True)]
    assert at == [datetime(2026, 4, 18, tzinfo=UTC), datetime(2026, 4, 19, 11, 59, tzinfo=UTC)]


def test_two_hundred_thousand_unknown_fields_leave_a_short_reason(make_event):
    sent = {**make_event(1), **{f"field_{number}": number for number in range(200_000)}}
    [broken] = rules(json.dumps(sent).encode())
    assert broken == [f"field_{number}|unknown_field" for number in range(10)]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60) | st.none(), max_size=20))
def test_whatever_comes_is_an_event_or_a_reject_that_keeps_its_bytes(payloads):
    decoded = decode(*payloads)
    assert decoded.events.height + decoded.rejects.height == len(payloads)
    kept = [original_of(row) for row in decoded.rejects.get_column("row")]
    assert {each.offset: each.payload for each in kept} == dict(enumerate(payloads))
    assert {(each.partition, each.received_at) for each in kept} <= {("app-events/0", RECEIVED)}


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_no_value_of_any_field_is_taken_for_another(value):
    for name in ("event_id", "user_id", "session_id", "event_type", "name"):
        sent = {
            "event_id": str(uuid.UUID(int=1)),
            "event_type": "login",
            "name": "n",
            "occurred_at": "2026-04-01T00:00:00Z",
            name: value,
        }
        decoded = decode(json.dumps(sent).encode())
        assert [row[name] for row in decoded.events.to_dicts()] in ([], [value])


def test_rejects_know_when_they_happened_unless_that_is_what_is_wrong(make_message):
    decoded = decode(
        make_message(1, name="", occurred_at="2026-04-02T00:00:00Z"),
        make_message(2, occurred_at="2027-01-01T00:00:00Z"),
        b"{",
    )
    happened = decoded.rejects.sort("delivery").get_column("happened_at").to_list()
    assert happened == [datetime(2026, 4, 2, tzinfo=UTC), None, None]


def test_an_original_comes_back_byte_by_byte():
    for payload in (None, b"", b'{"a": "\xc3\xa9"}', b"\xff\x00\x80"):
        kept = original_of(row_of("spool/a-b/0@17", payload, RECEIVED))
        assert (kept.partition, kept.offset, kept.received_at, kept.payload) == ("spool/a-b/0", 17, RECEIVED, payload)


@pytest.fixture
def avro_decoder(tmp_path):
    file = tmp_path / "event.avsc"

    def make(schema=AVRO):
        file.write_text(json.dumps(schema))
        return Decoder(CONTRACT, avro_records(file, CONTRACT))

    return make


def avro(record, schema=AVRO):
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, parse_schema(schema), record)
    return stream.getvalue()


def avro_event(**changes):
    return {
        "event_id": uuid.UUID(int=5),
        "user_id": 42,
        "session_id": "s",
        "event_type": "error",
        "name": "upload",
        "properties": '{"code": 500}',
        "occurred_at": datetime(2026, 4, 2, 10, 0, 0, 250_000, tzinfo=UTC),
        **changes,
    }


def test_avro_is_read_bare_with_a_registry_header_and_as_single_object(avro_decoder):
    bare = avro(avro_event())
    single = b"\xc3\x01" + bytes.fromhex(fingerprint(to_parsing_canonical_form(parse_schema(AVRO)), "CRC-64-AVRO"))
    found = decode(bare, b"\0\0\0\0\x07" + bare, single + bare, decoder=avro_decoder()).events.drop("delivery")
    assert found.is_duplicated().all()
    assert found.row(0, named=True) == {
        **avro_event(event_id=str(uuid.UUID(int=5))),
        "received_at": datetime(2026, 4, 19, 11, 59, tzinfo=UTC),
    }
    assert found.height == 3


def test_avro_properties_may_be_a_map_and_must_be_an_object(avro_decoder):
    decoder = avro_decoder()
    decoded = decode(avro(avro_event(properties={"a": 1, "b": "x"})), decoder=decoder)
    assert decoded.events.get_column("properties").to_list() == ['{"a":1,"b":"x"}']
    assert rules(
        avro(avro_event(properties="[1]")),
        avro(avro_event(event_type="hover")),
        avro(avro_event())[:-1],
        avro(avro_event()) + b"x",
        b"{}",
        None,
        decoder=decoder,
    ) == [
        ["properties|cast"],
        ["event_type|check__allowed_values"],
        ["message|not_avro"],
        ["message|not_avro"],
        ["message|not_avro"],
        ["message|empty"],
    ]


def test_an_avro_schema_that_is_not_the_contract_is_refused_before_reading(avro_decoder):
    fields = [field for field in AVRO["fields"] if field["name"] != "name"] + [{"name": "colour", "type": "string"}]
    with pytest.raises(AvroSchemaError, match=r"does not know: colour; missing: name"):
        avro_decoder({**AVRO, "fields": fields})
    with pytest.raises(AvroSchemaError, match="is no Avro schema"):
        avro_decoder({"type": "nothing"})
