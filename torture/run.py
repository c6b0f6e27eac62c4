"""One run: a private database, a real server, the load, the faults, the verdict."""

import itertools
import json
import multiprocessing
import os
import secrets
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from smartbank.throwaway import Server
from torture import clients, nemesis
from torture.app import App
from torture.books import Books
from torture.checker import Checker, Violation
from torture.history import NEVER, NO_VERDICT, History

PROGRESS_SECONDS = 5
SETTLE_SECONDS = 150
COUNTS = 3


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to run. `pause` is the mean number of seconds between two faults."""

    seconds: float = 60
    seed: int = 1
    engine: str = "mariadb"
    faults: list[str]
    pause: float = 1.2
    workers: int = 3
    wsgi: str = "smartbank.wsgi"  # the tests put a broken bank here
    environment: dict = field(default_factory=dict)
    workload: dict = field(default_factory=dict)
    data: Path | None = None  # a database with its tables made, to begin with a copy of
    keep: Path | None = None  # where to leave the history


@dataclass
class Report:
    """What a run came to."""

    options: Options
    database: str
    seconds: float
    acknowledged: Counter  # by kind of request
    transfers: Counter  # verdicts on orders, by status
    unknown: int  # attempts without an outcome
    resolved: int  # intents that had one of those, and have a verdict
    errors: Counter  # 5xx by code
    faults: Counter
    lost_answers: int
    lost_commits: int
    longest_gap: float
    recoveries: list[float]  # seconds from the database's return to the first success
    fault_log: list  # (fault, began, ended) by the clients' clock
    violations: list

    def lines(self) -> list[str]:
        """Return the table for people."""
        kills = self.faults
        recovery = (
            f"median {statistics.median(self.recoveries):.2f} s, most {max(self.recoveries):.2f} s"
            if self.recoveries
            else "-"
        )
        table = {
            "database": self.database,
            "seed": self.options.seed,
            "seconds": f"{self.seconds:.0f}",
            "operations acknowledged": f"{sum(self.acknowledged.values()):,}",
            "  of them orders": ", ".join(
                f"{count:,} x {status}" for status, count in sorted(self.transfers.items())
            ),
            "faults": ", ".join(f"{count:,} {name}" for name, count in kills.most_common()) or "-",
            "answers swallowed": f"{self.lost_answers:,}",
            "replies to COMMIT swallowed": f"{self.lost_commits:,}",
            "attempts with unknown outcome": f"{self.unknown:,}",
            "intents resolved after one": f"{self.resolved:,}",
            "5xx": ", ".join(f"{n:,} x {code}" for code, n in self.errors.most_common()) or "none",
            "longest gap without a commit": f"{self.longest_gap:.1f} s",
            "first success after its return": recovery,
            "VIOLATIONS": f"{len(self.violations)}",
        }
        return [f"{name + ' ':.<34} {value}" for name, value in table.items()]


def torture(options: Options, say: Callable[[str], None] = lambda line: None) -> Report:
    """Run once and return the report.

    Sets Django up for the run's own database, so a process can do this only once. Raises
    throwaway.Unavailable or app.NotServing if there is nothing to torture.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
        server = None
        if options.engine != "sqlite":
            server = stack.enter_context(_server(options))
        url = server.url("smartbank") if server else f"sqlite:///{directory}/bank.sqlite3"
        environment = _environment(url, options)
        cast, workload = _open_bank(environment, options, say)

        proxy = None
        if nemesis.LOST_COMMITS in options.faults:
            proxy = nemesis.LosesCommits(server.port, options.seed)
            stack.callback(proxy.kill)
            parts = urlsplit(server.tcp_url("smartbank"))
            at_proxy = parts.netloc.rpartition(":")[0] + f":{proxy.port}"
            environment["DATABASE_URL"] = parts._replace(netloc=at_proxy).geturl()
        app = App(
            environment, log=directory / "app.log", workers=options.workers, wsgi=options.wsgi
        )
        stack.enter_context(app)
        enemy = nemesis.Nemesis(options.faults, options.seed, app, server)
        load = _Load(app.port, cast, workload, options, directory)
        stack.callback(load.kill)

        began = time.monotonic()
        say(f"   {load.processes} processes of {workload.threads} clients; the faults begin.")
        load.start()
        if proxy:
            proxy.lose(nemesis.LOST_COMMIT_SHARE)
        tick = _Progress(began, load, enemy, say)
        enemy.strike_until(began + options.seconds, tick, options.pause)
        if proxy:
            proxy.lose(0)
        say("   The faults are over; every intent still open looks for its verdict.")
        load.finish()
        seconds = time.monotonic() - began
        lost_commits = proxy.stop() if proxy else 0
        app.stop()

        say("   Checking what the clients were told against the books.")
        history = History.load(load.files)
        violations = _violations(history, cast)
        report = _report(options, history, enemy, violations)
        report.database = f"{options.engine} {server.version if server else ''}".strip()
        report.seconds = seconds
        report.lost_answers = load.total(2)
        report.lost_commits = lost_commits
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            for path in [*load.files, directory / "app.log"]:
                (options.keep / path.name).write_bytes(path.read_bytes())
            (options.keep / "faults.json").write_text(json.dumps(enemy.log))
        return report


def _server(options: Options) -> Server:
    """Return a database as a bank runs it, with the binary log.

    Without that log InnoDB shows a commit to readers before it is on disk, and a crash in that
    moment takes back what they have read (though never what was acknowledged). The two-phase
    commit with the binary log shows it only afterwards.
    """
    return Server(
        durable=True,
        engine=options.engine,
        extra_options=["--log-bin=binlog", "--sync-binlog=1"],
        data=options.data,
    )


def _environment(url: str, options: Options) -> dict[str, str]:
    """What the server under test sees: a bank in production but for TLS; SQLite is for demos."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "smartbank.settings",
        "SMARTBANK_READ_DOTENV": "0",
        "DEBUG": "1" if options.engine == "sqlite" else "0",
        "SECRET_KEY": secrets.token_hex(32),
        "AUDIT_KEYS": f"1:{secrets.token_hex(32)}",
        "AUDIT_SIGNING_KEY": secrets.token_hex(32),
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "SECURE_SSL_REDIRECT": "0",
        "LOG_LEVEL": "ERROR",
        "DATABASE_URL": url,
        **options.environment,
    }


def _open_bank(environment: dict, options: Options, say):
    """Set Django up in this process, make the tables and open the accounts."""
    os.environ.update(environment)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # nobody signs in
    django.setup()
    from torture import bank  # here: its models need Django to be ready

    call_command("migrate", verbosity=0)
    workload = bank.Workload(**options.workload)
    cast = bank.open_bank(workload)
    connection.close()
    say(f"   A bank with {len(cast.members)} accounts is open.")
    return cast, workload


class _Load:
    """The client processes."""

    def __init__(self, port: int, cast, workload, options: Options, directory: Path):
        # Fresh processes: they share nothing with this one, least of all a connection.
        context = multiprocessing.get_context("spawn")
        self.processes = workload.processes
        self.files = [directory / f"history-{n}.jsonl" for n in range(self.processes)]
        self._stop = context.Event()
        self._counts = [context.Array("q", COUNTS, lock=False) for _ in range(self.processes)]
        self._running = [
            context.Process(
                target=clients.run,
                args=(
                    *(port, cast.as_dict(), asdict(workload), options.seed, number),
                    *(self.files[number], self._stop, self._counts[number]),
                ),
            )
            for number in range(self.processes)
        ]

    def start(self) -> None:
        for process in self._running:
            process.start()

    def finish(self) -> None:
        """Ask all clients to end, and wait until they have."""
        self._stop.set()
        for process in self._running:
            process.join(SETTLE_SECONDS)

    def kill(self) -> None:
        for process in self._running:
            if process.is_alive():
                process.kill()

    def total(self, what: int) -> int:
        return sum(counts[what] for counts in self._counts)


class _Progress:
    """Says every few seconds how far the run is."""

    def __init__(self, began: float, load: _Load, enemy, say):
        self._began, self._load, self._enemy, self._say = began, load, enemy, say
        self._next = began + PROGRESS_SECONDS

    def __call__(self) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + PROGRESS_SECONDS
        minutes, seconds = divmod(int(now - self._began), 60)
        faults = ", ".join(f"{count} {name}" for name, count in self._enemy.count.most_common(4))
        self._say(
            f"   {minutes:02}:{seconds:02}  {self._load.total(0):,} acknowledged, "
            f"{self._load.total(1):,} unknown, {self._load.total(2):,} answers swallowed; {faults}"
        )


def _violations(history, cast) -> list:
    """Return everything that is wrong, by our own rules and by the bank's."""
    with connection.cursor() as cursor:
        books = Books.load(cursor)
        deadlocks = _deadlocks(cursor)
    violations = list(Checker(history, books, cast).violations())
    if deadlocks:  # since the database last started
        violations.append(Violation("deadlock", f"Transactions waited in a circle {deadlocks}x."))
    try:
        call_command("verify_audit", stdout=StringIO(), stderr=StringIO())  # and the books
    except CommandError as error:
        violations.append(Violation("reconcile", str(error)))
    return violations


def _deadlocks(cursor) -> int:
    """Return how many deadlocks there were; our lock order promises none."""
    if connection.vendor == "sqlite":
        return 0
    cursor.execute(
        "SELECT count FROM information_schema.innodb_metrics WHERE name='lock_deadlocks'"
    )
    return cursor.fetchone()[0]


def _report(options: Options, history, enemy, violations: list) -> Report:
    acknowledged, transfers, errors = Counter(), Counter(), Counter()
    unknown = resolved = 0
    commits = []
    for record in history.records:
        status = record["status"]
        if status is None or status >= 500:
            unknown += 1
            if status:
                errors[f"{status} {record['code'] or ''}".strip()] += 1
        else:
            acknowledged[record["kind"]] += 1
            if record["kind"] == "order":
                transfers[status] += 1
                commits.append((record["t1"], record["t0"]))
    for key in history.by_key:
        statuses = {record["status"] for record in history.orders(key)}
        if statuses & NO_VERDICT and statuses - NO_VERDICT:
            resolved += 1
    commits.sort()
    gaps = [later[0] - earlier[0] for earlier, later in zip(commits, commits[1:], strict=False)]
    return Report(
        options=options,
        database="",
        seconds=0,
        acknowledged=acknowledged,
        transfers=transfers,
        unknown=unknown,
        resolved=resolved,
        errors=errors,
        faults=enemy.count,
        lost_answers=0,
        lost_commits=0,
        longest_gap=max(gaps, default=0),
        recoveries=_recoveries(enemy.log, commits),
        fault_log=enemy.log,
        violations=violations,
    )


def _recoveries(log: list, commits: list) -> list[float]:
    """Return the seconds from each return of the database to the first success after it, leaving
    out where something else broke in between."""
    found = []
    for (fault, _, over), (_, next_began, _) in itertools.pairwise([*log, (None, NEVER, NEVER)]):
        first = min((answered for answered, _ in commits if answered > over), default=NEVER)
        if fault == "database-kill" and first < next_began:
            found.append(first - over)
    return found
