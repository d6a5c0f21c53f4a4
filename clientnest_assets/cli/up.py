"""`clientnest up` and `down`: all services in the foreground with one log, and the end of what was left running."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.markup import escape

from clientnest_assets.cli.execute import end_left_over_runs
from clientnest_assets.cli.session import CommandError, HomeOption, Session, console
from clientnest_assets.settings import PREFIX, PROJECT_ROOT

EVENTS = "/api/v1/events"
UI_PORT = 3000
WEB_PORT = 8000
UiPortOption = Annotated[int, typer.Option("--ui-port", help="Port of the Dagster UI.")]
WebPortOption = Annotated[int, typer.Option("--web-port", help="Port of the pages and the API.")]
SchedulesOption = Annotated[bool, typer.Option("--schedules", help="Switch all schedules on.")]
READY_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 20
PR_SET_PDEATHSIG = 1
COLOURS = {"dagster": "cyan", "web": "magenta", "consume": "green"}


def up(
    schedules: SchedulesOption = False, ui_port: UiPortOption = UI_PORT, web_port: WebPortOption = WEB_PORT,
    home: HomeOption = None,
) -> None:  # fmt: skip
    """Run all services: PostgreSQL, Dagster's UI and daemon, the pages, the event collector and its consumer.

    One log; Ctrl-C stops all. Events are taken at /api/v1/events of the pages' port, with the key that
    clientnest status --json tells.
    """
    session = Session.open(home)
    with session.installation.services():
        serve(session, ui_port=ui_port, web_port=web_port, schedules=schedules)
    stop_services(session)


def down(home: HomeOption = None) -> None:
    """Stop the embedded services, which commands leave running for each other: PostgreSQL, and the object store."""
    session = Session.open(home)
    if not session.installation.settings.is_embedded:
        raise CommandError("in production there is nothing of ours to stop.")
    if not session.installation.postgres.running() and not session.installation.object_store.running():
        console.print("nothing is running")
    elif not stop_services(session):
        raise CommandError("the services are in use by another clientnest command, such as `up`. Stop that first.")


def serve(session: Session, *, ui_port: int, web_port: int, schedules: bool = False) -> None:
    """Runs the services until Ctrl-C or until one of them ends.

    Raises:
        CommandError: if a port is taken, a service does not answer in time, or one ends by itself.
    """
    if is_serving(session):
        raise CommandError(f"another clientnest command serves {session.installation.home} already.")
    require_free_ports(ui_port, web_port)
    session.prepare_dagster()
    if session.installation.settings.is_embedded:
        end_left_over_runs(session.instance)
    if schedules:
        os.environ[f"{PREFIX}SCHEDULES"] = "true"
    addresses = {"dagster": f"http://127.0.0.1:{ui_port}", "web": f"http://127.0.0.1:{web_port}"}
    os.environ.setdefault(f"{PREFIX}DAGSTER_UI_URL", addresses["dagster"])
    link_to_pages(web_port)
    python = sys.executable
    commands = {
        "dagster": [
            *(python, "-m", "dagster", "dev", "-w", str(PROJECT_ROOT / "workspace.yaml")),
            *("-h", "127.0.0.1", "-p", str(ui_port), "--log-level", "warning"),
        ],
        "web": [
            *(python, "-m", "uvicorn", "--factory", "clientnest_assets.serving.app:create_app"),
            *("--host", "127.0.0.1", "--port", str(web_port), "--log-level", "warning"),
        ],
        # Behind the others in the queue for the processor: senders of events wait for answers, it can be later.
        "consume": ["nice", "-n", "10", python, "-m", "clientnest_assets.cli.main", "consume"],
    }
    with _kept_ports(session, ui_port, web_port), _processes(commands, session.installation.home) as processes:
        for name, address in addresses.items():
            _wait_until_ready(name, f"{address}/server_info" if name == "dagster" else address, processes[name])
        console.print(f"[bold]Dagster UI[/]  {addresses['dagster']}")
        console.print(
            f"[bold]Pages[/]       {addresses['web']}  (/models, /features: the catalogue, /dbt: the warehouse's docs)"
        )
        console.print(f"[bold]Events[/]      POST {addresses['web']}{EVENTS}  (key: `clientnest status --json`)")
        console.print("Ctrl-C stops everything.")
        while True:
            for name, process in processes.items():
                if process.poll() is not None:
                    raise CommandError(
                        f"{name} ended by itself with code {process.returncode}; see its last lines above."
                    )
            time.sleep(0.5)


def link_to_pages(web_port: int) -> None:
    """Has what is materialised from here on link to the pages on the port, where no address is set."""
    os.environ.setdefault(f"{PREFIX}WEB_URL", f"http://127.0.0.1:{web_port}")


def is_serving(session: Session) -> bool:
    """True while `up` or `demo` serves this home. A killed one does not: the kernel ended its hold on the file."""
    file = session.installation.home / "up.json"
    if not file.exists():
        return False
    with file.open() as probe:
        try:
            fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def ports(session: Session) -> tuple[int, int]:
    """The ports of the UI and of the pages: of the running services, else the usual ones."""
    if not is_serving(session):
        return UI_PORT, WEB_PORT
    kept = json.loads((session.installation.home / "up.json").read_text())
    return kept["ui"], kept["web"]


def is_listening(port: int) -> bool:
    """True if something on this machine answers on the port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _kept_ports(session: Session, ui: int, web: int) -> Iterator[None]:
    file = session.installation.home / "up.json"
    with file.open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held.truncate(0)
        held.write(json.dumps({"ui": ui, "web": web}))
        held.flush()
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


@contextmanager
def _processes(commands: dict[str, list[str]], cwd: Path) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """The commands as processes, each in a group of its own, their output in one log; all stopped at the end."""
    processes: dict[str, subprocess.Popen[str]] = {}
    # SIGINT too: a shell that starts us in the background has it ignored.
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, _interrupt) for number in ends}
    try:
        for name, command in commands.items():
            processes[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - no thread has begun that holds a lock the child needs
                # Not the caller's folder: beside the project's dagster.yaml Dagster warns that another one counts.
                cwd=cwd,
                env={**os.environ, "PYTHONWARNINGS": "ignore"},
            )
            threading.Thread(target=_copy, args=(name, processes[name].stdout), daemon=True).start()
        yield processes
    except KeyboardInterrupt:
        console.print("stopping …")
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        for process in processes.values():
            _signal(process, signal.SIGINT)
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        for process in processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)


def _die_with_parent() -> None:
    """Linux ends the child when we are killed: no service outlives the command that nobody could then stop."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _copy(name: str, output: IO[str] | None) -> None:
    assert output is not None
    for line in output:
        console.print(f"[{COLOURS[name]}]{name:8}[/] {escape(line.rstrip())}", highlight=False)


def _wait_until_ready(name: str, address: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CommandError(f"{name} ended with code {process.returncode} while starting; see its lines above.")
        try:
            with urllib.request.urlopen(address, timeout=2):  # noqa: S310 - our own loopback address
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.3)
    raise CommandError(f"{name} did not answer at {address} within {READY_TIMEOUT_SECONDS} seconds.")


def require_free_ports(ui_port: int, web_port: int) -> None:
    """Raises a CommandError if another program listens on one of them."""
    for option, port in (("--ui-port", ui_port), ("--web-port", web_port)):
        if is_listening(port):
            raise CommandError(f"port {port} is taken by another program. Stop it, or choose another with {option}.")


def stop_services(session: Session) -> bool:
    """Stops the embedded services, those excepted that another command uses. True if nothing of ours is left running."""
    installation = session.installation
    if not installation.settings.is_embedded:
        return True
    stopped = [installation.postgres.stop(), installation.object_store.stop()]
    return all(stopped)
