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

from accounts import bank_day, numbers
from accounts.models import Account, AccountDailyUsage
from audit.models import Action, AuditLog
from transfers.models import LedgerEntry, Transfer
from transfers.orders import fingerprint

CHUNK = 1_000  # rows a query; also ids in one IN list

# What is read of each row: everything that can be proved of it.
_TRANSFER = (
    *("id", "public_id", "kind", "from_account_id", "to_account_id", "amount_minor", "currency"),
    *("reference", "status", "failure_code", "failure_details", "caller_id", "fingerprint"),
    *("request_id", "bank_date", "created_at", "completed_at", "receipt_status"),
    *("received_minor", "confirmed_at", "reversed_minor"),
)
_ENTRY = (
    *("account_id", "sequence", "transfer_id", "amount_minor", "balance_after_minor"),
    *("bank_date", "created_at"),
)
_AUDIT = (
    *("action", "account_id", "actor_id", "object_id", "request_id", "created_at", "details"),
)
_USAGE = ("id", "account_id", "bank_date", "used_minor")

_TRANSFER_ACTIONS = [Action.TRANSFER_COMPLETED, Action.TRANSFER_REFUSED]
_ACCOUNT_ACTIONS = [
    Action.ACCOUNT_OPENED,
    Action.LIMIT_CHANGED,
    Action.ACCOUNT_FROZEN,
    Action.ACCOUNT_UNFROZEN,
    Action.ACCOUNT_CLOSED,
]
# What callers and staff said on the way; a transfer does not repeat it.
_NOT_IN_TRANSFERS = {"from", "to", "reason", "approval", "reverses"}
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
        for chunk in self._chunks("transfers", _plain(Transfer.objects.all(), _TRANSFER)):
            ids = [one.id for one in chunk]
            entries = LedgerEntry.objects.filter(transfer__in=ids)
            entries = _grouped(_plain(entries, _ENTRY), "transfer_id")
            names = [one.public_id for one in chunk]
            audit = AuditLog.objects.filter(object_id__in=names)
            audit = _grouped(_plain(audit, _AUDIT), "object_id")
            parties = {one.from_account_id for one in chunk} | {one.to_account_id for one in chunk}
            currencies = dict(Account.objects.filter(pk__in=parties).values_list("pk", "currency"))
            reversals = Transfer.objects.filter(reverses__in=ids, status=Transfer.Status.COMPLETED)
            reversed_minor = Counter()
            for original, amount in reversals.values_list("reverses", "amount_minor"):
                reversed_minor[original] += amount
            for transfer in chunk:
                self._count(transfer)
                evidence = _Evidence(
                    entries[transfer.id],
                    audit[transfer.public_id],
                    reversed_minor[transfer.id],
                    currencies,
                )
                for what in _wrong_with(transfer, evidence):
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
        for chunk in self._chunks("accounts", Account.objects.select_related("customer")):
            ids = [account.pk for account in chunk]
            changes = AuditLog.objects.filter(account_id__in=ids, action__in=_ACCOUNT_ACTIONS)
            changes = _grouped(changes.order_by("pk"), "account_id")
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
                if account.kind == Account.Kind.CUSTOMER:
                    for what in _changed_unseen(account, changes[account.pk]):
                        yield f"account {account.number}: {what}"
                totals[account.currency] += account.balance_minor
        for currency, total in totals.items():
            if total:
                yield f"currency {currency}: all balances together are {total}, not 0"

    def _entries(self) -> Iterator[LedgerEntry]:
        """Yield all entries by account and sequence: the order of their unique index."""
        after = Q()
        while True:
            entries = LedgerEntry.objects.filter(after).order_by("account_id", "sequence")
            chunk = list(_plain(entries, _ENTRY)[:CHUNK])
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
        for chunk in self._chunks("daily usage", _plain(AccountDailyUsage.objects.all(), _USAGE)):
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
            last = chunk[-1].id
            self._read(what, len(chunk))

    def _read(self, what: str, rows: int) -> None:
        self.rows[what] += rows
        self.progress(what, self.rows[what])


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Everything that belongs to one transfer."""

    entries: list[LedgerEntry]
    audit: list[AuditLog]
    reversed_minor: int
    currencies: dict[int, str]


def _wrong_with(transfer: Transfer, evidence: _Evidence) -> Iterator[str]:
    """Yield what is wrong with one transfer."""
    sender, receiver = transfer.from_account_id, transfer.to_account_id
    amount, currency = transfer.amount_minor, transfer.currency
    if transfer.fingerprint != fingerprint(sender, receiver, amount, currency, transfer.reference):
        yield "it is not what was ordered (fingerprint)"
    if not currency == evidence.currencies.get(sender) == evidence.currencies.get(receiver):
        yield "its currency is not that of both accounts"
    if transfer.bank_date != bank_day.of(transfer.created_at):
        yield "its bank date is not the day it was made"
    if transfer.reversed_minor != evidence.reversed_minor:
        yield "its reversals do not add up"

    moved = sorted(
        (one.account_id, one.amount_minor, one.bank_date, one.created_at)
        for one in evidence.entries
    )
    then = (transfer.bank_date, transfer.completed_at)
    completed = transfer.status == Transfer.Status.COMPLETED
    if moved != (
        sorted([(sender, -amount, *then), (receiver, amount, *then)]) if completed else []
    ):
        yield "its entries are not what it moved"
    if _audited(evidence.audit) != _to_be_audited(transfer, evidence.entries):
        yield "the audit log tells another story"
    yield from _wrong_receipt(transfer, evidence.audit)


def _audited(rows: list[AuditLog]) -> list[tuple]:
    """Return what the audit log says about a transfer, comparable with `_to_be_audited`."""
    told = [
        (
            *(row.action, row.account_id, row.actor_id, row.request_id, row.created_at),
            {name: row.details[name] for name in row.details.keys() - _NOT_IN_TRANSFERS},
        )
        for row in rows
        if row.action in _TRANSFER_ACTIONS
    ]
    return sorted(told, key=repr)  # any order will do, if it is the same on both sides


def _to_be_audited(transfer: Transfer, entries: list[LedgerEntry]) -> list[tuple]:
    """Return what the audit log must say about a transfer."""
    facts = {
        "amount_minor": transfer.amount_minor,
        "currency": transfer.currency,
        "kind": transfer.kind,
    }
    origin = (transfer.caller_id, transfer.request_id, transfer.created_at)
    if transfer.status == Transfer.Status.REJECTED:
        facts |= {"code": transfer.failure_code, **transfer.failure_details}
        return [(Action.TRANSFER_REFUSED, transfer.from_account_id, *origin, facts)]
    told = [
        (
            *(Action.TRANSFER_COMPLETED, entry.account_id, *origin),
            facts
            | {
                "before": {"balance_minor": entry.balance_after_minor - entry.amount_minor},
                "after": {"balance_minor": entry.balance_after_minor},
            },
        )
        for entry in entries
    ]
    return sorted(told, key=repr)


def _wrong_receipt(transfer: Transfer, audit: list[AuditLog]) -> Iterator[str]:
    """Yield what is wrong with what the receiver said."""
    given = [
        (row.action, row.details.get("received_minor"))
        for row in audit
        if row.action in _RECEIPT_ACTIONS.values()
    ]
    said = _RECEIPT_ACTIONS.get(transfer.receipt_status)
    if given != ([(said, transfer.received_minor)] if said else []):
        yield "its receipt is not in the audit log as it should be"
    confirmed = transfer.receipt_status == Transfer.Receipt.CONFIRMED
    is_equal = transfer.received_minor == transfer.amount_minor
    if not confirmed == is_equal == (transfer.confirmed_at is not None):
        yield "its receipt does not fit the amount received"


def _changed_unseen(account: Account, changes: list[AuditLog]) -> Iterator[str]:
    """Yield what about an account is not as its audited changes have left it."""
    told = {}
    for row in changes:
        told |= row.details.get("after", {})
    is_now = {
        "customer": account.customer.public_id,
        "currency": account.currency,
        "daily_limit_minor": account.daily_limit_minor,
        "status": account.status,
    }
    for name, value in is_now.items():
        if told.get(name) != value:
            yield f"its {name} is {value}, the audit log says {told.get(name)}"
    if not numbers.is_valid(account.number):
        yield "its number has wrong check digits"


def _plain(rows: QuerySet, columns: tuple[str, ...]) -> QuerySet:
    """Return the rows as named tuples of these columns: a million instances take twice as long."""
    return rows.values_list(*columns, named=True)


def _grouped(rows: QuerySet, column: str) -> dict[object, list]:
    groups = defaultdict(list)
    for row in rows:
        groups[getattr(row, column)].append(row)
    return groups
