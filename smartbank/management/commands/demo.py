"""`manage.py demo`: from nothing to a bank to try."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from smartbank import demo_bank, sandbox
from smartbank.checks import DEMO_PASSWORD

PORT = 8000
LOCAL_HOSTS = {"", "localhost", "127.0.0.1", "::1"}
START_SECONDS = 60
STOP_SECONDS = 10
ENDINGS = {signal.SIGINT, signal.SIGTERM}


class Command(BaseCommand):
    """Makes a bank to try, does its main job once over HTTP, and serves it."""

    help = (
        "Make a demo bank (embedded SQLite, or DATABASE_URL), send money over HTTP once, with both "
        "refusals and the receiver's confirmation, prove the books, print the logins and three "
        "curl lines, then serve it. Only with DEBUG on, and only on this machine."
    )
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser):
        """Add --port, --reset and --no-serve."""
        parser.add_argument("--port", type=int, help=f"where to serve (default {PORT})")
        parser.add_argument("--reset", action="store_true", help="throw the demo bank away first")
        parser.add_argument("--no-serve", action="store_true", help="stop after the printout")

    def handle(self, *args, **options):
        """Run the steps one after the other. Raises CommandError with a sentence."""
        for ending in ENDINGS:  # by an exception, so that no server is left behind
            signal.signal(ending, lambda number, frame: sys.exit(128 + number))
        self._refuse_unless_local()
        port = None if options["no_serve"] else _free_port(options["port"])
        try:
            self._make_bank(options["reset"])
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {error}") from None
        base = f"http://localhost:{port or options['port'] or PORT}"

        self._step("The bank's main job, over HTTP")
        with _private_server() as private:
            try:
                demo_bank.do_business(private, lambda line: self.stdout.write(f"    {line}"))
                lines = _curl_lines(private, base)
            except (demo_bank.WentWrong, urllib.error.URLError) as error:
                raise CommandError(f"The demo went wrong: {error}") from None
        self._step("Reconciliation: does every record tell the same story?")
        call_command("reconcile", stdout=self.stdout)
        self._print_logins(base, lines)
        if port:
            connection.close()
            self.stdout.write(f"\nServing {base} (Ctrl-C ends it)")
            self.stdout.flush()
            _serve(port)
        else:
            self.stdout.write("\nNothing is served now: run it again without --no-serve.")

    def _step(self, text: str) -> None:
        self.stdout.write(self.style.MIGRATE_HEADING(f"==> {text}"))
        self.stdout.flush()

    def _refuse_unless_local(self) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo has published passwords, so it runs only with DEBUG on.")
        host = settings.DATABASES["default"].get("HOST", "")
        if host not in LOCAL_HOSTS and not host.startswith("/"):
            raise CommandError(f"The demo runs only on this machine's databases, not on {host}.")

    def _make_bank(self, reset: bool) -> None:
        self._step(f"Database: {_database_name()}")
        tables = connection.introspection.table_names()
        if tables and not demo_bank.is_ours(tables):
            raise CommandError(
                "This database is not empty and not a demo's. Give DATABASE_URL an empty one."
            )
        if reset and tables:
            _drop_everything(tables)
        call_command("migrate", verbosity=0)
        self._step("Customers, accounts, staff")
        demo_bank.open_bank()

    def _print_logins(self, base: str, curl_lines: list[str]) -> None:
        password = f"password {DEMO_PASSWORD}"
        rows = [
            *(
                (f"{base}/", username, f"customer, may send {demo_bank.in_words(limit)} a day")
                for username, (_, _, limit) in demo_bank.CUSTOMERS.items()
            ),
            (f"{base}/", sandbox.USERNAME, "accounts that give each answer: docs/sandbox.md"),
            *((f"{base}/admin/", username, what) for username, what in demo_bank.STAFF.items()),
            (f"{base}/admin/", demo_bank.ADMIN, "makes staff: users, groups, tokens, no money"),
        ]
        width = max(len(url) for url, _, _ in rows)
        self._step(f"Sign in with the {password}")
        for url, username, what in rows:
            self.stdout.write(f"    {url:<{width}}  {username:<8} {what}")
        self._step("Or from a shell: Reena's accounts, a transfer to Rahul, what is left today")
        for line in curl_lines:
            self.stdout.write(line)
        self.stdout.flush()


def _database_name() -> str:
    database = settings.DATABASES["default"]
    if connection.vendor == "sqlite":
        return f"SQLite, embedded, {Path(database['NAME'])}"
    return f"{connection.display_name}, {database['NAME']}"


def _drop_everything(tables: list[str]) -> None:
    """Drop all tables; only ever called for a database that is the demo's own."""
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(table)}")


def _curl_lines(private: str, base: str) -> list[str]:
    reena, rahul = demo_bank.Client(private, "reena"), demo_bank.Client(private, "rahul")
    number = rahul.account["number"]
    rahul.sign_out()
    return demo_bank.curl_lines(base, reena, number, f"curl-{secrets.token_hex(4)}")


def _free_port(wanted: int | None) -> int:
    """Return the port to serve on: the one wanted, or the next free one after the usual."""
    for port in [wanted] if wanted else range(PORT, PORT + 20):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise CommandError(f"Port {wanted or PORT} is taken. Choose another with --port.")


def server_command(port: int) -> list[str]:
    """Return the command line that serves the demo: the production server, made small."""
    manage = str(settings.BASE_DIR / "manage.py")
    few = ["--workers", "1", "--threads", "8"]
    return [sys.executable, manage, "serve", "--bind", f"127.0.0.1:{port}", *few]


@contextmanager
def _private_server():
    """Serve on a port that nobody else knows; yield its address once it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "LOG_LEVEL": "ERROR"}
    # Held back until the `finally` below is in force, or an ending now would orphan the server.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    let_through = partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, ENDINGS)
    server = subprocess.Popen(
        server_command(port), stdout=subprocess.DEVNULL, env=environment, preexec_fn=let_through
    )
    try:
        let_through()
        base = f"http://127.0.0.1:{port}"
        _wait_until_ready(server, f"{base}/readyz")
        yield base
    finally:
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until_ready(server: subprocess.Popen, url: str) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise CommandError("The demo's server did not start; its last words are above.")


def _serve(port: int) -> None:
    """Become the server, with a dispatcher that ends when it does: its mails are printed here."""
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    os.environ.setdefault("MAIL_NOTICES", "1")
    ends_with_us, ours = os.pipe()
    os.set_inheritable(ours, True)  # the server keeps it open, whatever ends the server closes it
    manage = str(settings.BASE_DIR / "manage.py")
    command = [sys.executable, manage, "dispatch", "--until-eof", "-v", "0"]
    subprocess.Popen(command, stdin=ends_with_us, start_new_session=True)
    os.execv(sys.executable, [*server_command(port), "-v", "0"])
