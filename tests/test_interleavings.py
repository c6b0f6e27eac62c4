"""Every order in which two transactions can interleave ends as if they had come one by one.

Each scenario is played once for every order of its database calls that the locks allow, with the
real operations on a real server: no deadlock, no retry, and verdicts, balances and rows are those
of a bank of plain integers that carries out one wish after the other, in the order of the commits.
At the end the same search runs against broken locks, and must find what is wrong with each.

What is read before the lock (the API looks both accounts up) changes places with the other's calls
without effect, so of orders that differ by no more than that only one is played. EVERY_ORDER=1 in
the environment plays them all: some 32,000, for a quarter of an hour.
"""

import datetime as dt
import os
import re
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from io import StringIO
from itertools import count

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts import bank_day, rows, transactions
from accounts.models import Account, AccountDailyUsage, AccountQuerySet
from audit.operations import Origin
from tests.scenes import OPENING, OWNERS, Freeze, Limit, PlainBank, Receipt, Scene, Send, scenes
from tests.schedules import Run, Stage, all_orders
from transfers import operations

pytestmark = [pytest.mark.row_locks, pytest.mark.django_db(transaction=True)]

EVERY_ORDER = os.environ.get("EVERY_ORDER") == "1"

BALANCE = {"reena": 500, "reena too": 500, "rahul": 300, "anita": 0}
LIMIT = dict.fromkeys(BALANCE, 1_000)
DUPLICATE_KEY = 1062


@dataclass
class Scenario:
    """Two wishes at the same moment, and what was there before them."""

    first: object
    second: object
    limit: dict = field(default_factory=dict)
    earlier: list[Send] = field(default_factory=list)
    may_retry_after: frozenset = frozenset()  # errors of the database

    def by_hand(self, order: list[int]) -> tuple[list[str], dict]:
        """Return both verdicts and what is left, if they come one by one in this order."""
        bank = PlainBank(BALANCE, LIMIT | self.limit)
        for send in self.earlier:
            send.by_hand(bank)
        wishes = [self.first, self.second]
        verdicts = {who: wishes[who].by_hand(bank) for who in order}
        return [verdicts[0], verdicts[1]], bank.left()

    def looked_up(self) -> "Scenario":
        """Return the same with payments that begin where the API hands them over."""
        first, second = (
            replace(one, looked_up=True) if isinstance(one, Send) else one
            for one in (self.first, self.second)
        )
        return replace(self, first=first, second=second)


BEFORE = Send("reena", "rahul", 100, key="before")

# Both ask for a lock before anything else, and one of them has to wait for the other.
AT_ONE_LOCK = {
    "there and back": Scenario(
        Send("reena", "rahul", 200, key="a"),
        Send("rahul", "reena", 400, key="b"),  # more than Rahul has before
    ),
    "to two receivers": Scenario(
        Send("reena", "rahul", 100, key="a"),
        Send("reena", "anita", 200, key="b"),
        earlier=[BEFORE],
    ),
    "from two senders": Scenario(
        Send("reena", "anita", 100, key="a"),
        Send("rahul", "anita", 200, key="b"),
    ),
    "a chain": Scenario(
        Send("reena", "rahul", 100, key="a"),
        Send("rahul", "anita", 350, key="b"),  # more than Rahul has before
    ),
    "one key twice": Scenario(
        Send("reena", "rahul", 100, key="a"),
        Send("reena", "rahul", 100, key="a"),
    ),
    "one key for two amounts": Scenario(
        Send("reena", "rahul", 100, key="a"),
        Send("reena", "rahul", 200, key="a"),
    ),
    "one key for two receivers": Scenario(
        Send("reena", "rahul", 100, key="a"),
        Send("reena", "anita", 100, key="a"),
    ),
    "one key for two refusals": Scenario(
        Send("reena", "rahul", 501, key="a"),
        Send("reena", "rahul", 501, key="a"),
    ),
    "the day's first two against the limit": Scenario(
        Send("reena", "rahul", 100, key="a"),
        Send("reena", "anita", 101, key="b"),
        limit={"reena": 200},
    ),
    "two later ones against the limit": Scenario(
        Send("reena", "rahul", 100, key="a"),
        Send("reena", "anita", 101, key="b"),
        limit={"reena": 300},
        earlier=[BEFORE],
    ),
    "all the money twice": Scenario(
        Send("reena", "rahul", 500, key="a"),
        Send("reena", "anita", 500, key="b"),
    ),
    "the sender is frozen": Scenario(Send("reena", "rahul", 100, key="a"), Freeze("reena")),
    "the receiver is frozen": Scenario(Send("reena", "rahul", 100, key="a"), Freeze("rahul")),
    "frozen twice": Scenario(Freeze("reena"), Freeze("reena")),
    "the limit is lowered": Scenario(Send("reena", "rahul", 100, key="a"), Limit("reena", 99)),
}

# Here one reads before it locks, or they meet elsewhere.
OTHERWISE = {
    "one key and no account in common": Scenario(
        Send("reena", "rahul", 100, key="a"),
        Send("reena too", "anita", 100, key="a"),
        may_retry_after=frozenset([DUPLICATE_KEY]),  # the key is all that they share
    ),
    "confirmed and disputed": Scenario(
        Receipt(100, sent=100), Receipt(40, sent=100), earlier=[BEFORE]
    ),
    "confirmed twice": Scenario(Receipt(100, sent=100), Receipt(100, sent=100), earlier=[BEFORE]),
    "confirmed while it is sent on": Scenario(
        Receipt(100, sent=100), Send("rahul", "anita", 400, key="b"), earlier=[BEFORE]
    ),
}
LOOKED_UP = {
    name: one.looked_up()
    for name, one in (AT_ONE_LOCK | OTHERWISE).items()
    if Send in (type(one.first), type(one.second))
}


# --- Playing them -----------------------------------------------------------------------------


@pytest.fixture
def search(make_customer, teller, monkeypatch):
    """Return a function that plays a scenario in all orders, each time on fresh accounts, and
    yields each run with what is wrong with its outcome, if anything is."""
    customers = {name: make_customer(name, balance=0).customer for name in set(OWNERS.values())}
    origin = Origin(actor_id=teller.user.pk, request_id=OPENING)
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)  # no midnight between two payments
    monkeypatch.setattr(transactions, "_pause", lambda attempt, error: 0)

    def runs(scenario: Scenario, *, every: bool) -> Iterator[tuple[Run, str]]:
        limit = LIMIT | scenario.limit
        fresh = scenes(customers, BALANCE, limit, scenario.earlier, origin)
        with Stage() as stage:
            scene = None

            def play(choose) -> Run:
                nonlocal scene
                scene = next(fresh)
                wishes = [scenario.first, scenario.second]
                return stage.play([partial(wish.do, scene) for wish in wishes], choose)

            for run in all_orders(play, every=every):
                yield run, wrong_with(run, scenario, scene)

    return runs


def wrong_with(run: Run, scenario: Scenario, scene: Scene) -> str:
    """Return how the outcome is not that of one wish after the other; empty if it is."""
    errors = [error for error in run.errors if error not in scenario.may_retry_after]
    if errors:
        return f"the database said {errors}"
    verdicts, left = scenario.by_hand(run.ended)
    now = scene.left()
    wrong = [f"{what}: {now[what]}, not {left[what]}" for what in left if now[what] != left[what]]
    if run.results != verdicts:
        wrong.insert(0, f"verdicts: {run.results}, not {verdicts}")
    return "; ".join(wrong)


@pytest.fixture
def play(search, request):
    """Return a function that plays a scenario in all orders and returns the runs.

    The test fails at the first wrong outcome and shows the order that led there. How many orders
    there were is in the JUnit report.
    """

    def play_all(scenario: Scenario, *, every: bool) -> list[Run]:
        runs = []
        with closing(search(scenario, every=every)) as played:
            for run, wrong in played:
                if wrong:
                    pytest.fail(f"{wrong}\n{run}", pytrace=False)
                runs += [run] if run.is_new else []
        call_command("reconcile", stdout=StringIO())
        request.node.user_properties.append(("orders", len(runs)))
        return runs

    return play_all


@pytest.mark.parametrize("name", AT_ONE_LOCK)
def test_two_transactions_at_one_lock_end_as_one_after_the_other(play, name):
    runs = play(AT_ONE_LOCK[name], every=True)

    # Once one has the lock, the other asks for it after any of its calls: no order is left out.
    assert len(runs) == runs[0].calls_of(0) + runs[-1].calls_of(1)


@pytest.mark.parametrize("name", OTHERWISE)
def test_two_transactions_that_read_first_or_share_a_key_end_as_one_after_the_other(play, name):
    play(OTHERWISE[name], every=EVERY_ORDER)


@pytest.mark.parametrize("name", LOOKED_UP)
def test_what_the_api_looks_up_before_the_lock_decides_nothing(play, name):
    play(LOOKED_UP[name], every=EVERY_ORDER)


def test_not_even_one_of_the_orders_that_are_left_out_matters(play):
    play(LOOKED_UP["the receiver is frozen"], every=True)


# --- The search finds a broken lock -----------------------------------------------------------


def no_lock(patch):
    """Read the accounts and lock nothing."""
    lock = AccountQuerySet.lock

    def read(self, ids, _=None):
        statement = lock(self, ids)
        return statement._replace(sql=statement.sql.replace("FOR UPDATE", ""))

    patch.setattr(AccountQuerySet, "lock", read)


def decided_before_the_lock(patch):
    """Lock, and then go by what was read before."""

    def stale(read, ids, orders):
        accounts = Account.objects.in_bulk(ids)
        return [accounts, *read(orders, None)[1:]]

    reading_under_lock(patch, stale)


def only_the_sender_locked(patch):
    """Lock whoever pays, and read whoever is paid."""
    lock = AccountQuerySet.lock
    patch.setattr(AccountQuerySet, "lock", lambda self, ids, _=None: lock(self, [min(ids)]))

    def half(read, ids, orders):
        accounts, *rest = read(orders, None)
        return [Account.objects.in_bulk(ids) | accounts, *rest]

    reading_under_lock(patch, half)


def locked_in_an_order_of_ones_own(patch):
    """Lock one row after the other, whichever comes first to one's mind."""

    def one_by_one(read, ids, orders):
        backwards = threading.current_thread().name == "second"
        for pk in sorted(ids, reverse=backwards):
            Account.objects.select_for_update().get(pk=pk)
        return read(orders, None)

    reading_under_lock(patch, one_by_one)


def inserted_before_the_lock(patch):
    """Insert rows that refer to the accounts, then lock these."""
    days = count(1)

    def late(read, ids, orders):
        day = dt.date.fromordinal(next(days))
        AccountDailyUsage.objects.bulk_create(
            AccountDailyUsage(account_id=pk, bank_date=day, used_minor=0) for pk in sorted(ids)
        )
        return read(orders, None)

    reading_under_lock(patch, late)


def usage_read_before_the_lock(patch):
    """Look up what was sent today, then lock."""

    def early(read, ids, orders):
        [used] = rows.run(operations._used_since(bank_day.of(timezone.now()), orders))
        accounts, _, *rest = read(orders, None)
        return [accounts, used, *rest]

    reading_under_lock(patch, early)


def key_looked_up_before_the_lock(patch):
    """Look for an earlier transfer under the key, then lock."""

    def early(read, ids, orders):
        [known] = rows.run(operations._transfers_under_keys(orders))
        accounts, used, _, *rest = read(orders, None)
        return [accounts, used, known, *rest]

    reading_under_lock(patch, early)


def reading_under_lock(patch, broken):
    """Let `broken(read, ids, orders)` stand for what reads under the lock, which is `read`."""
    read = operations._read_under_lock
    patch.setattr(
        operations,
        "_read_under_lock",
        lambda orders, _: broken(read, {pk for one in orders for pk in one.accounts}, orders),
    )


@pytest.mark.parametrize(
    ("broken", "name", "found"),
    [
        (no_lock, "two later ones against the limit", "duplicate key"),  # of an entry's sequence
        (no_lock, "the receiver is frozen", "duplicate key"),  # of an audit row's sequence
        (decided_before_the_lock, "all the money twice", "balance below zero"),
        (only_the_sender_locked, "from two senders", "duplicate key"),
        (locked_in_an_order_of_ones_own, "there and back", "deadlock"),
        (inserted_before_the_lock, "there and back", "deadlock"),
        (usage_read_before_the_lock, "two later ones against the limit", "both paid"),
        (key_looked_up_before_the_lock, "one key twice", "duplicate key"),
    ],
)
def test_the_search_finds_a_broken_lock(search, monkeypatch, broken, name, found):
    signs = {
        "duplicate key": "the database said .*1062",
        "deadlock": "the database said .*1213",
        "balance below zero": "the database said .*(4025|3819)",  # MariaDB, MySQL
        "both paid": r"verdicts: \['paid', 'paid'\]",
    }
    broken(monkeypatch)
    with closing(search(AT_ONE_LOCK[name], every=True)) as played:
        wrong = next(wrong for _, wrong in played if wrong)
    assert re.match(signs[found], wrong)
