"""The bank as a banker would explain it: what becomes of every order, and what is left afterwards.

Whole numbers of the smallest unit (paise, yen, fils), no database, no HTTP, and nothing of the
product. tests/test_model.py asks the real bank and this one the same things and compares every
answer; where they differ, one of them is wrong.
"""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field

DECIMALS = {"INR": 2, "JPY": 0, "KWD": 3}
HOME_CURRENCY = (
    "INR"  # of an order that names none, if the payer's is none of the caller's business
)
NOT_RECORDED = {"account_not_found", "same_account", "currency_mismatch", "idempotency_key_reused"}

# From these moments on (UTC), the clocks of a place are so many minutes ahead of UTC.
CLOCKS = {
    "Asia/Kolkata": {dt.datetime(2000, 1, 1): 330},
    "Europe/London": {
        dt.datetime(2025, 10, 26, 1): 0,
        dt.datetime(2026, 3, 29, 1): 60,
        dt.datetime(2026, 10, 25, 1): 0,
    },
}


def bank_day(at: dt.datetime, zone: str) -> dt.date:
    """The day on the bank's calendar at that moment."""
    return (at + _ahead(at, zone)).date()


def day_ends(at: dt.datetime, zone: str) -> dt.datetime:
    """The moment at which that day is over and the limit is fresh."""
    midnight = dt.datetime.combine(bank_day(at, zone) + dt.timedelta(days=1), dt.time())
    return midnight - _ahead(midnight, zone)  # no clock here changes within an hour of midnight


def _ahead(at: dt.datetime, zone: str) -> dt.timedelta:
    changes = CLOCKS[zone]
    return dt.timedelta(minutes=changes[max(since for since in changes if since <= at)])


@dataclass(eq=False)
class Account:
    """Money of one owner in one currency. Without an owner it is the bank's own cash."""

    owner: str | None
    currency: str
    limit: int = 0  # what the owner may send in a day
    balance: int = 0
    frozen: bool = False
    sent: Counter = field(default_factory=Counter)  # by day, what counts against the limit
    entries: list["Entry"] = field(default_factory=list)  # the first entry has the number 1

    def left(self, day: dt.date) -> int:
        """What the owner may still send that day."""
        return max(0, self.limit - self.sent[day])


@dataclass(frozen=True)
class Order:
    """A wish to move money; None is an account that nobody has."""

    caller: str
    payer: Account | None
    payee: Account | None
    amount: int
    currency: str
    reference: str = ""
    cash: bool = False  # over the counter, ordered by staff


@dataclass(frozen=True)
class Refusal:
    """Why nothing moved, with the numbers that decided it."""

    code: str
    facts: dict = field(default_factory=dict)


@dataclass(eq=False)
class Transfer:
    """An order that the bank keeps, with what became of it."""

    order: Order
    at: dt.datetime
    day: dt.date
    refusal: Refusal | None
    receipt: str = "UNCONFIRMED"
    received: int | None = None
    confirmed_at: dt.datetime | None = None

    def shown_to(self, person: str) -> bool:
        """To both sides; but a payment that was refused never existed for its receiver."""
        sent, received = (one.owner == person for one in (self.order.payer, self.order.payee))
        return sent or received and not self.refusal


@dataclass(frozen=True)
class Entry:
    """One line of an account's history."""

    transfer: Transfer
    amount: int
    balance_after: int


class Bank:
    """Everything the bank knows."""

    def __init__(self):
        self.accounts: list[Account] = []
        self.cash: dict[str, Account] = {}
        self.transfers: list[Transfer] = []
        self.kept: dict[tuple[str, str], Transfer] = {}  # by caller and key, for good
        self.not_accepted = 0

    def settle(self, order: Order, key: str | None, at: dt.datetime, day: dt.date):
        """Carry out an order; return its transfer, why it was refused, whether it is a replay."""
        first = self.kept.get((order.caller, key))
        if first:
            if first.order == order:
                return first, first.refusal, True
            return None, Refusal("idempotency_key_reused"), False
        refusal = why_not(order, day)
        if refusal and refusal.code in NOT_RECORDED:
            self.not_accepted += 1
            return None, refusal, False
        transfer = Transfer(order, at, day, refusal)
        self.transfers.append(transfer)
        if key is not None:
            self.kept[order.caller, key] = transfer
        if not refusal:
            self._move(transfer)
        return transfer, refusal, False

    def _move(self, transfer: Transfer) -> None:
        order = transfer.order
        for account, amount in ((order.payer, -order.amount), (order.payee, order.amount)):
            account.balance += amount
            account.entries.append(Entry(transfer, amount, account.balance))
        if not order.cash:
            order.payer.sent[transfer.day] += order.amount

    def give_receipt(self, transfer: Transfer, received: int, at: dt.datetime) -> bool:
        """The receiver says what arrived, once; return whether the bank takes it down."""
        if transfer.refusal or transfer.received not in (None, received):
            return False
        if transfer.received is None:
            transfer.received = received
            agreed = received == transfer.order.amount
            transfer.receipt = "CONFIRMED" if agreed else "DISPUTED"
            transfer.confirmed_at = at if agreed else None
        return True


def why_not(order: Order, day: dt.date) -> Refusal | None:
    """The first reason against an order, or None."""
    payer, payee = order.payer, order.payee
    if payer is None or not order.cash and payer.owner != order.caller:
        return Refusal("account_not_found", {"field": "from_account_id"})
    if payee is None or not order.cash and payee.owner is None:
        return Refusal("account_not_found", {"field": "to_account_id"})
    if payer is payee:
        return Refusal("same_account")
    if not order.currency == payer.currency == payee.currency:
        return Refusal("currency_mismatch")
    if payer.frozen or payee.frozen:
        return Refusal("account_not_active")
    if payer.owner and order.amount > payer.balance:
        return Refusal("insufficient_funds", {"available_balance": payer.balance})
    if not order.cash and order.amount > payer.left(day):
        return Refusal("daily_limit_exceeded", {"remaining": payer.left(day)})
    return None
