"""A customer's payment: from what the customer typed or sent to an order, and its outcome.

The API and the form call `pay`. It looks the accounts up and hands the order to
`operations.post`, which decides everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from django.conf import settings

from accounts import money
from accounts.models import Account, Customer
from audit.operations import Origin
from transfers import group_commit
from transfers.models import Transfer
from transfers.orders import Order, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """What a customer asks for, in the customer's words; each text is already of the right form.

    The receiver is named by id or by number; `currency` None means the sender's; `key` None means
    that the customer sent no idempotency key.
    """

    from_account_id: str
    to_account_id: str | None = None
    to_account_number: str | None = None
    amount: str
    currency: str | None = None
    reference: str = ""
    key: str | None = None


def pay(user, payment: Payment, *, origin: Origin) -> Outcome:
    """Carry out a payment for the customer who signs in as `user`, and return its outcome.

    Raises money.InvalidAmount if the amount is none of the currency's, before anything happened,
    and transactions.Busy as `operations.post` does.
    """
    return group_commit.post(order(user, payment, origin=origin))


def order(user, payment: Payment, *, origin: Origin) -> Order:
    """Return the order that the payment is, with its accounts looked up.

    Raises money.InvalidAmount.
    """
    return order_between(accounts_of([payment]), user, payment, origin=origin)


def accounts_of(payments: Sequence[Payment]) -> dict[str, Account]:
    """Return the accounts that the payments name, by those names, whoever owns them: the same work
    for every answer. An id and a number are never spelt alike."""
    ids = {one.from_account_id for one in payments} | {one.to_account_id for one in payments}
    found = Account.objects.named(
        ids - {None}, {one.to_account_number for one in payments} - {None}
    )
    return {name: one for one in found for name in (one.public_id, one.number)}


def order_between(accounts: dict[str, Account], user, payment: Payment, *, origin: Origin) -> Order:
    """Return the order that the payment is, its accounts being among `accounts`.

    Raises money.InvalidAmount.
    """
    customer = Customer.of(user)
    named = payment.to_account_id or payment.to_account_number
    sender, receiver = accounts.get(payment.from_account_id), accounts.get(named)
    is_own = sender is not None and customer is not None and sender.customer_id == customer.pk
    currency = payment.currency or (sender.currency if is_own else settings.DEFAULT_CURRENCY)
    make = partial(Order, key=payment.key) if payment.key else Order
    return make(
        kind=Transfer.Kind.PAYMENT,
        caller_id=user.pk,
        customer_id=customer.pk if customer else None,
        from_account_id=sender.pk if is_own else None,
        to_account_id=receiver.pk if receiver else None,
        amount_minor=money.parse(payment.amount, currency),
        currency=currency,
        reference=payment.reference,
        origin=origin,
        audit_details={"from": payment.from_account_id, "to": named},
    )
