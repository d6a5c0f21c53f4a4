"""The event collector over real HTTP bodies: what it takes, what it refuses and how, and that a kill loses nothing."""

import asyncio
import gzip
import json
import random
import resource
import signal
import socket
import subprocess
import sys
import time
import uuid
import zlib
from datetime import UTC, date, datetime

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from clientnest_assets.contracts import CONTRACTS
from clientnest_assets.contracts.events import EVENT_TYPES, AppEvents
from clientnest_assets.lake import Lake
from clientnest_assets.serving.app import create_app
from clientnest_assets.serving.events import EVENT, Collector
from clientnest_assets.serving.events_body import MOST_BODY_BYTES, MOST_EVENTS, split
from clientnest_assets.sources.events.consuming import Consumer
from clientnest_assets.sources.events.decoding import Days, Decoder
from clientnest_assets.sources.events.inbox import inbox_table
from clientnest_assets.sources.events.spool_feed import SpoolFeed
from clientnest_assets.sources.events.spool_writer import Limits
from clientnest_assets_tests.serving.served import READY_SECONDS, installed, served

PATH = "/api/v1/events"


def event(**changes):
    return {**EVENT["example"], "event_id": str(uuid.uuid4()), **changes}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """One running web process, its spool, and a client with its key."""
    with (
        installed(tmp_path_factory.mktemp("home")) as installation,
        served(create_app(), installation.events_keys[0]) as client,
    ):
        yield client, installation.spool


@pytest.fixture
def client(service):
    return service[0]


@pytest.fixture
def spooled(service):
    """Gives what came into the spool since the test began."""
    spool = service[1]
    ends = SpoolFeed(spool).ends()
    return lambda: read(spool, ends)


def read(spool, positions=None):
    feed = SpoolFeed(spool)
    feed.open(lambda names: positions or dict.fromkeys(names))
    return [payload for stretch in feed.poll(1_000_000, 0).values() for payload in stretch.payloads]


@pytest.mark.parametrize("wrap", [lambda events: events, lambda events: {"events": events}], ids=["array", "envelope"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_all_events_of_a_request_are_in_the_spool_when_it_is_answered(client, spooled, wrap, packed):
    events = [event() for _ in range(120)]
    body = json.dumps(wrap(events), indent=1).encode()
    headers = {"Content-Encoding": "gzip"} if packed else {}
    answer = client.post(PATH, content=gzip.compress(body) if packed else body, headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"received": 120})
    assert [json.loads(payload) for payload in spooled()] == events


def test_a_single_event_is_kept_byte_for_byte(client, spooled):
    body = b'  {"event_id" : "x",\t"n": 1e2, "text": "caf\\u00e9 \xff"}\n'
    assert client.post(PATH, content=body).json() == {"received": 1}
    assert spooled() == [body.strip()]


def test_an_empty_batch_is_nothing(client, spooled):
    assert client.post(PATH, content=b" [ ] ").json() == {"received": 0}
    assert spooled() == []


def test_what_breaks_the_contract_is_kept_for_quarantine_and_holds_nothing_up(client, spooled):
    body = b'[{"event_id": 5}, "text", null, {"a": "\\ud83d cut"}, {"b": "\\\\ud83d \\ud83d\\ude00"}]'
    assert client.post(PATH, content=body).json() == {"received": 5}
    assert spooled() == [
        b'{"event_id": 5}', b'"text"', b"null", b'{"a": "\\ud83d cut"}', b'{"b": "\\\\ud83d \\ud83d\\ude00"}',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "must be an event"),
        (b"5", "must be an event"),
        (b'{"events": 5}', "must be an event"),
        (b'[{"a": NaN}]', "(byte 7)"),
        (b'{"events": [{"a": NaN}]}', "(byte 18)"),
        (b'[{"a": 1},', "truncated (byte 10)"),
        (b'{"a": 1} {"a": 2}', "trailing characters"),
        (b'{"events": [{"a": 1}], "sent_at": 5}', "trailing characters (byte 22)"),
        (b'{"events": [1], "events": [2]}', "trailing characters"),
        (b'[{"a": "\x00"}]', "(byte 8)"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_json_is_refused_with_the_place(client, spooled, body, said):
    answer = client.post(PATH, content=body)
    assert answer.status_code == 400
    assert said in answer.json()["detail"]
    assert spooled() == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"no gzip", "no gzip"),
        (gzip.compress(b"[1]", mtime=0)[:-4], "cut off"),
        (gzip.compress(b"[1]", mtime=0) * 2, "bytes behind its end"),
    ],
)
def test_a_broken_gzip_body_is_refused(client, body, said):
    answer = client.post(PATH, content=body, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 400
    assert said in answer.json()["detail"]


def test_other_encodings_are_refused(client):
    answer = client.post(PATH, content=b"[]", headers={"Content-Encoding": "br"})
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip")


def chunks(piece, count):
    for _ in range(count):
        yield piece


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b" " * (MOST_BODY_BYTES + 1), {}),
        (lambda: chunks(b" " * 65_536, 65), {}),
        (b"[" + b"1," * MOST_EVENTS + b"1]", {}),
        (gzip.compress(b" " * (MOST_BODY_BYTES + 1), mtime=0), {"Content-Encoding": "gzip"}),
    ],
    ids=["declared", "chunked", "events", "gzip"],
)
def test_too_much_is_refused_with_the_limits(client, spooled, content, headers):
    answer = client.post(PATH, content=content() if callable(content) else content, headers=headers)
    assert answer.status_code == 413
    assert "5,000 events and 4 MiB" in answer.json()["detail"]
    assert spooled() == []


def test_a_zip_bomb_is_refused_before_it_is_unpacked(client):
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    assert len(bomb) < MOST_BODY_BYTES
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    answer = client.post(PATH, content=bomb, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 413
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024
    assert time.process_time() - began < 1


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", "Basic dXNlcjpwYXNz", "Bearer schlüssel"])
def test_without_a_key_nothing_is_taken(client, spooled, header):
    headers = {} if header is None else {"Authorization": header.encode()}
    answer = httpx.post(client.base_url.join(PATH), json=event(), headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert spooled() == []


def test_each_of_several_keys_counts(tmp_path):
    with installed(tmp_path, CLIENTNEST_EVENTS_KEYS="old key, new key"), served(create_app()) as client:
        for key, status in (("old key", 202), ("new key", 202), ("old key, new key", 401)):
            answer = client.post(PATH, json=event(), headers={"Authorization": f"Bearer {key}"})
            assert answer.status_code == status


def test_more_than_the_spool_takes_is_refused_and_the_answer_says_when_to_send_again(tmp_path):
    with installed(tmp_path) as installation:
        collector = Collector(installation, Limits(queue_bytes=1000))
        app = FastAPI(lifespan=lambda _app: collector.running())
        app.include_router(collector.router(), prefix="/api/v1")
        with served(app, installation.events_keys[0]) as client:
            assert client.post(PATH, json=event()).status_code == 202
            answer = client.post(PATH, json=[event() for _ in range(50)])
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
            assert client.post(PATH, json=event()).status_code == 202
        assert len(read(installation.spool)) == 2


def test_a_full_disk_is_told_and_later_events_are_taken_again(client, spooled):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        answer = client.post(PATH, json=event())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert "File too large" in answer.json()["detail"]
    assert client.post(PATH, json=event(name="after")).status_code == 202
    assert [json.loads(payload)["name"] for payload in spooled()] == ["after"]


def test_health_tells_what_waits(tmp_path):
    nowhere = "postgresql://127.0.0.1:1/nowhere"
    settings = {
        "CLIENTNEST_ENVIRONMENT": "production",
        "CLIENTNEST_APP_DATABASE_URL": nowhere,
        "CLIENTNEST_WAREHOUSE_URL": nowhere,
        "CLIENTNEST_DAGSTER_DATABASE_URL": nowhere,
        "CLIENTNEST_LAKE_URL": str(tmp_path / "lake"),
        "CLIENTNEST_PSEUDONYM_KEY": "a key of the tests, long enough for it",
        "CLIENTNEST_FIRST_DAY": "2026-01-01",
        "CLIENTNEST_EVENTS_KEYS": "key",
    }
    with installed(tmp_path, **settings), served(create_app(), "key") as client:
        answer = client.get("/api/v1/health")
        assert (answer.status_code, answer.json()["warehouse"]) == (503, "does not answer")
        assert answer.json()["events"] == {"waiting": 0, "oldest_seconds": None, "damaged": 0}
        client.post(PATH, json=[event(), event()])
        found = client.get("/api/v1/health").json()["events"]
    assert found["waiting"] == 2
    assert 0 < found["oldest_seconds"] < READY_SECONDS


def test_the_documentation_names_the_contracts_fields_and_every_answer(client):
    documented = client.get("/api/v1/openapi.json").json()["paths"][PATH]["post"]
    assert set(EVENT["properties"]) == set(AppEvents.column_names()) - {"received_at"}
    nullable = {name for name, column in AppEvents.columns().items() if column.nullable}
    assert set(EVENT["required"]) == set(EVENT["properties"]) - nullable
    assert tuple(EVENT["properties"]["event_type"]["enum"]) == EVENT_TYPES
    assert set(documented["responses"]) == {"202", "400", "401", "408", "413", "415", "429", "503"}
    assert documented["security"] == [{"HTTPBearer": []}]
    assert len(documented["requestBody"]["content"]["application/json"]["schema"]["oneOf"]) == 3


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        )
    ),
    st.sampled_from(["", " ", "\n "]),
)
def test_any_json_is_parted_into_exactly_its_values(values, blank):
    # Texts with halves of surrogate pairs too, as JavaScript writes them.
    texts = [json.dumps(value) for value in values]
    body = "[" + blank + f"{blank},{blank}".join([*texts, '"\\udead"']) + blank + "]"
    assert split(body.encode()) == [text.encode() for text in [*texts, '"\\udead"']]


KILLS = 3


def test_events_answered_before_a_kill_are_in_the_lake_exactly_once(tmp_path):
    """The server is killed at random moments under load, and the consumer works between its lives."""
    lake = Lake(str(tmp_path / "lake"))
    days = Days(date(2026, 4, 1), datetime(2026, 4, 3, tzinfo=UTC))
    acknowledged, sent = set(), set()
    with installed(tmp_path) as installation:
        for _ in range(KILLS):
            with socket.create_server(("127.0.0.1", 0)) as probe:
                port = probe.getsockname()[1]
            server = subprocess.Popen(
                [
                    *(sys.executable, "-m", "uvicorn", "--factory", "clientnest_assets.serving.app:create_app"),
                    *("--port", str(port), "--log-level", "warning"),
                ]
            )
            asyncio.run(_load(port, installation.events_keys[0], server, acknowledged, sent))
            server.wait()
            consumer = Consumer(lake, SpoolFeed(installation.spool), Decoder(CONTRACTS["app_events"]), lambda: days)
            consumer.open()
            consumer.drain()
            consumer.close()
        found = inbox_table(lake).scan().collect().get_column("event_id").to_list()
    assert len(acknowledged) >= 300
    assert len(found) == len(set(found))
    assert acknowledged <= set(found) <= sent


async def _load(port, key, server, acknowledged, sent):
    """Eight senders with new events all the time; after some of the answers the server is killed."""
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=5) as client:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                await client.get("/api/v1")
                break
            except httpx.TransportError:
                await asyncio.sleep(0.05)

        kill_at = len(acknowledged) + random.randint(100, 1000)

        async def send():
            while len(acknowledged) < kill_at:
                events = [event() for _ in range(20)]
                ids = {each["event_id"] for each in events}
                sent.update(ids)
                try:
                    answer = await client.post(PATH, json=events)
                except httpx.TransportError:
                    return
                if answer.status_code == 202:
                    acknowledged.update(ids)

            server.send_signal(signal.SIGKILL)

        await asyncio.gather(*(send() for _ in range(8)))
