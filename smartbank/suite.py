"""`manage.py test`: the whole test suite on MariaDB or MySQL, then on SQLite what it can promise.

Standard library only: pytest and Django run in child processes, in the prepared environment.
"""

import argparse
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from xml.etree import ElementTree

from smartbank import throwaway
from smartbank.bootstrap import ROOT, VAR, CommandFailed, Problem, prepare, run, step

HELP = """\
Prepare the environment, then run the whole test suite on MariaDB or MySQL and at the same time, on
the second core, once more on SQLite: all but the tests marked row_locks, which need a database that
locks rows, and browser, which need to run but once. What the run on SQLite prints is shown when the
other is over.

The database of the first run is, by the first rule that fits:
  1. TEST_DATABASE_URL, or DATABASE_URL, from the environment (.env is not read): a mysql://
     address whose account may create and drop databases named test_*;
  2. a MariaDB or MySQL server program found on this machine;
  3. MariaDB fetched by apt-get: installed if you are root, else unpacked in var/cache/mariadb.
By the rules 2 and 3 a private server runs on data of its own, for as long as the tests do.

With --mysql there is one run, on a private server of Oracle's MySQL, 8.4 or newer, whatever the
environment says: the one found on this machine, else one from Debian unstable, unpacked by apt-get
in var/cache/mysql (70 MB to fetch, once). It is never installed and needs no root.

All other arguments go to pytest, in each run: manage.py test tests/test_money.py -k rounding
"""

NO_TESTS_COLLECTED = 5
PYTEST_LAST_WORDS_SECONDS = 10

ASK_VERSION = """
import environ
from django.conf import settings
settings.configure(DATABASES={"default": environ.Env().db_url("DATABASE_URL")})
import smartbank
from django.db import connection
with connection._nodb_cursor() as cursor:
    cursor.execute("SELECT VERSION()")
    print(cursor.fetchone()[0])
"""


@dataclass
class Run:
    """What one run of pytest came to."""

    database: str
    passed: int
    failed: int
    skipped: int
    seconds: float

    def __str__(self):
        counts = f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"
        return f"{self.database}: {counts} in {self.seconds:.1f} s"


def main(arguments):
    """Run the suite as the command line says; return the exit code, 0 only if all runs passed."""
    options, extra = parse(arguments)
    for ending in (signal.SIGTERM, signal.SIGHUP):  # by exceptions, so that all is cleaned up
        signal.signal(ending, lambda number, frame: sys.exit(128 + number))
    python = prepare()
    VAR.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        on_sqlite = None
        if not options.mariadb and not options.mysql:
            on_sqlite = stack.enter_context(sqlite_run(python, options, extra))
        runs = []
        if not options.sqlite:
            runs.append(run_on_server(python, options, extra))
        if on_sqlite:
            runs.append(on_sqlite.finish())
    return summarise(runs)


def parse(arguments):
    """Return our own options, and the arguments that are pytest's."""
    parser = argparse.ArgumentParser(
        prog="manage.py test",
        usage="manage.py test [-h] [--mariadb | --mysql | --sqlite] [pytest's arguments]",
        description=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--mariadb", action="store_true", help="only the run on MariaDB or MySQL")
    only.add_argument("--mysql", action="store_true", help="only a run on a private Oracle MySQL")
    only.add_argument("--sqlite", action="store_true", help="only the run on SQLite")
    parser.add_argument("-m", metavar="MARKERS", help="as in pytest; combined with our own")
    return parser.parse_known_args(arguments)


def run_on_server(python, options, extra):
    """Run everything on the given database, or on a private server; on a MySQL if that is asked."""
    with server_database("mysql" if options.mysql else None) as (url, description):
        name = server_name(python, url)
        step(f"Database: {name}, {description}")
        with Pytest(python, name, url, options.m, extra) as pytest:
            return pytest.finish()


def sqlite_run(python, options, extra):
    """Return the run on SQLite of what needs neither row locks nor a browser; that may be nothing
    if tests were chosen. It prints as it goes if it is the only one."""
    version = run([python, "-c", "import sqlite3; print(sqlite3.sqlite_version)"]).strip()
    step(f"Database: SQLite {version}, for all that needs neither row locks nor a browser")
    ours = "not row_locks and not browser"
    return Pytest(
        python,
        f"SQLite {version}",
        f"sqlite:///{VAR}/suite.sqlite3",
        f"({options.m}) and {ours}" if options.m else ours,
        extra,
        may_be_empty=not options.sqlite and bool(options.m or extra),
        print_at_end=not options.sqlite,
    )


@contextlib.contextmanager
def server_database(engine):
    """Provide the address of a MariaDB or MySQL to test on, and the words that describe it."""
    for name in () if engine else ("TEST_DATABASE_URL", "DATABASE_URL"):
        url = os.environ.get(name)
        if url and not url.startswith("mysql://"):
            raise Problem(f"{name} must begin with mysql:// for the tests, or be unset.")
        if url:
            yield url, f"{redacted(url)} (from {name})"
            return
    try:
        server = throwaway.Server(engine=engine)
        server.start()
    except throwaway.Unavailable as unavailable:
        raise Problem(str(unavailable)) from None
    try:
        yield server.url("smartbank"), f"private and throw-away, at {server.socket}"
        if not server.alive:
            print(f"The database server died during the tests:\n{server.log_tail()}")
    finally:
        server.stop()


def redacted(url):
    """`url` without its password."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    user, colon, _ = login.partition(":")
    secret = ":***" if colon else ""
    return urlunsplit(parts._replace(netloc=f"{user}{secret}{at}{host}", query=""))


def server_name(python, url):
    """Return "MariaDB 10.11.14" or the like; raises Problem if the server cannot be used."""
    try:
        version = run([python, "-W", "ignore", "-c", ASK_VERSION], DATABASE_URL=url).strip()
    except CommandFailed as failed:
        last_line = failed.output.strip().splitlines()[-1]
        raise Problem(f"Cannot use the database {redacted(url)}: {last_line}") from None
    brand = "MariaDB" if "MariaDB" in version else "MySQL"
    return f"{brand} {version.split('-')[0]}"


class Pytest:
    """One run of pytest on the database at `url`: it begins with the `with` block, and never
    outlives it."""

    def __init__(
        self, python, database, url, markers, extra, *, may_be_empty=False, print_at_end=False
    ):
        self.database = database
        self.url = url
        self.command = [python, "-m", "pytest", *extra, *(["-m", markers] if markers else [])]
        self.may_be_empty = may_be_empty
        self.print_at_end = print_at_end

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        directory = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="test-", dir=VAR))
        self.report, printed = Path(directory, "junit.xml"), Path(directory, "printed")
        self.printed = self._stack.enter_context(printed.open("w+")) if self.print_at_end else None
        self.process = subprocess.Popen(
            [*self.command, f"--junitxml={self.report}"],
            env=environment(self.url),
            cwd=ROOT,
            stdout=self.printed,
            stderr=subprocess.STDOUT if self.printed else None,
        )
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        self._stack.close()

    def finish(self):
        """Wait for the end and return what the run came to."""
        code = self._exit_code()
        if self.printed:
            self.printed.seek(0)
            print(f"\n{self.database}:\n{self.printed.read()}", flush=True)
        passed, failed, skipped, seconds = counts(self.report)
        if code == NO_TESTS_COLLECTED and self.may_be_empty:
            code = 0
        if code != 0 and failed == 0:
            print(f"pytest ended with exit code {code}, which counts as one failure.")
            failed = 1
        return Run(self.database, passed, failed, skipped, seconds)

    def _exit_code(self):
        try:
            return self.process.wait()
        except KeyboardInterrupt:  # the terminal told pytest as well: let it say where it was
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PYTEST_LAST_WORDS_SECONDS)
            raise


def environment(url):
    """What the tests see: this process's environment, with all that decides their results set."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "smartbank.settings",
        "SMARTBANK_READ_DOTENV": "0",
        "DEBUG": "0",
        "SECRET_KEY": secrets.token_hex(32),
        "AUDIT_KEYS": f"1:{secrets.token_hex(32)}",
        "AUDIT_SIGNING_KEY": secrets.token_hex(32),
        "ALLOWED_HOSTS": "localhost,127.0.0.1,testserver",
        "SECURE_SSL_REDIRECT": "0",
        "DATABASE_URL": url,
    }


def counts(report):
    """Return how many tests passed, failed and were skipped, and in how many seconds, from pytest's
    JUnit report."""
    if not report.exists():
        return 0, 0, 0, 0.0
    suite = ElementTree.parse(report).getroot().find("testsuite").attrib
    failed = int(suite["failures"]) + int(suite["errors"])
    skipped = int(suite["skipped"])
    return int(suite["tests"]) - failed - skipped, failed, skipped, float(suite["time"])


def summarise(runs):
    """Print each run and, as the very last line, the totals; return the exit code."""
    print()
    for run_done in runs:
        print(run_done)
    passed, failed, skipped = (
        sum(getattr(run_done, count) for run_done in runs)
        for count in ("passed", "failed", "skipped")
    )
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0
