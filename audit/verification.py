"""Proving the audit log from itself: every row, every chain, every seal."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from audit import chain, keys, seals, signatures
from audit.models import FIRST_LINK, AuditLog, Seal, SealedHead

CHUNK = 5_000  # rows a query

_COLUMNS = (
    *("id", "account_id", "sequence", "epoch", "created_at", "action", "actor_id"),
    *("object_type", "object_id", "request_id", "ip", "text", "tag", "link"),
)
_TEXT = Cast("details", TextField())


class End(NamedTuple):
    """Where an account says that its chain ends; `name` is what people call the account."""

    account_id: int
    name: str
    sequence: int
    link: str


@dataclass
class Verification:
    """One pass over the audit log. `rows` counts what was read; `progress` is told now and then.

    `file` has the exported seals. Make the verification before the snapshot that it is to read:
    what is sealed and exported later is in neither.
    """

    progress: Callable[[str, int], None] = lambda what, rows: None
    file: Path | None = None
    rows: Counter = field(default_factory=Counter)

    def __post_init__(self):
        self._exported = seals.exported(self.file) if self.file else iter(())

    def differences(self, ends: Iterable[End]) -> Iterator[str]:
        """Yield a sentence for each wrong row, naming it by account and sequence; nothing if all
        is right. `ends` are those of all accounts, in the order of their keys. Raises
        seals.Conflict at a line of the file that is no seal."""
        yield from self._chains(ends)
        yield from self._outside_chains()
        yield from self._seals()

    def differences_of(self, end: End, newest: int) -> Iterator[str]:
        """Yield a sentence for each wrong row among the newest rows of one account's chain, up to
        that end: what comes after it was written meanwhile. Needs no snapshot."""
        start = max(0, end.sequence - newest)
        before = AuditLog.objects.filter(account_id=end.account_id, sequence=start).first()
        if start and not before:
            yield f"account {end.name}, audit row {start} is missing"
            return
        span = Q(account_id=end.account_id, sequence__gt=start, sequence__lte=end.sequence)
        sealed = _in_turn(SealedHead.objects.filter(span))
        yield from self._chain(end, self._rows(span), sealed, before)

    # --- Chains ----------------------------------------------------------------------------------

    def _chains(self, ends: Iterable[End]) -> Iterator[str]:
        rows = _Stream(self._rows(Q()))
        sealed = _Stream(_in_turn(SealedHead.objects.all()))
        for end in ends:
            yield from _strangers(rows, sealed, end.account_id)
            of_account = rows.of(end.account_id), sealed.of(end.account_id)
            yield from self._chain(end, *of_account)
        yield from _strangers(rows, sealed, None)

    def _chain(
        self, end: End, rows: Iterator, sealed: Iterator, before: AuditLog | None = None
    ) -> Iterator[str]:
        """Yield what is wrong with one chain, after the row `before`, and what was sealed of it."""
        sequence, previous = (before.sequence, before.link) if before else (0, FIRST_LINK)
        head = next(sealed, None)
        for row in rows:
            sequence += 1
            place = f"account {end.name}, audit row"
            if row.sequence != sequence:
                yield f"{place} {sequence} is missing"
                sequence = row.sequence
            if wrong := wrong_tag(row, row.text):
                yield f"{place} {sequence} {wrong}"
            if not _follows(row, previous):
                yield f"{place} {sequence} does not follow the row before it"
            while head and head.sequence <= sequence:
                if (head.sequence, head.link) != (sequence, row.link):
                    yield f"{place} {head.sequence} is not the one in seal {head.seal_id}"
                head = next(sealed, None)
            previous = row.link
        if end.sequence > sequence:
            yield f"account {end.name}, audit row {sequence + 1} is missing"
        if head:
            place = f"account {end.name}, audit row {head.sequence}"
            yield f"{place} is in seal {head.seal_id} and gone"
        if end.sequence < sequence:
            yield f"account {end.name}, audit row {end.sequence + 1} is one that it never had"
        if end.sequence == sequence and end.link != previous:
            yield f"account {end.name}, audit row {sequence} is not where the account's chain ends"
        self.rows["chains"] += sequence > 0

    def _rows(self, which: Q) -> Iterator:
        """Yield the rows of chains by account and sequence: the order of their unique index."""
        rows = AuditLog.objects.filter(which, sequence__isnull=False).annotate(text=_TEXT)
        for row in _in_turn(rows, *_COLUMNS):
            self.rows["audit rows"] += 1
            if self.rows["audit rows"] % CHUNK == 0:
                self.progress("audit rows", self.rows["audit rows"])
            yield row

    # --- Rows in no chain ------------------------------------------------------------------------

    def _outside_chains(self) -> Iterator[str]:
        """Check what concerns no account, and what is older than the chains: that has no tag, and
        nothing younger than the first tagged row may be without."""
        tagged = AuditLog.objects.exclude(tag="").order_by("id")
        first = tagged.values_list("id", flat=True).first()
        last = 0
        rows = AuditLog.objects.filter(sequence=None).annotate(text=_TEXT).order_by("id")
        rows = rows.values_list(*_COLUMNS, named=True)
        while found := list(rows.filter(id__gt=last)[:CHUNK]):
            last = found[-1].id
            for row in found:
                is_old = not row.tag and (first is None or row.id < first)
                self.rows["older rows" if is_old else "rows of no account"] += 1
                if is_old:
                    continue
                if row.account_id is not None:
                    yield f"audit row with id {row.id} is about an account and in no chain"
                elif wrong := wrong_tag(row, row.text):
                    yield f"audit row with id {row.id} {wrong}"
            self.progress("rows outside chains", last)

    # --- Seals -----------------------------------------------------------------------------------

    def _seals(self) -> Iterator[str]:
        told = next(self._exported, None)
        previous, number = FIRST_LINK, 0
        for seal in Seal.objects.order_by("number").iterator():
            number += 1
            if seal.number != number:
                yield f"seal {number} is missing"
                number = seal.number
            if seal.previous != previous:
                yield f"seal {number} does not follow the seal before it"
            yield from _wrong_with(seal)
            if told and told["number"] <= number:
                if told != seals.as_dict(seal):
                    yield f"seal {told['number']} is not the one in {self.file}"
                told = next(self._exported, None)
                self.rows["exported seals"] += 1
            previous = seals.digest(seal)
            self.rows["seals"] += 1
        if told:
            yield f"seal {told['number']} is in {self.file} and not in the database"


def _wrong_with(seal: Seal) -> Iterator[str]:
    """Yield what is wrong with one seal by itself."""
    heads, levels = seals.tree(seal)
    if len(heads) != seal.count or [one.hex() for one in levels[-1]] != [seal.root]:
        yield f"seal {seal.number} is not over the chains that are stored with it"
    if not signatures.is_signed(seals.content(seal), seal.key_id, seal.signature):
        yield f"seal {seal.number} is not signed by the bank"


def wrong_tag(row, text: str | None = None) -> str | None:
    """Return why the row cannot be what the bank wrote, or None.

    `text` is that of its details as the database holds them, if known: most often it is what was
    tagged, to the letter, and need not be read. MySQL writes its own.
    """
    try:
        key = keys.of(row.epoch)
    except keys.UnknownEpoch as error:
        return f"cannot be checked: {error}"
    if row.tag == chain.tag(key, chain.content(row, text)):
        return None
    if text and row.tag == chain.tag(key, chain.content(row, _canonical(text))):
        return None
    return "is not as it was written"


def _canonical(text: str) -> str:
    """Return JSON text in the form that is tagged; what is not even JSON stays as it is."""
    try:
        return chain.canonical(json.loads(text))
    except ValueError:
        return text


def _follows(row, previous: str) -> bool:
    """Return whether the row is linked to the one before."""
    try:
        return row.link == chain.link(previous, row.tag)
    except ValueError:  # not even hexadecimal digits
        return False


# --- Reading two tables side by side ----------------------------------------------------------


class _Stream:
    """Rows in the order of their accounts, of which the next can be looked at."""

    def __init__(self, rows: Iterator):
        self._rows = rows
        self.next = next(rows, None)

    def of(self, account_id: int) -> Iterator:
        """Yield the rows of this account, if they are the next."""
        while self.next and self.next.account_id == account_id:
            row, self.next = self.next, next(self._rows, None)
            yield row


def _strangers(rows: _Stream, sealed: _Stream, below: int | None) -> Iterator[str]:
    """Yield the rows of accounts that are not there, up to that key."""
    for stream, what in ((rows, "audit row"), (sealed, "sealed audit row")):
        while stream.next and (below is None or stream.next.account_id < below):
            row = stream.next
            yield f"account with id {row.account_id}, {what} {row.sequence}: no such account"
            for _ in stream.of(row.account_id):
                pass


def _in_turn(rows: QuerySet, *columns: str) -> Iterator:
    """Yield rows by account and sequence, in pieces."""
    rows = rows.order_by("account_id", "sequence")
    if columns:
        rows = rows.values_list(*columns, named=True)
    after = Q()
    while found := list(rows.filter(after)[:CHUNK]):
        yield from found
        last = found[-1]
        after = Q(account_id__gt=last.account_id) | Q(
            account_id=last.account_id, sequence__gt=last.sequence
        )
