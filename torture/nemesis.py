"""The faults: what breaks under the load, when and how, by random numbers made from the seed."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

from django.db import DatabaseError, connection, transaction

from torture.app import ROOT, App

LOST_COMMITS = "lost-commit"
LOST_ANSWERS = "lost-answer"
# How often each is chosen among those that strike at a moment. The two above are always there.
WEIGHTS = {
    "worker-kill": 100,
    "database-kill": 20,
    "connection-kill": 20,
    "server-kill": 4,
    "worker-pause": 6,
    "database-pause": 4,
    "outsider": 4,
    "rolling-restart": 4,
}
FAULTS = [LOST_ANSWERS, LOST_COMMITS, *WEIGHTS]
ON_SQLITE = [LOST_ANSWERS, "worker-kill", "server-kill", "worker-pause", "rolling-restart"]
PAUSE_SECONDS = 1.2  # the mean time between two faults
LOST_COMMIT_SHARE = 0.05


class Nemesis:
    """Breaks things, one after the other, and mends them again.

    `log` holds (fault, seconds when it began, seconds when it was over) and `count` how many of
    each there were. Everything runs in the thread that calls `strike`, which has to be the main
    thread if the server is to be restarted.
    """

    def __init__(self, faults: list[str], seed: int, app: App, server=None):
        self.chance = random.Random(f"{seed} nemesis")
        self.app = app
        self.server = server  # the throw-away database server; None for SQLite
        self.weights = {name: WEIGHTS[name] for name in faults if name in WEIGHTS}
        self.log: list[tuple[str, float, float]] = []
        self.count: Counter[str] = Counter()

    def strike_until(self, ends_at: float, tick: Callable[[], None], pause: float) -> None:
        """Strike at random moments, `pause` seconds apart on average; call `tick` in between."""
        next_at = time.monotonic() + self.chance.expovariate(1 / pause)
        while time.monotonic() < ends_at:
            tick()
            if self.weights and time.monotonic() >= next_at:
                self.strike()
                next_at = time.monotonic() + self.chance.expovariate(1 / pause)
            time.sleep(0.05)

    def strike(self) -> None:
        """Let one fault happen, and return when it is over."""
        (fault,) = self.chance.choices(list(self.weights), self.weights.values())
        began = time.monotonic()
        getattr(self, "_" + fault.replace("-", "_"))()
        self.count[fault] += 1
        self.log.append((fault, began, time.monotonic()))

    def _worker_kill(self) -> None:
        self._kill_a_worker()

    def _kill_a_worker(self) -> None:
        if workers := self.app.worker_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.chance.choice(workers), signal.SIGKILL)

    def _server_kill(self) -> None:
        self.app.kill()
        time.sleep(self.chance.uniform(0, 0.5))
        self.app.start()

    def _worker_pause(self) -> None:
        """One worker, or the whole server, stands still for a while."""
        if self.chance.random() < 0.5:
            self.app.signal_all(signal.SIGSTOP)
            self._wait_a_while()
            self.app.signal_all(signal.SIGCONT)
        elif workers := self.app.worker_pids():
            worker = self.chance.choice(workers)
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGSTOP)
                self._wait_a_while()
                os.kill(worker, signal.SIGCONT)

    def _rolling_restart(self) -> None:
        self.app.replace_workers()

    def _database_kill(self) -> None:
        """The database dies; now and then a worker dies while it is away."""
        self.server.kill()
        time.sleep(self.chance.uniform(0, 1))
        if self.chance.random() < 0.2 and "worker-kill" in self.weights:
            self._kill_a_worker()
            self.count["worker-kill"] += 1
        self.server.restart()

    def _database_pause(self) -> None:
        os.kill(self.server.pid, signal.SIGSTOP)
        self._wait_a_while()
        os.kill(self.server.pid, signal.SIGCONT)

    def _connection_kill(self) -> None:
        """Up to three connections are killed, wherever their transactions are."""
        with _own_connection() as cursor:
            cursor.execute(
                "SELECT id FROM information_schema.processlist "
                "WHERE db = DATABASE() AND id <> CONNECTION_ID()"
            )
            found = [number for (number,) in cursor.fetchall()]
            for number in self.chance.sample(found, min(len(found), 3)):
                with contextlib.suppress(DatabaseError):  # it has gone by itself
                    cursor.execute(f"KILL {number}")

    def _outsider(self) -> None:
        """Somebody else holds the locks of some accounts, at times longer than anyone waits."""
        with _own_connection() as cursor, transaction.atomic():
            cursor.execute("SELECT id FROM accounts ORDER BY id")
            keys = [key for (key,) in cursor.fetchall()]
            three = sorted(self.chance.sample(keys, 3))
            cursor.execute("SELECT id FROM accounts WHERE id IN %s ORDER BY id FOR UPDATE", [three])
            time.sleep(self.chance.choice([0.5, 1, 2, 7]))

    def _wait_a_while(self) -> None:
        time.sleep(self.chance.choice([0.2, 0.5, 1, 2, 4]))


@contextlib.contextmanager
def _own_connection():
    """A fresh connection to the database, whatever became of the last one."""
    connection.close()
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


class LosesCommits:
    """A proxy process between the server and its database that loses replies to COMMIT."""

    def __init__(self, port: int, seed: int):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "torture.proxy", str(port), str(seed)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._process.stdout.readline())

    def lose(self, share: float) -> None:
        """Lose this share of the replies from now on."""
        self._process.stdin.write(f"{share}\n")
        self._process.stdin.flush()

    def stop(self) -> int:
        """End the proxy and return how many replies it lost."""
        out, _ = self._process.communicate()
        return int(out)

    def kill(self) -> None:
        """End the proxy, whatever it does."""
        self._process.kill()
        self._process.wait()
