"""A live demo bank for the tests: `manage.py demo`, and its server, on a database of their own.

Nothing here reads or writes the `.env` or the demo bank of the project's folder.

And what the tests by chance share: `--hypothesis-profile=long` makes them try fifty times as much.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import pytest
from django.conf import settings
from django.db import connection

from smartbank.management.commands import demo as demo_command

ROOT = Path(settings.BASE_DIR)
PASSED_ON = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"]
SECONDS = 90


def free_port() -> int:
    """Return a port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_open(port: int) -> bool:
    """Return whether somebody listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition, what: str) -> None:
    """Return as soon as `condition()` is true. Fails the test if it does not become so."""
    give_up_at = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < give_up_at, f"waited {SECONDS} s in vain for {what}"
        time.sleep(0.02)


@contextmanager
def process(command: list[str], **options):
    """Run a command in a process group of its own, none of which outlives the `with` block."""
    running = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield running
    finally:
        if is_alive(running):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def is_alive(running: subprocess.Popen) -> bool:
    """Return whether the process, or any child of it, is still there."""
    running.poll()
    try:
        os.killpg(running.pid, 0)
    except ProcessLookupError:
        return False
    return True


@dataclass(frozen=True)
class Demo:
    """`manage.py demo` on a database of its own, in an environment that says nothing else."""

    database_url: str

    @property
    def environment(self) -> dict[str, str]:
        """What its processes see."""
        return {
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
            "DEBUG": "1",
            "SECRET_KEY": "demo-of-the-tests",
            "DATABASE_URL": self.database_url,
            "SMARTBANK_READ_DOTENV": "0",
            "LOG_LEVEL": "ERROR",
        }

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of `manage.py demo`."""
        return [sys.executable, str(ROOT / "manage.py"), "demo", *arguments]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """Run it to its end."""
        return subprocess.run(
            self.command(*arguments),
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    @contextmanager
    def serve(self):
        """Serve the bank as it is, on a free port, and yield the address."""
        port = free_port()
        with process(demo_command.server_command(port), env=self.environment, cwd=ROOT) as server:
            wait_until(lambda: is_open(port) or server.poll() is not None, "the server")
            assert server.poll() is None, "the server did not start; its words are on stderr"
            yield f"http://localhost:{port}"


@dataclass(frozen=True)
class DemoServer:
    """A demo bank that is being served: its address, and what `manage.py demo` printed."""

    base: str
    printout: str


@pytest.fixture(scope="session")
def new_demo(tmp_path_factory, django_db_blocker):
    """Return a function that makes a Demo on an empty database, of the kind the suite runs on."""
    url = os.environ.get("DATABASE_URL", "")
    is_local = (urlsplit(url).hostname or "") in demo_command.LOCAL_HOSTS
    on_server = connection.vendor == "mysql" and is_local
    names = []

    def execute(statement: str) -> None:
        with django_db_blocker.unblock(), connection._nodb_cursor() as cursor:
            cursor.execute(statement)

    def make() -> Demo:
        if not on_server:  # a demo refuses a server that is not on this machine
            return Demo(f"sqlite:///{tmp_path_factory.mktemp('demo')}/demo.sqlite3")
        # Named as test databases are: an account that may make those may make this one.
        names.append(f"test_smartbank_demo_{secrets.token_hex(4)}")
        execute(f"CREATE DATABASE {names[-1]} CHARACTER SET utf8mb4")
        return Demo(urlsplit(url)._replace(path=f"/{names[-1]}").geturl())

    yield make
    for name in names:
        execute(f"DROP DATABASE {name}")


@pytest.fixture(scope="session")
def demo_server(new_demo):
    """A demo bank after its first run, being served. Tests may send money in it."""
    demo = new_demo()
    done = demo.run("--no-serve")
    assert done.returncode == 0, done.stdout + done.stderr
    with demo.serve() as base:
        yield DemoServer(base, done.stdout)


@pytest.fixture(scope="session")
def curl():
    """Skip the test where there is no curl."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: the documented curl commands were not run")


# --- Tests by chance --------------------------------------------------------------------------

LONG, TIMES = "long", 50
hypothesis.settings.register_profile(LONG, max_examples=TIMES * 100, deadline=None)


@dataclass(frozen=True)
class Chance:
    """How much is tried by chance, and from which seed on."""

    seed: int
    settings: hypothesis.settings
    is_long: bool
    record: Callable[[str, str], None]

    def seeded(self, test):
        """Return the Hypothesis test, or state machine, that starts from this seed."""
        return hypothesis.seed(self.seed)(test)

    def given(self, strategy, first=()):
        """Return a decorator: the test is run on each of `first`, then on what is drawn."""

        def decorate(test):
            drawn = self.seeded(self.settings(hypothesis.given(strategy)(test)))

            def run():
                for known in first:
                    test(known)
                drawn()

            return run

        return decorate

    def report(self, tried: str, outcomes: Counter) -> None:
        """Say at the end of the run how much was tried and, if that was much, what came of it."""
        self.record("by chance", tried)
        if self.is_long:
            told = ", ".join(f"{name} {count}" for name, count in sorted(outcomes.items()))
            self.record("by chance", told)


@pytest.fixture
def by_chance(request, record_property):
    """Return a function that says how to try so many examples: in the suite always the same ones.

    With `--hypothesis-profile=long` there are fifty times as many, from another seed each time (or
    from `--hypothesis-seed`). The seed is told at the end of the run.
    """

    def chance(examples: int) -> Chance:
        seed, is_long = 1, hypothesis.settings.get_current_profile_name() == LONG
        if is_long:
            examples *= TIMES
            seed = int(request.config.getoption("--hypothesis-seed") or secrets.randbits(32))
        record_property("by chance", f"seed {seed}")  # at once: a test that fails tells no more
        settings = hypothesis.settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            database=None,
            phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
            report_multiple_bugs=False,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        return Chance(seed, settings, is_long, record_property)

    return chance


def pytest_terminal_summary(terminalreporter):
    """Say what was tried by chance, from which seed on."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            told = [text for name, text in report.user_properties if name == "by chance"]
            if told and report.when == "call":
                terminalreporter.write_line(f"{report.nodeid}: {', '.join(told)}")
