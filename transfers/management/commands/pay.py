"""`manage.py pay`: the payments of a file."""

import csv
import hashlib
import io
import sys
from collections import Counter
from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from rest_framework.exceptions import ValidationError

from accounts import transactions
from accounts.models import Customer
from audit.operations import Origin
from transfers import bulk, wording
from transfers.orders import Outcome
from transfers.serializers import BulkSerializer

COLUMNS = ["from_account_id", "to_account_id", "to_account_number", "amount", "currency"]
COLUMNS += ["reference", "idempotency_key"]
NEEDED = {"from_account_id", "amount"}
WIDTH = 30


class Command(BaseCommand):
    """Carries out the payments of a CSV file for one customer, each exactly once."""

    help = (
        "Carry out the payments of a CSV file for one customer. Columns: from_account_id, "
        "to_account_id or to_account_number, amount; currency, reference and idempotency_key if "
        "you like. A line without a key gets one made of the file's contents and its own number, "
        "so after a kill or an error run the same command on the same file again: what was paid "
        "is not paid twice. Exits 1 unless all are paid, and says which are not."
    )

    def add_arguments(self, parser):
        """Add the file and the customer."""
        parser.add_argument("file", type=Path, metavar="FILE.csv")
        parser.add_argument("--customer", required=True, metavar="USERNAME", help="whose money")

    def handle(self, *, file, customer, **options):
        """Pay in chunks and say how far it is. Raises CommandError unless everybody is paid."""
        user = get_user_model().objects.filter(username=customer, is_active=True).first()
        if user is None or Customer.of(user) is None:
            raise CommandError(f"There is no customer {customer}.")
        items = _items(file)
        wishes = [BulkSerializer.payment(item) for item in items]
        wrong = [(line, one) for line, one in enumerate(wishes, 2) if isinstance(one, Exception)]
        for line, error in wrong:
            self.stderr.write(f"line {line}: {_words(error)}")
        if wrong:
            raise CommandError("Nothing was paid: correct these lines first.")

        told = Counter()
        origin = Origin.command("pay", user.pk)
        for place, result in bulk.pay(user, wishes, origin=origin):
            word = _word(result)
            told[word] += 1
            if word not in ("paid", "paid before"):
                self._clear()
                self.stderr.write(f"line {place + 2}: {_words(result)}")
            self._show(sum(told.values()), len(wishes))
        self._clear()
        self.stdout.write(", ".join(f"{count:,} {word}" for word, count in told.items()) or "None.")
        if told.keys() - {"paid", "paid before"}:
            raise CommandError("Not everybody is paid; the lines are above.")

    def _show(self, done: int, total: int) -> None:
        if sys.stderr.isatty() and (done % bulk.CHUNK == 0 or done == total):
            bar = "#" * (WIDTH * done // total)
            print(f"\r[{bar:<{WIDTH}}] {done:,} of {total:,}", end="", file=sys.stderr, flush=True)

    def _clear(self) -> None:
        if sys.stderr.isatty():
            print(f"\r{'':{WIDTH + 30}}\r", end="", file=sys.stderr, flush=True)


def _items(file: Path) -> list[dict]:
    """Return the lines as bodies of transfers; empty cells are members that are not there."""
    try:
        content = file.read_bytes()
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"Cannot read {file}: {error}") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="?")
    columns = set(reader.fieldnames or [])
    if not NEEDED <= columns <= set(COLUMNS) or len(columns) < len(reader.fieldnames):
        raise CommandError(f"The first line must name columns, each once, of {', '.join(COLUMNS)}.")
    digest = hashlib.sha256(content).hexdigest()
    items = []
    for number, line in enumerate(reader, 2):
        members = {name: value for name, value in line.items() if value}
        items.append({"idempotency_key": f"file:{digest}:{number}", **members})
    return items


def _word(result) -> str:
    if isinstance(result, transactions.Busy):
        return "without a verdict"
    if not isinstance(result, Outcome) or result.refusal:
        return "refused"
    return "paid before" if result.replayed else "paid"


def _words(result) -> str:
    """Return why somebody is not paid."""
    if isinstance(result, transactions.Busy):
        return "the database came to no verdict; run the command again"
    if isinstance(result, ValidationError):
        return "; ".join(f"{name}: {one[0]}" for name, one in result.detail.items())
    if isinstance(result, Outcome):
        told = wording.explain(result.refusal, result.transfer).detail
        return f"{told} (since an earlier run)" if result.replayed else told
    return str(result)
