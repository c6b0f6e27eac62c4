"""Races on a real server, with threads that each have a connection of their own."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command
from django.db import connection

from accounts import operations as accounts
from accounts.models import Account, AccountDailyUsage
from conftest import Api, set_limit
from transfers import webhooks
from transfers.models import LedgerEntry, Transfer

pytestmark = [pytest.mark.row_locks, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def the_books_are_right_afterwards(db):
    yield
    call_command("reconcile")


def together(*jobs) -> list:
    """Run the jobs at the same moment, as far as a machine can; return their results in order."""
    start = threading.Barrier(len(jobs))

    def run(job):
        try:
            start.wait()
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def test_transfers_in_both_directions_never_deadlock_a_client_and_lose_nothing(reena, rahul):
    set_limit(reena.account, 10**9, reason="test", origin=reena.origin)
    set_limit(rahul.account, 10**9, reason="test", origin=rahul.origin)

    def send_many(sender, receiver):
        api = Api(sender.token)
        body = sender.order(receiver, "1.00")
        return Counter(api.post("/transfers", body).status_code for _ in range(1_000))

    answers = together(lambda: send_many(reena, rahul), lambda: send_many(rahul, reena))

    assert answers == [{201: 1_000}, {201: 1_000}]
    assert (reena.balance(), rahul.balance()) == (500_000, 300_000)
    for person in (reena, rahul):
        sequences = LedgerEntry.objects.filter(account=person.account).order_by("sequence")
        assert list(sequences.values_list("sequence", flat=True)) == list(range(1, 2_002))
        usage = AccountDailyUsage.objects.filter(account=person.account)
        assert sum(usage.values_list("used_minor", flat=True)) == 100_000


def test_of_fifty_racing_transfers_of_the_whole_remaining_limit_exactly_one_passes(
    make_customer, rahul
):
    rich = make_customer("rich", balance=100_000_000, limit=10_000)

    answers = together(
        *[lambda n=n: rich.send(rahul, "100.00", key=f"race {n}").status_code for n in range(50)]
    )

    assert Counter(answers) == {201: 1, 429: 49}
    assert rahul.balance() == 310_000
    assert AccountDailyUsage.objects.get(account=rich.account).used_minor == 10_000


def test_of_fifty_racing_transfers_of_the_whole_balance_exactly_one_passes(reena, rahul):
    answers = together(
        *[lambda n=n: reena.send(rahul, "5000.00", key=f"race {n}").status_code for n in range(50)]
    )
    assert Counter(answers) == {201: 1, 402: 49}
    assert (reena.balance(), rahul.balance()) == (0, 800_000)


def test_fifty_racing_posts_with_one_key_make_one_transfer_and_get_equal_answers(reena, rahul):
    answers = together(*[lambda: reena.send(rahul, "10.00", key="one")] * 50)

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    replayed = Counter(answer.headers.get("Idempotent-Replayed") for answer in answers)
    assert replayed == {None: 1, "true": 49}
    assert Transfer.objects.filter(from_account=reena.account).count() == 1
    assert reena.balance() == 499_000


def test_one_key_racing_for_two_receivers_pays_one_of_them(reena, rahul, anita):
    for n in range(20):
        answers = together(
            lambda n=n: reena.send(rahul, "1.00", key=f"key {n}").status_code,
            lambda n=n: reena.send(anita, "1.00", key=f"key {n}").status_code,
        )
        assert sorted(answers) == [201, 422]
    assert reena.balance() == 498_000


def test_a_limit_changed_while_transfers_run_never_touches_a_balance(reena, rahul):
    def change_limits():
        for n in range(100):
            set_limit(reena.account, 1_000_000 + n, reason="race", origin=reena.origin)

    def send_many():
        return Counter(reena.send(rahul, "1.00").status_code for _ in range(100))

    _, answers = together(change_limits, send_many)

    assert answers == {201: 100}
    assert (reena.balance(), rahul.balance()) == (490_000, 310_000)


def test_after_a_freeze_is_committed_no_transfer_passes(reena, rahul):
    def send_many():
        return [reena.send(rahul, "1.00").status_code for _ in range(100)]

    def freeze():
        accounts.freeze(rahul.account, reason="race", origin=rahul.origin)

    answers, _ = together(send_many, freeze)

    passed = answers.count(201)
    assert answers == [201] * passed + [409] * (100 - passed)
    assert reena.balance() == 500_000 - 100 * passed
    assert reena.send(rahul, "1.00").status_code == 409


def test_fifty_racing_receipts_are_one_receipt(reena, rahul, audited):
    transfer = reena.send(rahul, "10.00").json()["id"]
    give = f"/transfers/{transfer}/receipt"
    answers = together(
        *[
            lambda n=n: rahul.api.post(give, {"received_amount": f"{10 + n % 2}.00"}).status_code
            for n in range(50)
        ]
    )
    assert Counter(answers) == {200: 25, 409: 25}
    assert len(audited("receipt.confirmed") + audited("receipt.disputed")) == 1


def test_an_account_opened_while_its_customer_begins_to_listen_is_listened_to(
    reena, teller, monkeypatch
):
    """The endpoint is asked for after the account was told whether there is any."""
    save, asked = Account.save, []

    def listen():
        webhooks.create(
            reena.customer, "https://hooks.example.com/", ["limit.changed"], origin=reena.origin
        )
        connection.close()

    def save_later(account, **options):
        asked.append(threading.Thread(target=listen))
        asked[0].start()
        asked[0].join(timeout=0.5)  # in vain, as it has to wait for the account
        save(account, **options)

    monkeypatch.setattr(Account, "save", save_later)
    opened = accounts.open_account(
        reena.customer, name="Travel", currency="INR", daily_limit_minor=1, origin=teller.origin
    )
    asked[0].join()
    opened.refresh_from_db()
    assert opened.has_webhooks
