"""operations.post, called as the API, the form and the commands call it."""

import datetime as dt

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts import bank_day
from accounts.models import Account, AccountDailyUsage, AccountQuerySet
from audit.operations import Origin
from transfers import operations
from transfers.models import LedgerEntry, Transfer
from transfers.orders import Order


@pytest.fixture
def order():
    """Return a function that makes a payment order from one person to another."""

    def make(sender, receiver, amount_minor, **changes) -> Order:
        facts = {
            "kind": Transfer.Kind.PAYMENT,
            "caller_id": sender.user.pk,
            "customer_id": sender.customer.pk,
            "from_account_id": sender.account.pk,
            "to_account_id": receiver.account.pk,
            "amount_minor": amount_minor,
            "currency": "INR",
            "origin": sender.origin,
        }
        return Order(**facts | changes)

    return make


def test_many_orders_are_settled_in_turn_each_seeing_what_those_before_it_did(
    order, reena, rahul, anita
):
    outcomes = operations.post(
        [
            order(reena, rahul, 400_000),
            order(reena, anita, 200_000),  # 100_000 are left: refused
            order(rahul, reena, 700_000),  # only because the first order came before
            order(reena, anita, 200_000),  # and now it can be
        ]
    )

    codes = [outcome.refusal and outcome.refusal.code for outcome in outcomes]
    assert codes == [None, "insufficient_funds", None, None]
    assert outcomes[1].refusal.details == {"available_minor": 100_000}
    assert (reena.balance(), rahul.balance(), anita.balance()) == (600_000, 0, 900_000)
    assert AccountDailyUsage.objects.get(account=reena.account).used_minor == 600_000


def test_one_refused_order_changes_nothing_about_its_neighbours(order, reena, rahul):
    outcomes = operations.post(
        [
            order(reena, rahul, 100),
            order(reena, rahul, 100, currency="USD"),
            order(reena, rahul, 100, to_account_id=None),
            order(reena, rahul, 100),
        ]
    )
    codes = [outcome.refusal and outcome.refusal.code for outcome in outcomes]
    assert codes == [None, "currency_mismatch", "account_not_found", None]
    assert (reena.balance(), rahul.balance()) == (499_800, 300_200)


def test_each_order_of_one_call_is_audited_with_what_it_changed(order, reena, rahul, audited):
    operations.post(
        [
            order(reena, rahul, 100),
            order(reena, rahul, 900_000),  # refused: changes nothing
            order(rahul, reena, 300, audit_details={"reason": "Why not"}),
        ]
    )
    assert [
        (row.account_id, row.details["before"], row.details["after"], row.details.get("reason"))
        for row in audited("transfer.completed")[-4:]
    ] == [
        (reena.account.pk, {"balance_minor": 500_000}, {"balance_minor": 499_900}, None),
        (rahul.account.pk, {"balance_minor": 300_000}, {"balance_minor": 300_100}, None),
        (rahul.account.pk, {"balance_minor": 300_100}, {"balance_minor": 299_800}, "Why not"),
        (reena.account.pk, {"balance_minor": 499_900}, {"balance_minor": 500_200}, "Why not"),
    ]
    [refused] = audited("transfer.refused")
    assert refused.account_id == reena.account.pk
    assert not {"before", "after"} & refused.details.keys()


def test_a_key_twice_in_one_call_pays_once(order, reena, rahul):
    first, again, other = operations.post(
        [order(reena, rahul, amount, key="k") for amount in (100, 100, 200)]
    )

    assert (first.replayed, again.replayed) == (False, True)
    assert again.transfer.pk == first.transfer.pk
    assert other.refusal.code == "idempotency_key_reused"
    assert reena.balance() == 499_900


def test_an_order_without_a_key_is_recognised_when_it_is_posted_again(order, reena, rahul):
    without_key = order(reena, rahul, 100)
    first, again = operations.post([without_key]) + operations.post([without_key])
    assert again.transfer.pk == first.transfer.pk
    assert reena.balance() == 499_900


def test_ownership_is_checked_again_under_the_lock(order, books, reena, rahul, anita):
    before = books()
    stolen = order(reena, anita, 100, from_account_id=rahul.account.pk)
    assert operations.post([stolen])[0].refusal.code == "account_not_found"
    assert books() == before


def test_the_banks_own_accounts_are_no_customers_to_pay(order, books, reena):
    house = Account.objects.get(house_role="cash:INR")
    before = books()
    outcome = operations.post([order(reena, reena, 100, to_account_id=house.pk)])[0]
    assert outcome.refusal.code == "account_not_found"
    assert books() == before


def test_entries_are_numbered_without_a_gap_and_carry_the_balance(order, reena, rahul):
    operations.post([order(reena, rahul, 100), order(rahul, reena, 40), order(reena, rahul, 1)])
    entries = LedgerEntry.objects.filter(account=reena.account).order_by("sequence")
    assert list(entries.values_list("sequence", "amount_minor", "balance_after_minor")) == [
        (1, 500_000, 500_000),
        (2, -100, 499_900),
        (3, 40, 499_940),
        (4, -1, 499_939),
    ]


def test_more_orders_than_one_lock_may_name_are_refused_before_anything_happens(
    order, books, reena, rahul
):
    before = books()
    with pytest.raises(ValueError, match="At most 400"):
        operations.post([order(reena, rahul, 1)] * 401)
    assert books() == before


@pytest.mark.django_db(transaction=True)
def test_an_open_transaction_is_refused_because_it_could_not_be_retried(order, reena, rahul):
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        operations.post([order(reena, rahul, 1)])
    assert reena.balance() == 500_000


def test_the_number_of_statements_does_not_depend_on_the_number_of_orders(
    order, reena, rahul, anita, django_assert_num_queries
):
    operations.post([order(reena, rahul, 1), order(anita, rahul, 1)])  # usage of today exists
    with CaptureQueriesContext(connection) as one:
        operations.post([order(reena, rahul, 1)])
    with django_assert_num_queries(len(one)):
        operations.post([order(reena, rahul, 1), order(anita, reena, 2)] * 50)


# --- The database keeps its own promises, whatever Python does ----------------------------------


@pytest.mark.parametrize(
    ("table", "assignment"),
    [
        ("accounts", "balance_minor = -1"),
        ("accounts", "held_minor = balance_minor + 1"),
        ("accounts", "held_minor = -1"),
        ("accounts", "daily_limit_minor = -1"),
        ("accounts", "status = 'LOST'"),
        ("accounts", "kind = 'HOUSE'"),
        ("account_daily_usage", "used_minor = -1"),
        ("transfers", "amount_minor = 0"),
        ("transfers", "to_account_id = from_account_id"),
        ("transfers", "reversed_minor = amount_minor + 1"),
        ("transfers", "completed_at = NULL"),
        ("transfers", "failure_code = 'x'"),
    ],
)
def test_a_named_constraint_refuses(order, reena, rahul, table, assignment):
    operations.post([order(reena, rahul, 100)])
    of_customers = f" WHERE id = {reena.account.pk}" if table == "accounts" else ""
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {assignment}{of_customers}")


def test_a_second_transfer_under_one_callers_key_cannot_be_stored(order, reena, rahul):
    transfer = operations.post([order(reena, rahul, 100)])[0].transfer
    transfer.pk, transfer.public_id, transfer._state.adding = None, "other", True
    with pytest.raises(IntegrityError), transaction.atomic():
        transfer.save()


def test_an_account_cannot_be_saved_whole(reena):
    reena.account.balance_minor = 10**9
    with pytest.raises(TypeError):
        reena.account.save()
    assert reena.balance() == 500_000


# --- The decision is a pure function --------------------------------------------------------------

amounts = st.integers(min_value=1, max_value=10**15)


@given(balance=amounts, held=amounts, limit=amounts, used=st.integers(0, 10**15), amount=amounts)
def test_an_order_passes_only_within_balance_and_limit(balance, held, limit, used, amount):
    held = min(held, balance)
    sender = Account(
        pk=1, customer_id=1, currency="INR", balance_minor=balance, held_minor=held,
        daily_limit_minor=limit,
    )  # fmt: skip
    receiver = Account(pk=2, customer_id=2, currency="INR")
    order = Order(
        kind=Transfer.Kind.PAYMENT,
        caller_id=1,
        customer_id=1,
        from_account_id=1,
        to_account_id=2,
        amount_minor=amount,
        currency="INR",
        origin=Origin(),
    )

    refusal = operations.decide(order, sender, receiver, used)

    if amount > balance - held:
        assert refusal.code == "insufficient_funds"
    elif used + amount > limit:
        assert refusal.code == "daily_limit_exceeded"
        assert refusal.details["remaining_minor"] == max(0, limit - used)
    else:
        assert refusal is None


@pytest.fixture
def midnight_passes_at_the_lock(clock, monkeypatch):
    """It is a second before the bank's midnight. Once what this fixture returns was called, it is a
    second after as soon as accounts are locked; the call's answer then holds every lock's ids."""
    clock((bank_day.end(bank_day.of(timezone.now())) - timezone.now()).total_seconds() - 1)
    lock, locked = AccountQuerySet.lock, []

    def late(self, ids, seconds=None):
        def answer(cursor):
            clock(2)
            locked.append(ids)
            return statement.answer(cursor)

        statement = lock(self, ids, seconds)
        return statement._replace(answer=answer)

    def begin() -> list:
        monkeypatch.setattr(AccountQuerySet, "lock", late)
        return locked

    return begin


def test_what_counts_is_the_day_at_the_lock_and_not_the_day_at_which_it_was_waited_for(
    meera, rahul, midnight_passes_at_the_lock
):
    assert meera.send(rahul, "60.00").status_code == 201
    assert meera.send(rahul, "60.00").json()["code"] == "daily_limit_exceeded"
    midnight_passes_at_the_lock()
    assert meera.send(rahul, "60.00").status_code == 201


def test_what_was_sent_after_midnight_counts_for_who_has_waited_since_before(
    meera, rahul, midnight_passes_at_the_lock
):
    tomorrow = bank_day.of(timezone.now()) + dt.timedelta(days=1)
    AccountDailyUsage.objects.create(account=meera.account, bank_date=tomorrow, used_minor=9_000)
    locked = midnight_passes_at_the_lock()
    answer = meera.send(rahul, "60.00").json()
    assert (answer["code"], answer["remaining"]) == ("daily_limit_exceeded", "10.00")
    assert len(locked) == 1  # it knew at once, and not because the row was there already
