"""The private server keeps its promises, on the engine that this run of the suite is on.

Marked row_locks because a run on SQLite has no server to try.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import MySQLdb
import pytest
from django.db import connection

from smartbank import database_programs, suite, throwaway_guard
from smartbank.throwaway import Server, Unavailable

pytestmark = pytest.mark.row_locks

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60


@pytest.fixture(scope="module")
def engine(django_db_blocker):
    """The engine of this run. Its programs are here, unless the run is on somebody's server."""
    with django_db_blocker.unblock(), connection._nodb_cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        engine = "mariadb" if "MariaDB" in cursor.fetchone()[0] else "mysql"
    if database_programs.present(engine) is None:
        pytest.skip(f"the programs of {engine} are not on this machine, so none was started")
    return engine


@pytest.fixture(scope="module")
def server(engine):
    """A server that all tests here share; each finds and leaves it running."""
    with Server(engine=engine, durable=True, databases=("bank", "ledger")) as server:
        yield server


def ask(server: Server, statement: str, database: str = "bank") -> list:
    """Run one statement as root, over the socket, and commit; return its rows."""
    link = MySQLdb.connect(unix_socket=str(server.socket), user="root", database=database)
    with closing(link), closing(link.cursor()) as cursor:
        cursor.execute(statement)
        link.commit()
        return list(cursor.fetchall())


def is_there(pid: int) -> bool:
    """Return whether a process with this id is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_is_the_engine_asked_for_and_says_its_version(server, engine):
    version = ask(server, "SELECT VERSION()")[0][0]
    assert version.startswith(server.version)
    assert ("MariaDB" in version) == (engine == "mariadb")


def test_its_databases_are_there(server):
    databases = {name for (name,) in ask(server, "SHOW DATABASES")}
    assert {"bank", "ledger"} <= databases


@pytest.mark.parametrize("address", [Server.url, Server.tcp_url])
def test_both_its_addresses_work_in_django(server, address):
    """In a process of its own, by whichever driver is installed."""
    name = suite.server_name(sys.executable, address(server, "bank"))
    assert name.split() == [name.split()[0], server.version.removesuffix("-MariaDB")]


def test_what_was_committed_outlives_kill_and_restart(server):
    ask(server, "CREATE TABLE kept (fact INT)")
    before = (server.port, server.socket, server.pid)

    farewells = server.log_tail(1000).count("Shutdown complete")
    ask(server, "INSERT INTO kept VALUES (1)")
    server.kill()
    assert server.log_tail(1000).count("Shutdown complete") == farewells  # a crash says nothing
    assert (server.alive, server.pid) == (False, None)
    with pytest.raises(MySQLdb.OperationalError):
        ask(server, "SELECT 1")
    server.restart()
    assert ask(server, "SELECT fact FROM kept") == [(1,)]

    ask(server, "INSERT INTO kept VALUES (2)")
    server.restart()
    assert server.log_tail(1000).count("Shutdown complete") > farewells
    assert sorted(ask(server, "SELECT fact FROM kept")) == [(1,), (2,)]
    assert (server.port, server.socket) == before[:2]
    assert server.pid not in (None, before[2])


def test_the_log_has_as_many_last_lines_as_asked_for(server):
    assert len(server.log_tail(3).splitlines()) == 3
    assert "ready for connections" in server.log_tail(1000)


def test_a_server_that_does_not_start_says_why_and_leaves_nothing(engine):
    server = Server(engine=engine, extra_options=["--no-such-option"])
    with pytest.raises(Unavailable, match="no-such-option"):
        server.start()
    assert server.pid is None
    assert not server.socket.parent.exists()


def test_no_other_server_can_delete_its_temporary_files(engine, monkeypatch):
    """A MariaDB that starts deletes what lies in its tmpdir; /tmp would be everybody's."""
    monkeypatch.setenv("TMPDIR", "/nowhere")
    with Server(engine=engine) as server:
        assert ask(server, "SELECT @@tmpdir", "") == [(str(server.socket.parent),)]


def test_stop_ends_the_server_and_removes_its_files(engine):
    server = Server(engine=engine)
    server.start()
    pid, directory = server.pid, server.socket.parent
    server.stop()
    assert not is_there(pid)
    assert not directory.exists()
    server.stop()  # does nothing


@pytest.mark.parametrize("told, survives", [("{pid}\n", False), ("{pid}\n0\n", True)])
def test_the_guard_kills_the_process_it_was_told_last(tmp_path, told, survives):
    """A server may end by itself once its files are gone: this one has none."""
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        guard = [sys.executable, "-I", throwaway_guard.__file__, tmp_path / "gone"]
        (tmp_path / "gone" / "data").mkdir(parents=True)
        subprocess.run(guard, input=told.format(pid=process.pid), text=True, check=True)
        assert not (tmp_path / "gone").exists()
        if survives:
            assert process.poll() is None
        else:
            assert process.wait(SECONDS) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()


def test_a_server_whose_starter_is_killed_is_ended_and_its_files_are_removed(engine):
    start = (
        "from smartbank.throwaway import Server\n"
        f"server = Server(engine={engine!r})\n"
        "server.start()\n"
        "print(server.pid, server.socket.parent, flush=True)\n"
        "input()\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", start],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with starter:
        pid, directory = starter.stdout.readline().split()
        assert is_there(int(pid))
        starter.send_signal(signal.SIGKILL)
    give_up_at = time.monotonic() + SECONDS
    while is_there(int(pid)) or Path(directory).exists():
        assert time.monotonic() < give_up_at, "the guard did not clean up"
        time.sleep(0.02)
