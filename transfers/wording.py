"""What each refusal says: the status for programs, the sentence for people.

A sentence is made of facts that were fixed when the order was decided, so it reads the same a year
later and in a replay. What the pages say is in `guidance`.
"""

from dataclasses import dataclass, field

from accounts import bank_day, money
from accounts.serializers import utc
from transfers.models import Transfer
from transfers.orders import Refusal


@dataclass(frozen=True, slots=True)
class Explanation:
    """A refusal as it is told: HTTP status, a sentence, and the numbers as members of the JSON."""

    status: int
    detail: str
    members: dict = field(default_factory=dict)


STATUSES = {
    "account_not_found": 404,
    "same_account": 422,
    "currency_mismatch": 422,
    "idempotency_key_reused": 422,
    "account_not_active": 409,
    "insufficient_funds": 402,
    "daily_limit_exceeded": 429,
}


def explain(refusal: Refusal, transfer: Transfer | None) -> Explanation:
    """Return how to tell the refusal; `transfer` is the one that records it, if it is recorded."""
    return Explanation(
        STATUSES[refusal.code], *_EXPLANATIONS[refusal.code](refusal.details, transfer)
    )


def to_staff(refusal: Refusal, currency: str) -> str:
    """Return why cash did not move, for the member of staff who ordered it."""
    match refusal.code:
        case "insufficient_funds":
            available_minor = refusal.details["available_minor"]
            if available_minor < 0:  # the bank's own account, on the other side of a deposit
                return f"Refused: that is more {currency} in cash than the bank’s books can hold."
            return f"Refused: only {money.display(available_minor, currency)} is available."
        case "account_not_active":
            return "Refused: the account is not active."
        case "idempotency_key_reused":
            return (
                "This page was sent before, with something else, and that was carried out or "
                "refused then: look at the account first. Sending it now is a new order."
            )
    return f"Refused: {refusal.code}."


def _account_not_found(details, transfer):
    return "There is no such account.", {"field": details["field"]}


def _same_account(details, transfer):
    return ("From and to are the same account.",)


def _currency_mismatch(details, transfer):
    return ("The order and both accounts must have one currency.",)


def _key_reused(details, transfer):
    return ("This idempotency key was used for another request. Make a new key.",)


def _not_active(details, transfer):
    return (f"The account you send {details['side']} is not active.",)


def _insufficient_funds(details, transfer):
    available, currency = details["available_minor"], transfer.currency
    return (
        f"Not enough money in the account: {money.display(available, currency)} was available.",
        {"available_balance": money.format(available, currency)},
    )


def _over_the_limit(details, transfer):
    limit, remaining = (
        money.display(details[name], transfer.currency)
        for name in ("limit_minor", "remaining_minor")
    )
    return (
        f"Over the daily limit of {limit}: {remaining} of it was left that day.",
        {
            "remaining": money.format(details["remaining_minor"], transfer.currency),
            "resets_at": utc(bank_day.end(transfer.bank_date)),
        },
    )


_EXPLANATIONS = {
    "account_not_found": _account_not_found,
    "same_account": _same_account,
    "currency_mismatch": _currency_mismatch,
    "idempotency_key_reused": _key_reused,
    "account_not_active": _not_active,
    "insufficient_funds": _insufficient_funds,
    "daily_limit_exceeded": _over_the_limit,
}
