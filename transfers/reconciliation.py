"""Proving the whole bank from its own records: do all tables tell one story?

Everything is read again, row by row, from one consistent snapshot, and recomputed: balances from
entries, usage from transfers, entries and audit rows from the transfers that they belong to.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts import bank_day
from accounts.models import Account, AccountDailyUsage
from audit.models import Action, AuditLog
from transfers.models import LedgerEntry, Transfer
from transfers.orders import fingerprint

CHUNK = 1_000  # rows a query; also ids in one IN list

_TRANSFER_ACTIONS = [Action.TRANSFER_COMPLETED, Action.TRANSFER_REFUSED]
_RECEIPT_ACTIONS = {
    Transfer.Receipt.CONFIRMED: Action.RECEIPT_CONFIRMED,
    Transfer.Receipt.DISPUTED: Action.RECEIPT_DISPUTED,
}


@contextmanager
def snapshot():
    """Show the bank as it is now, for as long as the block runs, whatever is posted meanwhile."""
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        else:
            cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


@dataclass
class Reconciliation:
    """One pass over the bank. `rows` counts what was read; `progress` is told now and then."""

    progress: Callable[[str, int], None] = lambda what, rows: None
    rows: Counter = field(default_factory=Counter)
    _sent: Counter = field(default_factory=Counter)  # (account, bank date) -> minor units
    _held: Counter = field(default_factory=Counter)  # account -> minor units

    def differences(self) -> Iterator[str]:
        """Yield a sentence for each wrong row, naming it; nothing if the books are right."""
        yield from self._transfers()
        yield from self._accounts()
        yield from self._usage()
        yield from self._strays()

    # --- Every transfer has its entries and its audit rows --------------------------------------

    def _transfers(self) -> Iterator[str]:
        for chunk in self._chunks("transfers", Transfer.objects.all()):
            entries = defaultdict(list)
            for entry in LedgerEntry.objects.filter(transfer__in=[one.pk for one in chunk]):
                entries[entry.transfer_id].append(entry)
            audit = defaultdict(list)
            for row in AuditLog.objects.filter(object_id__in=[one.public_id for one in chunk]):
                audit[row.object_id].append(row)
            parties = {one.from_account_id for one in chunk} | {one.to_account_id for one in chunk}
            currencies = dict(Account.objects.filter(pk__in=parties).values_list("pk", "currency"))
            for transfer in chunk:
                self._count(transfer)
                for what in _wrong_with(
                    transfer, entries[transfer.pk], audit[transfer.public_id], currencies
                ):
                    yield f"transfer {transfer.public_id}: {what}"

    def _count(self, transfer: Transfer) -> None:
        pending = transfer.status == Transfer.Status.PENDING
        completed = transfer.status == Transfer.Status.COMPLETED
        self.rows["transfers completed"] += completed
        self.rows["transfers refused"] += transfer.status == Transfer.Status.REJECTED
        if transfer.kind == Transfer.Kind.PAYMENT and (completed or pending):
            self._sent[transfer.from_account_id, transfer.bank_date] += transfer.amount_minor
        if pending:
            self._held[transfer.from_account_id] += transfer.amount_minor

    # --- Every balance is the sum of its entries, and all of them are nothing -------------------

    def _accounts(self) -> Iterator[str]:
        entries = self._entries()
        entry = next(entries, None)
        totals = Counter()
        for chunk in self._chunks("accounts", Account.objects.all()):
            for account in chunk:
                balance = sequence = 0
                while entry and entry.account_id == account.pk:
                    balance += entry.amount_minor
                    sequence += 1
                    if entry.sequence != sequence:
                        yield f"account {account.number}: entry {sequence} is missing"
                        sequence = entry.sequence
                    if entry.balance_after_minor != balance:
                        yield f"account {account.number}: entry {sequence} has a wrong balance"
                        balance = entry.balance_after_minor
                    entry = next(entries, None)
                if account.balance_minor != balance:
                    yield (
                        f"account {account.number}: the balance is {account.balance_minor}, "
                        f"its entries say {balance}"
                    )
                if account.entry_sequence != sequence:
                    yield f"account {account.number}: the last entry should be {sequence}"
                if account.held_minor != self._held[account.pk]:
                    yield f"account {account.number}: what is held is wrong"
                totals[account.currency] += account.balance_minor
        for currency, total in totals.items():
            if total:
                yield f"currency {currency}: all balances together are {total}, not 0"

    def _entries(self) -> Iterator[LedgerEntry]:
        """Yield all entries by account and sequence: the order of their unique index."""
        after = Q()
        while True:
            entries = LedgerEntry.objects.filter(after).order_by("account_id", "sequence")
            chunk = list(entries[:CHUNK])
            yield from chunk
            if len(chunk) < CHUNK:
                return
            last = chunk[-1]
            after = Q(account_id__gt=last.account_id) | Q(
                account_id=last.account_id, sequence__gt=last.sequence
            )
            self._read("entries", len(chunk))

    # --- Usage is what was sent that day ---------------------------------------------------------

    def _usage(self) -> Iterator[str]:
        for chunk in self._chunks("daily usage", AccountDailyUsage.objects.all()):
            for usage in chunk:
                sent = self._sent.pop((usage.account_id, usage.bank_date), 0)
                if usage.used_minor != sent:
                    yield (
                        f"usage of account {usage.account_id} on {usage.bank_date}: "
                        f"{usage.used_minor} stands there, {sent} was sent"
                    )
        for (account, day), sent in self._sent.items():
            yield f"usage of account {account} on {day}: missing, {sent} was sent"

    # --- Nothing speaks of a transfer that does not exist ----------------------------------------

    def _strays(self) -> Iterator[str]:
        no_transfer = ~Exists(Transfer.objects.filter(pk=OuterRef("transfer_id")))
        entries = 2 * self.rows["transfers completed"]
        if LedgerEntry.objects.count() != entries:
            for entry in LedgerEntry.objects.filter(no_transfer)[:1]:
                yield f"entry {entry.sequence} of account {entry.account_id}: no such transfer"
        no_transfer = ~Exists(Transfer.objects.filter(public_id=OuterRef("object_id")))
        audit = AuditLog.objects.filter(action__in=_TRANSFER_ACTIONS)
        if audit.count() != entries + self.rows["transfers refused"]:
            for row in audit.filter(no_transfer)[:1]:
                yield f"audit row {row.pk}: no transfer {row.object_id}"

    # --- Reading in pieces -----------------------------------------------------------------------

    def _chunks(self, what: str, queryset: QuerySet) -> Iterator[list]:
        last = 0
        while chunk := list(queryset.filter(pk__gt=last).order_by("pk")[:CHUNK]):
            yield chunk
            last = chunk[-1].pk
            self._read(what, len(chunk))

    def _read(self, what: str, rows: int) -> None:
        self.rows[what] += rows
        self.progress(what, self.rows[what])


def _wrong_with(
    transfer: Transfer,
    entries: list[LedgerEntry],
    audit: list[AuditLog],
    currencies: dict[int, str],
) -> Iterator[str]:
    """Yield what is wrong with one transfer, given everything that belongs to it."""
    sender, receiver, amount = (
        transfer.from_account_id,
        transfer.to_account_id,
        transfer.amount_minor,
    )
    ordered = fingerprint(sender, receiver, amount, transfer.currency, transfer.reference)
    if transfer.fingerprint != ordered:
        yield "it is not what was ordered (fingerprint)"
    if not transfer.currency == currencies.get(sender) == currencies.get(receiver):
        yield "its currency is not that of both accounts"
    if transfer.bank_date != bank_day.of(transfer.created_at):
        yield "its bank date is not the day it was made"

    completed = transfer.status == Transfer.Status.COMPLETED
    moved = sorted((entry.account_id, entry.amount_minor) for entry in entries)
    if moved != (sorted([(sender, -amount), (receiver, amount)]) if completed else []):
        yield "its entries are not what it moved"
    if any(entry.bank_date != transfer.bank_date for entry in entries):
        yield "an entry has another bank date"

    written = sorted(
        (row.action, row.account_id, row.details.get("amount_minor"))
        for row in audit
        if row.action in _TRANSFER_ACTIONS
    )
    if completed:
        expected = [(Action.TRANSFER_COMPLETED, account, amount) for account in (sender, receiver)]
    elif transfer.status == Transfer.Status.REJECTED:
        expected = [(Action.TRANSFER_REFUSED, sender, amount)]
    else:
        expected = []
    if written != sorted(expected):
        yield "it is not in the audit log as it should be"

    receipts = [row.action for row in audit if row.action in _RECEIPT_ACTIONS.values()]
    said = _RECEIPT_ACTIONS.get(transfer.receipt_status)
    if receipts != ([said] if said else []):
        yield "its receipt is not in the audit log as it should be"
    if (transfer.received_minor == amount) != (transfer.receipt_status == "CONFIRMED"):
        yield "its receipt does not fit the amount received"
