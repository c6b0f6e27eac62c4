"""Group commit: payments that wait together share a transaction, and nothing else."""

import threading
from collections import Counter
from contextlib import contextmanager

import pytest
from django.core.management import call_command
from django.db import OperationalError, connections

from accounts import transactions
from accounts.models import Account, AccountQuerySet
from transfers import group_commit, operations, payments
from transfers.models import Transfer

pytestmark = [pytest.mark.row_locks, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def queue(monkeypatch, reena, rahul, anita, meera):
    """The queue of this test, which notes the size of every transaction from now on."""
    queue = group_commit.Queue()
    queue.sizes = []
    post = operations.post

    def noted(orders, **options):
        queue.sizes.append(len(orders))
        return post(orders, **options)

    monkeypatch.setattr(group_commit, "post", queue.post)
    monkeypatch.setattr(operations, "post", noted)
    return queue


@pytest.fixture
def together(queue, monkeypatch):
    """Return a function that lets calls run at once, so that they wait in the queue together: it
    returns what they came to, in their order."""

    def run(*calls):
        results = [None] * len(calls)

        def call(number, work):
            try:
                results[number] = work()
            except Exception as error:
                results[number] = error
            finally:
                connections.close_all()

        with hold(queue):
            threads = []
            for number, work in enumerate(calls):
                threads.append(threading.Thread(target=call, args=(number, work)))
                threads[-1].start()
                while len(queue._waiting) <= number and threads[-1].is_alive():
                    threads[-1].join(0.001)
        for thread in threads:
            thread.join()
        return results

    return run


@contextmanager
def hold(queue):
    """Lead the queue while the block runs, then let the first one that waits lead."""
    queue._leader = holder = object()
    yield
    queue._hand_over(holder)


def pays(sender, receiver, amount: str, key: str):
    """Return a call that pays and returns the outcome."""
    payment = payments.Payment(
        from_account_id=sender.account.public_id,
        to_account_id=receiver.account.public_id,
        amount=amount,
        key=key,
    )
    return lambda: payments.pay(sender.user, payment, origin=sender.origin)


def said(outcome) -> str:
    """Return an outcome in a word or two."""
    if isinstance(outcome, Exception):
        return type(outcome).__name__
    word = outcome.refusal.code if outcome.refusal else outcome.transfer.status
    return f"{word} again" if outcome.replayed else word


def deadlock_with(monkeypatch, account: Account, times: int) -> None:
    """Let so many attempts to lock this account, with others or alone, end in a deadlock."""
    lock = AccountQuerySet.lock
    left = [times]

    def failing(self, ids, seconds=None):
        def answer(cursor):
            if account.pk in ids and left[0]:
                left[0] -= 1
                raise OperationalError(1213, "Deadlock found when trying to get lock")
            return statement.answer(cursor)

        statement = lock(self, ids, seconds)
        return statement._replace(answer=answer)

    monkeypatch.setattr(AccountQuerySet, "lock", failing)


def test_a_payment_that_comes_alone_waits_for_nobody(queue, reena, rahul):
    assert said(pays(reena, rahul, "1.00", "a")()) == "COMPLETED"
    assert queue.sizes == [1]


def test_payments_that_wait_together_are_one_transaction(
    queue, together, reena, rahul, anita, meera
):
    outcomes = together(
        pays(reena, rahul, "1.00", "a"),
        pays(rahul, anita, "2.00", "b"),
        pays(anita, reena, "3.00", "c"),
    )
    assert list(map(said, outcomes)) == ["COMPLETED"] * 3
    assert queue.sizes == [3]
    assert len({one.transfer.created_at for one in outcomes}) == 1
    assert (reena.balance(), rahul.balance(), anita.balance()) == (500_200, 299_900, 699_900)
    call_command("reconcile")


def test_one_refused_one_in_a_deadlock_and_one_twice_and_each_gets_what_it_would_alone(
    queue, together, monkeypatch, reena, rahul, anita, meera
):
    deadlock_with(monkeypatch, anita.account, times=2)
    outcomes = together(
        pays(reena, rahul, "1.00", "a"),
        pays(meera, rahul, "500.01", "too much"),
        pays(anita, rahul, "3.00", "in a deadlock"),
        pays(rahul, reena, "4.00", "b"),
        pays(reena, rahul, "1.00", "a"),
    )
    first, refused, deadlocked, other, second = map(said, outcomes)
    assert sorted([first, second]) == ["COMPLETED", "COMPLETED again"]
    assert outcomes[0].transfer.public_id == outcomes[4].transfer.public_id
    assert (refused, deadlocked, other) == ("insufficient_funds", "COMPLETED", "COMPLETED")
    # The batch fails once; then each is alone, and the one in a deadlock is tried again.
    assert Counter(queue.sizes) == {5: 1, 1: 5}
    assert (reena.balance(), rahul.balance()) == (500_300, 300_000)
    assert (anita.balance(), meera.balance()) == (699_700, 50_000)
    assert Transfer.objects.filter(kind="PAYMENT").count() == 4
    call_command("reconcile")


def test_a_refusal_and_a_duplicate_do_not_even_cost_the_others_their_batch(
    queue, together, reena, rahul, meera
):
    outcomes = together(
        pays(reena, rahul, "1.00", "a"),
        pays(meera, rahul, "500.01", "too much"),
        pays(reena, rahul, "1.00", "a"),
        pays(reena, rahul, "2.00", "a"),
    )
    assert list(map(said, outcomes)) == [
        "COMPLETED",
        "insufficient_funds",
        "COMPLETED again",
        "idempotency_key_reused",
    ]
    assert queue.sizes == [4]
    assert reena.balance() == 499_900
    call_command("reconcile")


def test_what_is_wrong_with_one_order_is_told_to_its_caller_alone(
    queue, together, monkeypatch, reena, rahul, anita, meera
):
    settle = operations._Book.settle

    def broken(book, order):
        if order.from_account_id == anita.account.pk:
            raise ZeroDivisionError
        return settle(book, order)

    monkeypatch.setattr(operations._Book, "settle", broken)
    outcomes = together(pays(reena, rahul, "1.00", "a"), pays(anita, meera, "1.00", "b"))
    assert list(map(said, outcomes)) == ["COMPLETED", "ZeroDivisionError"]
    assert (reena.balance(), anita.balance()) == (499_900, 700_000)
    call_command("reconcile")


def test_a_batch_whose_commit_arrived_without_a_reply_pays_nobody_twice(
    queue, together, monkeypatch, reena, rahul, anita
):
    wrapper = type(connections["default"])
    commit = wrapper._commit

    def lost(database):
        monkeypatch.setattr(wrapper, "_commit", commit)
        commit(database)
        raise OperationalError(2013, "Lost connection")

    calls = pays(reena, rahul, "1.00", "a"), pays(anita, rahul, "2.00", "b")
    monkeypatch.setattr(wrapper, "_commit", lost)
    assert list(map(said, together(*calls))) == ["COMPLETED", "COMPLETED"]  # and not "again"
    assert (reena.balance(), rahul.balance(), anita.balance()) == (499_900, 300_300, 699_800)
    call_command("reconcile")


@pytest.mark.parametrize("reply", ["arrives", "is lost"])
def test_the_next_batch_is_carried_out_while_the_one_before_is_committed(
    queue, monkeypatch, reena, rahul, anita, meera, reply
):
    wrapper = type(connections["default"])
    commit, committing, others_done = wrapper._commit, threading.Event(), threading.Event()

    def slow(database):
        monkeypatch.setattr(wrapper, "_commit", commit)
        committing.set()
        assert others_done.wait(30)
        commit(database)
        if reply == "is lost":
            raise OperationalError(2013, "Lost connection")

    outcomes = []
    pay = pays(reena, rahul, "1.00", "a")
    monkeypatch.setattr(wrapper, "_commit", slow)
    first = threading.Thread(target=lambda: (outcomes.append(pay()), connections.close_all()))
    first.start()
    assert committing.wait(30)
    assert said(pays(anita, meera, "2.00", "b")()) == "COMPLETED"
    assert said(pays(anita, meera, "2.00", "b")()) == "COMPLETED again"
    assert (outcomes, reena.balance()) == ([], 500_000)
    others_done.set()
    first.join()
    assert list(map(said, outcomes)) == ["COMPLETED"]
    assert (reena.balance(), anita.balance()) == (499_900, 699_800)
    assert (len(queue._waiting), +queue._alone, queue._leader) == (0, Counter(), None)
    call_command("reconcile")


def test_while_an_account_is_locked_by_somebody_else_only_its_own_payments_wait(
    queue, monkeypatch, reena, rahul, anita, meera
):
    monkeypatch.setattr(transactions, "MAX_SECONDS", 1)
    queue._alone.update([anita.account.pk])  # an order on it is being posted alone
    queue._leader = object()  # and a batch is under way
    assert said(pays(anita, meera, "1.00", "a")()) == "COMPLETED"
    assert queue.sizes == [1]
    assert not queue._waiting


def test_afterwards_the_queue_is_empty_and_knows_nobody(
    queue, together, monkeypatch, reena, rahul, anita
):
    deadlock_with(monkeypatch, anita.account, times=1)
    together(pays(reena, rahul, "1.00", "a"), pays(anita, rahul, "1.00", "b"))
    assert (len(queue._waiting), +queue._alone, queue._leader) == (0, Counter(), None)
