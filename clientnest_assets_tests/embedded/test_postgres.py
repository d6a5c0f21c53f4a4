"""One server a home: found by whoever comes, started once, found again after a crash, stopped when nobody needs it."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from clientnest_assets.embedded.postgres import EmbeddedPostgres

START = "import sys; from pathlib import Path; from clientnest_assets.embedded.postgres import EmbeddedPostgres as E; "


@pytest.fixture
def spaced_home(embedded_home):
    return embedded_home / "a home with spaces and 'quotes'"


@pytest.fixture
def postgres(spaced_home):
    postgres = EmbeddedPostgres(spaced_home)
    yield postgres
    server = postgres.running()
    if server:
        psutil.Process(server.pid).send_signal(signal.SIGQUIT)


def ask(server, question="select 1"):
    with psycopg.connect(server.url("postgres")) as connection:
        return connection.execute(question).fetchone()


def command(home, program):
    return [sys.executable, "-c", START + program, str(home)]


def test_a_server_lives_through_start_crash_lease_and_stop(postgres):
    assert postgres.running() is None
    server = postgres.ensure_running()
    assert ask(server, "show timezone") == ("UTC",)
    with psycopg.connect(server.url("postgres")) as connection:
        connection.execute("create table kept as select 7 as n")

    # Whoever comes later finds it, by another spelling of the folder too.
    link = postgres.home.parent / "link"
    link.symlink_to(postgres.home)
    assert EmbeddedPostgres(link).ensure_running() == server

    # Found again after a crash, with what was committed, where it was before.
    with psycopg.connect(server.url("postgres")) as connection:
        connection.execute("checkpoint")
    family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    psutil.Process(server.pid).kill()
    psutil.wait_procs(family, timeout=20)
    assert (postgres.data / "postmaster.pid").exists()
    assert postgres.running() is None
    again = postgres.ensure_running()
    assert (again.port, again.password) == (server.port, server.password)
    assert again.pid != server.pid
    assert ask(again, "select n from kept") == (7,)

    # While somebody holds it, it is not stopped; a killed holder lets go.
    with postgres.lease() as held:
        assert held == again
        assert not EmbeddedPostgres(postgres.home).stop()
        assert ask(held) == (1,)
    holder = subprocess.Popen(
        command(
            postgres.home, "lease = E(Path(sys.argv[1])).lease(); lease.__enter__(); print('held', flush=True); input()"
        ),
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    assert not postgres.stop()
    holder.kill()
    holder.communicate()
    assert postgres.stop()
    assert postgres.running() is None
    assert postgres.stop()


def test_processes_that_start_at_once_share_one_server_and_another_home_has_its_own(postgres, spaced_home):
    program = "s = E(Path(sys.argv[1])).ensure_running(); print(s.pid, s.port)"
    homes = [spaced_home] * 4 + [spaced_home / "other"]
    starters = [subprocess.Popen(command(home, program), stdout=subprocess.PIPE, text=True) for home in homes]
    told = [starter.communicate()[0].split() for starter in starters]
    try:
        assert [starter.returncode for starter in starters] == [0] * 5
        assert len({tuple(each) for each in told[:4]}) == 1
        assert told[4][0] != told[0][0]
        assert told[4][1] != told[0][1]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(EmbeddedPostgres(homes[4]).ensure_running().url("postgres").replace(told[4][1], told[0][1]))
    finally:
        assert EmbeddedPostgres(homes[4]).stop()


def test_a_pid_file_that_names_another_process_is_not_believed(postgres):
    """After a restart of the machine the number may be anybody's, another home's server too."""
    postgres.data.mkdir(parents=True)
    postgres._password_file.write_text("secret")
    for pid in (os.getpid(), 2**22 + 1):
        (postgres.data / "postmaster.pid").write_text(f"{pid}\n{postgres.data}\n0\n5432\n\n127.0.0.1\n\nready   \n")
        assert postgres.running() is None


def test_secrets_are_readable_by_their_owner_only(postgres):
    postgres.ensure_running()

    assert stat.S_IMODE((postgres.folder / "password").stat().st_mode) == 0o600
    assert not (postgres.folder / "initial-password").exists()
    assert stat.S_IMODE(postgres.data.stat().st_mode) == 0o700
    assert len((postgres.folder / "password").read_text()) >= 32


def test_an_initialisation_that_was_killed_is_begun_anew(postgres):
    (postgres.folder / "data.new").mkdir(parents=True)
    (postgres.folder / "data.new" / "PG_VERSION").write_text("half")
    (postgres.folder / "password").touch()

    assert ask(postgres.ensure_running()) == (1,)
    assert Path(postgres.folder / "password").read_text()
