"""A statement: what an account had, all that happened to it in a period, and what it had then.

Whatever the length of the period, lines are read and written one after the other.
"""

import csv
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import bank_day, money
from accounts.models import Account
from audit.export import Echo, harmless
from transfers.models import LedgerEntry
from transfers.serializers import entry_body

CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Statement:
    """One account between two bank dates, both inclusive. Made by `of`."""

    account: Account
    since: dt.date
    until: dt.date
    opening_minor: int
    closing_minor: int
    first: int  # sequence of the last entry before the period
    last: int  # sequence of the last entry in it

    def lines(self) -> Iterator[LedgerEntry]:
        """Yield the entries of the period, oldest first, with their transfers and parties.

        They are found by their sequence, so what happens meanwhile changes nothing, and in pieces:
        the drivers of MariaDB and MySQL fetch whatever a query finds at once.
        """
        entries = LedgerEntry.objects.filter(account=self.account).select_related(
            "transfer__from_account__customer",
            "transfer__to_account__customer",
            "transfer__reverses",
        )
        for first in range(self.first, self.last, CHUNK):
            last = min(first + CHUNK, self.last)
            found = entries.filter(sequence__gt=first, sequence__lte=last)
            yield from found.order_by("sequence")

    @property
    def length(self) -> int:
        """How many lines there are."""
        return self.last - self.first


def of(account: Account, since: dt.date | None = None, until: dt.date | None = None) -> Statement:
    """Return the statement of a period: by default from the account's opening until today.

    Its closing balance is the opening balance of the next period, whatever the two are.
    """
    since = since or bank_day.of(account.created_at)
    until = until or bank_day.of(timezone.now())
    first, opening = _last_entry(account, bank_date__lt=since)
    last, closing = _last_entry(account, bank_date__lte=until)
    return Statement(account, since, until, opening, closing, first, last)


def _last_entry(account: Account, **period) -> tuple[int, int]:
    """Return sequence and balance of the last entry of a period, zeros if there is none."""
    entries = LedgerEntry.objects.filter(account=account, **period).order_by("-sequence")
    found = entries.values_list("sequence", "balance_after_minor").first()
    return found or (0, 0)


def as_csv(statement: Statement) -> Iterator[str]:
    """Yield the statement as a table, line by line."""
    writer = csv.writer(Echo())
    currency = statement.account.currency

    def row(*cells: str) -> str:
        return writer.writerow(cells)

    def amount(minor: int) -> str:
        return money.format(minor, currency)

    yield "\ufeff" + row(  # the mark tells spreadsheets that this is UTF-8
        *("Date", "Time", "Payment", "Other side", "Reference"),
        *(f"Amount {currency}", f"Balance {currency}"),
    )
    opening, closing = amount(statement.opening_minor), amount(statement.closing_minor)
    yield row(statement.since.isoformat(), "", "", "Opening balance", "", "", opening)
    for entry in statement.lines():
        when = entry.created_at.astimezone(bank_day.zone())
        yield row(
            entry.bank_date.isoformat(),
            f"{when:%H:%M:%S}",
            entry.transfer.public_id,
            harmless(other_side(entry).owner_name),
            harmless(entry_reference(entry)),
            amount(entry.amount_minor),
            amount(entry.balance_after_minor),
        )
    yield row(statement.until.isoformat(), "", "", "Closing balance", "", "", closing)


def as_json(statement: Statement) -> Iterator[str]:
    """Yield the statement as one JSON object, line by line."""
    account = statement.account
    head = {
        "account_id": account.public_id,
        "account_number": account.number,
        "currency": account.currency,
        "time_zone": bank_day.zone().key,
        "since": statement.since.isoformat(),
        "until": statement.until.isoformat(),
        "opening_balance": money.format(statement.opening_minor, account.currency),
        "closing_balance": money.format(statement.closing_minor, account.currency),
    }
    yield json.dumps(head)[:-1] + ', "lines": ['
    between = "\n"
    for entry in statement.lines():
        yield between + json.dumps(entry_body(entry, account.currency))
        between = ",\n"
    yield "]}\n"


def entry_reference(entry: LedgerEntry) -> str:
    """Return what both sides read of the entry; of a reversal, which payment it sends back."""
    original = entry.transfer.reverses
    if original is None:
        return entry.transfer.reference
    return _("Sent back by the bank, of payment {number}").format(number=original.public_id)


def other_side(entry: LedgerEntry) -> Account:
    """Return the account at the other end of an entry."""
    transfer = entry.transfer
    is_sent = entry.account_id == transfer.from_account_id
    return transfer.to_account if is_sent else transfer.from_account
