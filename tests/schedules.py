"""All orders in which the database calls of two transactions can happen, one after the other.

Two actors, each a thread with a connection of its own, run real product code and stand still
before each database call. One at a time is let go, by a rule that visits every order which the
locks allow. Nothing here waits for a length of time: an actor has arrived at its next call, or is
done, or the server says that it waits for a lock.
"""

import queue
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.db import connection, connections

from tests.database_calls import COMMIT, ROLLBACK, each_call

POLL_SECONDS = 0.001  # between two questions to the server; decides nothing but speed
HANGS_AFTER_SECONDS = 60

MYSQL_WAITS = """
    SELECT threads.PROCESSLIST_ID
    FROM performance_schema.data_lock_waits AS waits
    JOIN performance_schema.threads ON threads.THREAD_ID = waits.REQUESTING_THREAD_ID
"""


class Actor:
    """A thread with its own connection that stands still before each database call."""

    def __init__(self, name: str, moved: threading.Condition):
        self.call: str | None = None  # what it stands before; None while it runs or is done
        self.is_done = True
        self.result = None
        self.errors: list[object] = []  # what the database refused
        self.connection_id: int | None = None
        self.is_free = False  # True lets it run without standing still
        self._moved = moved
        self._jobs = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    def begin(self, job: Callable[[], object]) -> None:
        """Run the job up to its first database call."""
        self.is_done, self.result, self.errors = False, None, []
        self._jobs.put(job)

    def go(self) -> None:
        """Make the call and run up to the next one. Hold `moved`."""
        self.call = None
        self._moved.notify_all()

    def leave(self) -> None:
        """End the thread and its connection, from wherever it stands."""
        with self._moved:
            self.is_free = True
            self.go()
        self._jobs.put(None)
        self._thread.join()

    @property
    def runs(self) -> bool:
        """Whether it is on its way, or waits for a lock."""
        return self.call is None and not self.is_done

    def _live(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT CONNECTION_ID()")
            self.connection_id = cursor.fetchone()[0]
            # However slow the machine: a wait ends when the other lets go, or with the test.
            cursor.execute("SET innodb_lock_wait_timeout = %s", [HANGS_AFTER_SECONDS])
        connection.mysql_server_data  # noqa: B018  (Django asks for it once, at some first call)
        with each_call(connections["default"], self._stop_before):
            while job := self._jobs.get():
                try:
                    result = job()
                except Exception as error:  # a verdict like another, which no scenario expects
                    result = repr(error)
                with self._moved:
                    self.result, self.is_done = result, True
                    self._moved.notify_all()
        connection.close()

    def _stop_before(self, name: str, call: Callable):
        # The session's own switch: nobody else can see when it is turned.
        if not name.startswith("autocommit") and not self.is_free:
            with self._moved:
                self.call = name
                self._moved.notify_all()
                self._moved.wait_for(lambda: self.call is None)
        try:
            return call()
        except Exception as error:
            self.errors.append(error.args[0])
            raise


@dataclass
class Run:
    """One order of calls, and what came of it."""

    turns: list[tuple[int, str]]  # which actor made which call
    results: list
    errors: list
    is_new: bool  # False if it only swaps neighbours that commute in a run that there was

    @property
    def ended(self) -> list[int]:
        """The actors in the order in which their transactions ended."""
        last = {who: n for n, (who, call) in enumerate(self.turns) if call in (COMMIT, ROLLBACK)}
        return sorted((0, 1), key=lambda who: last.get(who, len(self.turns)))

    def calls_of(self, who: int) -> int:
        """How many calls one of the two made."""
        return sum(one == who for one, _ in self.turns)

    def __str__(self):
        return "\n".join(
            f"{'':{40 * who}}{('first', 'second')[who]}: {call}" for who, call in self.turns
        )


class Stage:
    """Where two actors play: `with Stage() as stage`, then `stage.play(jobs, choose)`."""

    def __enter__(self) -> "Stage":
        self._moved = threading.Condition()
        self._actors = [Actor(name, self._moved) for name in ("first", "second")]
        return self

    def __exit__(self, *error) -> None:
        for actor in self._actors:
            actor.leave()

    def play(self, jobs: list[Callable], choose: Callable[[dict[int, str]], int]) -> Run:
        """Run both jobs to their end: `choose` sees who stands before which call, and names one."""
        turns = []
        for actor, job in zip(self._actors, jobs, strict=True):
            actor.begin(job)
        while True:
            self._settle()
            standing = {n: one.call for n, one in enumerate(self._actors) if one.call}
            if not standing:
                break
            who = choose(standing)
            turns.append((who, standing[who]))
            with self._moved:
                self._actors[who].go()
        results = [actor.result for actor in self._actors]
        errors = [error for actor in self._actors for error in actor.errors]
        return Run(turns, results, errors, is_new=True)

    def _settle(self) -> None:
        """Return when each actor stands before a call, is done, or waits for a lock."""
        for _ in range(int(HANGS_AFTER_SECONDS / POLL_SECONDS)):
            with self._moved:
                if self._moved.wait_for(lambda: not self._running(), POLL_SECONDS):
                    return
                running = {actor.connection_id for actor in self._running()}
                standing = any(actor.call for actor in self._actors)
            # This stays true: only the next call of who stands lets go of the other. If nobody
            # stands, both wait, and the server is about to choose the victim.
            if standing and running <= waiting_for_a_lock():
                return
        raise AssertionError("An actor neither arrived nor waits for a lock.")

    def _running(self) -> list[Actor]:
        return [actor for actor in self._actors if actor.runs]


def waiting_for_a_lock() -> set[int]:
    """Return the connections that wait for a row lock at this moment.

    Not from INNODB_TRX: what that shows may be 0.1 s old. Needs the privilege PROCESS on MariaDB,
    and SELECT on performance_schema on MySQL, whose status leaves out who has only read so far.
    """
    with connection.cursor() as cursor:
        if not connection.mysql_is_mariadb:
            cursor.execute(MYSQL_WAITS)
            return {row[0] for row in cursor.fetchall()}
        cursor.execute("SHOW ENGINE INNODB STATUS")
        report = cursor.fetchone()[2]
    transactions = report.partition("LIST OF TRANSACTIONS")[2].split("\n---TRANSACTION ")
    return {
        int(re.search(r"thread id (\d+)", one)[1])
        for one in transactions
        if re.search(r"^LOCK WAIT ", one, re.MULTILINE)
    }


# --- Visiting all orders ----------------------------------------------------------------------


@dataclass
class Fork:
    """A moment at which somebody had to be let go: who could be, and who was."""

    calls: dict[int, str]
    asleep: set[int]  # whose turn now would only repeat, in another order of no consequence
    chosen: int = -1
    tried: set[int] = field(default_factory=set)

    def turn(self) -> bool:
        """Choose the next who was not tried here. Return whether there is one."""
        untried = self.calls.keys() - self.asleep - self.tried
        if untried:
            self.chosen = min(untried)
            self.tried.add(self.chosen)
        return bool(untried)

    def asleep_after(self) -> set[int]:
        """Return whose turn right after the chosen call was visited already as their turn here."""
        call = self.calls[self.chosen]
        return {
            who
            for who in (self.asleep | self.tried) - {self.chosen}
            if commute(self.calls[who], call)
        }


def commute(one: str, other: str) -> bool:
    """Return whether two calls of different connections have the same effect in either order.

    Said only where it is certain: under READ COMMITTED a plain read takes no lock and sees what is
    committed, so it may change places with everything of the other but a COMMIT.
    """
    return COMMIT not in (one, other) and (_is_plain_read(one) or _is_plain_read(other))


def _is_plain_read(call: str) -> bool:
    return call.startswith("SELECT") and not call.endswith("FOR UPDATE")


def all_orders(play: Callable[[Callable], Run], *, every: bool) -> Iterator[Run]:
    """Yield a run for every order of calls that the locks allow, depth first.

    `play(choose)` plays the same scene from its beginning. With `every`, every single order is
    visited, otherwise at least one of those that differ by swapping neighbours which commute
    (sleep sets, P. Godefroid 1996): all orders of one kind have the same outcome.
    """
    path: list[Fork] = []
    while True:
        depth = 0
        is_new = True

        def choose(calls: dict[int, str]) -> int:
            nonlocal depth, is_new
            if is_new and depth == len(path):
                fork = Fork(calls, set() if every or not path else path[-1].asleep_after())
                is_new = fork.turn()
                if is_new:
                    path.append(fork)
            if not is_new:
                return min(calls)
            fork = path[depth]
            assert fork.calls == calls, "The same turns led elsewhere: the scene is not repeatable."
            depth += 1
            return fork.chosen

        run = play(choose)
        run.is_new = is_new
        yield run
        while path and not path[-1].turn():
            path.pop()
        if not path:
            return
