"""Reversals: money sent back by a transfer of its own, linked to the one that it undoes.

What was booked is never edited. The cumulative amount sent back is bounded under the locks of both
accounts, and by a constraint as well. Whether it may be done is for others to say (office).
"""

from django.db.models import F

from accounts import money
from audit.operations import Origin
from transfers import operations
from transfers.models import Transfer
from transfers.orders import Order, Outcome

REFERENCE = "Reversal"


def left_minor(original: Transfer) -> int:
    """Return how much of the transfer has not been sent back."""
    return original.amount_minor - original.reversed_minor


def obstacle(original: Transfer, amount_minor: int) -> str | None:
    """Return why that much of the transfer cannot be sent back, or None. What the accounts hold is
    not looked at."""
    if original.status != Transfer.Status.COMPLETED:
        return "Only a completed transfer can be reversed."
    if original.kind == Transfer.Kind.REVERSAL:
        return "A reversal cannot be reversed."
    if amount_minor > left_minor(original):
        left = money.display(left_minor(original), original.currency)
        return f"Only {left} of the transfer is left to be reversed."
    return None


def carry_out(
    original: Transfer, amount_minor: int, *, key: str, origin: Origin, **audit_details
) -> Outcome:
    """Send that much back, inside the open transaction, which holds the locks of both accounts and
    has read `original` under them. Raises ValueError if there is an obstacle.

    Money that the receiver does not have any more is a refusal like that of any transfer.
    """
    if why_not := obstacle(original, amount_minor):
        raise ValueError(why_not)
    order = Order(
        kind=Transfer.Kind.REVERSAL,
        caller_id=origin.actor_id,
        customer_id=None,
        from_account_id=original.to_account_id,
        to_account_id=original.from_account_id,
        amount_minor=amount_minor,
        currency=original.currency,
        reference=REFERENCE,
        key=key,
        origin=origin,
        reverses_id=original.pk,
        audit_details={"reverses": original.public_id, **audit_details},
    )
    [outcome] = operations.carry_out([order])
    if not outcome.refusal:
        reversed_now = F("reversed_minor") + amount_minor
        Transfer.objects.filter(pk=original.pk).update(reversed_minor=reversed_now)
    return outcome
