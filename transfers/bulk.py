"""Many payments of one customer at once, from one call or one file.

Each is what it would be alone, under the same key: the same outcome, the same replay, the same
audit. They go through `operations.post` in chunks, so that the accounts are locked only briefly and
other payments get in between.
"""

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from accounts import bank_day, money, transactions
from accounts.models import Account, AccountDailyUsage, Customer
from audit.models import Action
from audit.operations import Origin, record
from transfers import operations, payments
from transfers.orders import Order, Outcome
from transfers.payments import Payment

MOST = 5_000
MOST_AT_ONCE = 500  # all of them or none
MOST_ACCOUNTS = 999  # that one lock may name
CHUNK = 50

# What became of one payment: its outcome, or why there is none.
Result = Outcome | money.InvalidAmount | transactions.Busy


def pay(
    user, wishes: Sequence[Payment], *, origin: Origin, seconds: float = math.inf
) -> Iterator[tuple[int, Result]]:
    """Carry out the payments, for the customer who signs in as `user`, and yield what became of
    each, with its place in the list, as soon as its chunk is committed.

    If the database comes to no verdict on a chunk, or none was begun within so many seconds, that
    and the rest are Busy: what was carried out stays, and paying the same under the same keys again
    completes it.
    """
    until = time.monotonic() + seconds
    told = set()
    try:
        for places in _chunks(user, wishes):
            if time.monotonic() > until:
                raise transactions.Busy
            chunk = [wishes[place] for place in places]
            results = _post(user, chunk, origin, min(until, transactions.patience_ends()))
            told.update(places)
            yield from zip(places, results, strict=True)
    except (transactions.Busy, OperationalError, InterfaceError) as error:
        busy = transactions.Busy()
        busy.__cause__ = error
        yield from [(place, busy) for place in range(len(wishes)) if place not in told]


def _chunks(user, wishes: Sequence[Payment]) -> Iterator[list[int]]:
    """Yield chunk by chunk the places of the payments.

    They go in their order, as the first are paid if the money does not last. Where it does, they go
    by receiver: so that bulks that are carried out at the same time are seldom at the same accounts
    at the same moment, and an account that many of them pay is locked for few chunks.
    """
    places = range(len(wishes))
    if len(wishes) > CHUNK and transactions.run(partial(_lasts_for_all, user, wishes)):
        places = sorted(places, key=lambda place: wishes[place].to_account)
    for first in range(0, len(wishes), CHUNK):
        yield sorted(places[first : first + CHUNK])


def _lasts_for_all(user, wishes: Sequence[Payment]) -> bool:
    """Return whether, as things stand, none of the payments takes from another its money, its daily
    limit or its key. Only their order goes by it: each is decided under the locks."""
    if len({one.key for one in wishes}) < len(wishes):
        return False
    own = Account.objects.filter(customer=Customer.of(user))
    named = own.filter(public_id__in={one.from_account_id for one in wishes})
    senders = {account.public_id: account for account in named}
    wanted = Counter()
    for one in wishes:
        if sender := senders.get(one.from_account_id):
            with suppress(money.InvalidAmount):
                wanted[sender] += money.parse(one.amount, sender.currency)
    today = AccountDailyUsage.objects.filter(bank_date=bank_day.of(timezone.now()))
    used = dict(today.filter(account__in=wanted).values_list("account_id", "used_minor"))
    return all(
        minor <= min(one.available_minor, one.daily_limit_minor - used.get(one.id, 0))
        for one, minor in wanted.items()
    )


def _post(user, chunk: list[Payment], origin: Origin, until: float) -> list[Result]:
    results = _orders(user, chunk, origin)
    orders = [one for one in results if isinstance(one, Order)]
    outcomes = map(payments.noted, orders, operations.post(orders, until=until))
    return [next(outcomes) if isinstance(one, Order) else one for one in results]


class TooManyAccounts(Exception):
    """More accounts than one transaction may lock."""


class NotAll(Exception):
    """At least one payment is refused, so none was made; `results` says what each came to, or the
    order that it would have been."""

    def __init__(self, results: list[Result | Order]):
        super().__init__("Not all of the payments can be made, so none was.")
        self.results = results


def pay_all_or_none(user, wishes: Sequence[Payment], *, origin: Origin) -> list[Outcome]:
    """Carry out the payments in one transaction and return their outcomes, each paid or replayed.

    Raises NotAll if one of them is refused: then nothing moved and no key is used up, and the audit
    log has one row. Raises TooManyAccounts, and Busy as `operations.post` does.
    """
    results = _orders(user, wishes, origin)
    orders = [one for one in results if isinstance(one, Order)]
    if len({account for order in orders for account in order.accounts}) > MOST_ACCOUNTS:
        raise TooManyAccounts(f"All of them together name more than {MOST_ACCOUNTS} accounts.")
    try:
        if len(orders) < len(results):
            raise NotAll(results)
        return transactions.run(partial(_carry_out_all, orders))
    except NotAll as none:
        refused = sum(map(is_refused, none.results))
        facts = {"code": "bulk_refused", "orders": len(wishes), "refused": refused}
        record(Action.TRANSFER_NOT_ACCEPTED, origin, object_type="bulk", object_id="", **facts)
        raise


def is_refused(result: Result | Order) -> bool:
    """Return whether this is no payment, made or to be made."""
    return not isinstance(result, Order | Outcome) or bool(
        isinstance(result, Outcome) and result.refusal
    )


def _carry_out_all(orders: list[Order]) -> list[Outcome]:
    outcomes = operations.carry_out(orders)
    if any(map(is_refused, outcomes)):
        raise NotAll(outcomes)  # and so rolls back
    return outcomes


def _orders(user, wishes: Sequence[Payment], origin: Origin) -> list[Order | money.InvalidAmount]:
    accounts = payments.accounts_of(user, wishes)
    return [_order(accounts, user, wish, origin) for wish in wishes]


def _order(accounts, user, wish: Payment, origin: Origin) -> Order | money.InvalidAmount:
    try:
        return payments.order_between(accounts, user, wish, origin=origin)
    except money.InvalidAmount as error:
        return error
