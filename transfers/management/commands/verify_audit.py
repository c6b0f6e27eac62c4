"""`manage.py verify_audit`: prove that history was not rewritten."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import Account
from audit.models import Action
from audit.operations import WHOLE_LOG, Origin, record
from audit.seals import Conflict
from audit.verification import End, Verification
from transfers.reconciliation import Reconciliation, snapshot

EVERY_SECONDS = 1
ROWS = ("audit rows", "rows of no account", "older rows")


class Command(BaseCommand):
    """Proves the audit log and the books, or says which row is wrong first."""

    help = (
        "Prove that history was not rewritten: every audit row is as the bank wrote it, every "
        "account's chain of them is whole and ends where the account says, every seal fits the "
        "chains and the seals that were exported, and the books say the same (as reconcile "
        "proves). Reads one consistent snapshot; the bank can stay open. Exits 1 and names the "
        "first wrong row by account and sequence otherwise."
    )

    def add_arguments(self, parser):
        """Take the exported seals."""
        parser.add_argument(
            "--seals", metavar="FILE", type=Path, help="exported seals; else AUDIT_SEALS_FILE's"
        )

    def handle(self, *args, seals, **options):
        """Read everything once, and leave an audit row about it. Raises CommandError for the
        first difference."""
        file = seals or (settings.AUDIT_SEALS_FILE and Path(settings.AUDIT_SEALS_FILE) or None)
        if file and not file.exists():
            raise CommandError(f"There is no file {file}.")
        self._told = time.monotonic()
        verification, clock = Verification(self._progress, file), [time.monotonic()]
        books = Reconciliation(self._progress)
        with snapshot():
            try:
                wrong = next(self._differences(verification, books, clock), None)
            except Conflict as conflict:
                wrong = str(conflict).rstrip(".")
        clock.append(time.monotonic())
        _remember(verification, books, wrong)
        if wrong:
            raise CommandError(f"The audit log is wrong. {wrong}.")
        began, log_done, done = clock
        rows = verification.rows
        pace = sum(rows[what] for what in ROWS) / (log_done - began)
        self.stdout.write(
            f"The audit log is right: {rows['audit rows']} rows in {rows['chains']} chains, "
            f"{rows['rows of no account']} of no account, {rows['older rows']} older than the "
            f"chains; {rows['seals']} seals, {rows['exported seals']} of them compared with those "
            f"exported. So are the books. The log took {log_done - began:.1f} s ({pace:,.0f} rows "
            f"a second), the books {done - log_done:.1f} s."
        )

    def _differences(
        self, verification: Verification, books: Reconciliation, clock: list[float]
    ) -> Iterator[str]:
        yield from verification.differences(_ends())
        clock.append(time.monotonic())
        yield from books.differences()

    def _progress(self, what: str, rows: int) -> None:
        if time.monotonic() - self._told > EVERY_SECONDS:
            self._told = time.monotonic()
            print(f"  {what}: {rows:,} rows", file=sys.stderr, flush=True)


def _ends() -> Iterator[End]:
    """Yield where every account says that its chain ends."""
    ends = Account.objects.order_by("pk").values_list("pk", "number", *Account.CHAIN_END)
    last = 0
    while found := list(ends.filter(pk__gt=last)[:1_000]):
        yield from (End(*one) for one in found)
        last = found[-1][0]


def _remember(verification: Verification, books: Reconciliation, wrong: str | None) -> None:
    """Leave an audit row about the verification: it is what the back office shows of it."""
    record(
        Action.AUDIT_FOUND_WRONG if wrong else Action.AUDIT_VERIFIED,
        Origin.command("verify_audit"),
        object_type=WHOLE_LOG,
        object_id="",
        **{**verification.rows, **books.rows},
        **({"wrong": wrong} if wrong else {}),
    )
