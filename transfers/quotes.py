"""What would happen if a customer ordered this payment now, without doing or recording anything."""

from dataclasses import dataclass

from django.utils import timezone

from accounts import bank_day, money, names
from accounts.models import Account, AccountDailyUsage, Customer
from accounts.names import NameMatch
from audit.operations import Origin
from transfers import operations, payments
from transfers.models import Transfer
from transfers.orders import Order, Refusal
from transfers.payments import Payment


@dataclass(frozen=True, slots=True)
class Quote:
    """The outcome that a payment would have. Amounts are None unless the account is the caller's.

    `payee_name` is known to whoever came close to it already, so a stranger's name is not told.
    """

    order: Order
    sender: Account | None
    refusal: Refusal | None
    name_match: NameMatch
    payee_name: str | None
    balance_after_minor: int | None
    remaining_today_minor: int | None

    @property
    def outcome(self) -> str:
        """The status of the transfer that would be, or the code of the refusal."""
        return self.refusal.code if self.refusal else Transfer.Status.COMPLETED


def quote(user, payment: Payment, payee_name: str = "", *, origin: Origin) -> Quote:
    """Return what `payments.pay` would come to, decided by the very same code.

    Raises money.InvalidAmount as `pay` does.
    """
    order = payments.order(user, payment, origin=origin)
    found = Account.objects.select_related("customer").in_bulk(
        {order.from_account_id, order.to_account_id} - {None}
    )
    sender, receiver = found.get(order.from_account_id), found.get(order.to_account_id)
    used = AccountDailyUsage.used_on(sender, bank_day.of(timezone.now())) if sender else 0
    refusal = operations.decide(order, sender, receiver, used)
    moves = 0 if refusal else order.amount_minor
    name_match, name = _compare(payee_name, receiver, Customer.of(user))
    return Quote(
        order,
        sender,
        refusal,
        name_match,
        name,
        sender and sender.balance_minor - moves,
        sender and max(0, sender.daily_limit_minor - used - moves),
    )


def _compare(typed: str, receiver: Account | None, payer: Customer | None):
    """Return how the name compares, and the owner's name if the payer may see it."""
    if receiver is None or receiver.kind == Account.Kind.HOUSE:
        return NameMatch.NOT_CHECKED, None
    match = names.compare(typed, receiver.owner_name)
    is_own = payer is not None and receiver.customer_id == payer.pk
    told = is_own or match in {NameMatch.MATCH, NameMatch.CLOSE_MATCH}
    return match, receiver.owner_name if told else None


def quote_body(made: Quote) -> dict:
    """Return the quote as the API answers it."""

    def amount(minor: int | None) -> str | None:
        return None if minor is None else money.format(minor, made.sender.currency)

    return {
        "outcome": made.outcome,
        "payee": {"name_match": made.name_match.value, "display_name": made.payee_name},
        "balance_after": amount(made.balance_after_minor),
        "remaining_today": amount(made.remaining_today_minor),
    }
