"""A customer's payment: from what the customer typed or sent to an order, and its outcome.

The API and the form call `pay`. It looks the accounts up and hands the order to
`operations.post`, which decides everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from django.conf import settings

from accounts import directory, money
from accounts.directory import Listing
from accounts.models import Customer
from audit.operations import Origin
from transfers import group_commit
from transfers.models import Transfer
from transfers.orders import NOT_ADMITTED, Order, Outcome


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

    @property
    def to_account(self) -> str:
        """The id or the number of the receiver, whichever was given."""
        return self.to_account_id or self.to_account_number


class NotAdmitted(Exception):
    """The caller's token does not let them pay any more. Nothing happened."""


def pay(user, payment: Payment, *, token_id: int | None = None, origin: Origin) -> Outcome:
    """Carry out a payment for the customer who signs in as `user`, and return its outcome.

    Raises money.InvalidAmount if the amount is none of the currency's, before anything happened,
    NotAdmitted if the payment came with a token that does not count when the accounts are locked,
    and transactions.Busy as `operations.post` does.
    """
    wish = order(user, payment, token_id=token_id, origin=origin)
    outcome = group_commit.post(wish)
    if outcome is NOT_ADMITTED:
        raise NotAdmitted
    return noted(wish, outcome)


def noted(order: Order, outcome: Outcome) -> Outcome:
    """Return the outcome. If it knows no such account, what was remembered of it is forgotten."""
    if outcome.refusal and outcome.refusal.code == "account_not_found":
        is_sender = outcome.refusal.details["field"] == "from_account_id"
        directory.forget([order.from_name if is_sender else order.to_name])
    return outcome


def order(user, payment: Payment, *, token_id: int | None = None, origin: Origin) -> Order:
    """Return the order that the payment is, with its accounts looked up.

    Raises money.InvalidAmount.
    """
    accounts = accounts_of(user, [payment])
    return order_between(accounts, user, payment, token_id=token_id, origin=origin)


def accounts_of(user, payments: Sequence[Payment]) -> dict[str, Listing]:
    """Return the accounts that the payments name, by those names, whoever owns them.

    A sender that is not the caller's is asked for anew: another's costs the same as none.
    """
    customer = Customer.of(user)
    senders = {one.from_account_id for one in payments}
    directory.forget_unless_of(customer and customer.pk, senders)
    return directory.look_up(senders | {one.to_account for one in payments})


def order_between(
    accounts: dict[str, Listing],
    user,
    payment: Payment,
    *,
    token_id: int | None = None,
    origin: Origin,
) -> Order:
    """Return the order that the payment is, its accounts being among `accounts`.

    Raises money.InvalidAmount.
    """
    customer = Customer.of(user)
    sender, receiver = accounts.get(payment.from_account_id), accounts.get(payment.to_account)
    is_own = sender is not None and customer is not None and sender.customer_id == customer.id
    currency = payment.currency or (sender.currency if is_own else settings.DEFAULT_CURRENCY)
    make = partial(Order, key=payment.key) if payment.key else Order
    return make(
        kind=Transfer.Kind.PAYMENT,
        caller_id=user.id,
        customer_id=customer.id if customer else None,
        token_id=token_id,
        from_account_id=sender.id if is_own else None,
        to_account_id=receiver.id if receiver else None,
        from_name=payment.from_account_id,
        to_name=payment.to_account,
        amount_minor=money.parse(payment.amount, currency),
        currency=currency,
        reference=payment.reference,
        origin=origin,
        audit_details={"from": payment.from_account_id, "to": payment.to_account},
    )
