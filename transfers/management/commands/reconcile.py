"""`manage.py reconcile`: prove the books."""

import sys
import time

from django.core.management.base import BaseCommand, CommandError

from audit.models import Action
from audit.operations import Origin, record
from transfers.reconciliation import Reconciliation, snapshot

EVERY_SECONDS = 1


class Command(BaseCommand):
    """Proves the bank's books, or says which row is wrong first."""

    help = (
        "Prove that the books are right: balances are their entries, all balances of a currency "
        "together are zero, sequences have no gap, usage is what was sent, every transfer is "
        "audited and no refused one moved anything. Reads one consistent snapshot; the bank can "
        "stay open. Exits 1 and names the first wrong row otherwise."
    )

    def handle(self, *args, **options):
        """Read everything once, and leave an audit row about it, which the back office shows.
        Raises CommandError for the first difference."""
        self._told = time.monotonic()
        reconciliation = Reconciliation(self._progress)
        with snapshot():
            wrong = next(reconciliation.differences(), None)
        rows = reconciliation.rows
        record(
            Action.BOOKS_FOUND_WRONG if wrong else Action.BOOKS_RIGHT,
            Origin.command("reconcile"),
            object_type="books",
            object_id="",
            **dict(rows),
            **({"wrong": wrong} if wrong else {}),
        )
        if wrong:
            raise CommandError(f"The books are wrong. {wrong}.")
        self.stdout.write(
            f"The books are right: {rows['accounts']} accounts, "
            f"{rows['transfers completed']} completed and {rows['transfers refused']} refused "
            f"transfers, all balances together 0 in every currency."
        )

    def _progress(self, what: str, rows: int) -> None:
        if time.monotonic() - self._told > EVERY_SECONDS:
            self._told = time.monotonic()
            print(f"  {what}: {rows:,} rows", file=sys.stderr, flush=True)
