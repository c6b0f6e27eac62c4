"""Cash over the counter: transfers between a customer's account and the bank's cash account."""

from accounts.models import Account
from accounts.operations import cash_account
from audit.operations import Origin
from transfers import operations
from transfers.models import Transfer
from transfers.orders import Order, Outcome


def deposit(account: Account, amount_minor: int, **order) -> Outcome:
    """Credit cash that a customer brought; return the outcome.

    Takes what `_order` takes by name. The same key again, by the same member of staff, deposits
    nothing.
    """
    return operations.post([deposit_order(account, amount_minor, **order)])[0]


def withdraw(account: Account, amount_minor: int, **order) -> Outcome:
    """Debit cash that a customer takes; return the outcome.

    Takes what `_order` takes by name. It does not count against the daily limit: the customer is
    there in person.
    """
    return operations.post([withdrawal_order(account, amount_minor, **order)])[0]


def deposit_order(account: Account, amount_minor: int, **order) -> Order:
    """Return the order that pays cash in."""
    return _order(cash_account(account.currency), account, amount_minor, **order)


def withdrawal_order(account: Account, amount_minor: int, **order) -> Order:
    """Return the order that pays cash out."""
    return _order(account, cash_account(account.currency), amount_minor, **order)


def _order(
    sender: Account,
    receiver: Account,
    amount_minor: int,
    *,
    reference: str,
    key: str,
    origin: Origin,
    reason: str = "",
    **audit_details,
) -> Order:
    return Order(
        kind=Transfer.Kind.CASH,
        caller_id=origin.actor_id,
        customer_id=None,
        from_account_id=sender.pk,
        to_account_id=receiver.pk,
        amount_minor=amount_minor,
        currency=sender.currency,
        reference=reference,
        key=key,
        origin=origin,
        audit_details={"reason": reason, **audit_details},
    )
