"""`manage.py load_data`: a large bank to measure."""

import csv
import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, connections, transaction
from django.db.models import Model
from django.utils import timezone

from accounts import numbers
from accounts.models import Account, ApiToken, Customer
from accounts.operations import as_opened, cash_account
from audit.models import Action, AuditLog
from audit.operations import Origin, row
from transfers import operations
from transfers.models import Transfer
from transfers.orders import Order

CURRENCY = "INR"
OPENING_MINOR = 10**11
DAILY_LIMIT_MINOR = 10**14
FIRST_NUMBER = 10**9  # and without check digits; counted up, so that none is taken twice
ROWS = 1_000  # of people and accounts, in one transaction
ORDERS = 200  # in one transaction
EVERY_SECONDS = 2
MEMBERS = ["username", "token", "customer_id", "account_id", "account_number"]


class Command(BaseCommand):
    """Fills an empty bank with customers, tokens, money and a history of transfers."""

    help = (
        "Fill a bank that has no customers yet, to measure it: customers who sign in by token only "
        "(the tokens go to a CSV file), accounts with money in them, and a history of transfers, "
        "each carried out by the function that moves all money. Not for a bank that is in use."
    )

    def add_arguments(self, parser):
        """Add how much to make and where to write the tokens."""
        parser.add_argument("--customers", type=int, default=1_000, metavar="N")
        parser.add_argument("--accounts-per-customer", type=int, default=1, metavar="M")
        parser.add_argument("--transfers", type=int, default=0, metavar="N")
        parser.add_argument(
            "--tokens",
            type=Path,
            required=True,
            metavar="FILE",
            help=f"CSV to write, one line per account: {', '.join(MEMBERS)}",
        )
        parser.add_argument("--seed", type=int, default=1, help="of who pays whom (default 1)")
        parser.add_argument(
            "--processes", type=int, default=os.cpu_count(), help="that pay (default: the cores)"
        )

    def handle(
        self,
        *,
        customers,
        accounts_per_customer,
        transfers,
        tokens,
        seed,
        processes,
        **options,
    ):
        """Make everything, in chunks. Raises CommandError if somebody banks here already."""
        if min(customers, accounts_per_customer, processes) < 1 or transfers < 0:
            raise CommandError("There must be customers, accounts and processes.")
        if customers * accounts_per_customer < 2 and transfers:
            raise CommandError("Transfers need two accounts.")
        if Customer.objects.exists():
            raise CommandError("This bank has customers already; give load_data an empty one.")
        with tokens.open("w", newline="") as file:
            tokens.chmod(0o600)
            writer = csv.DictWriter(file, MEMBERS)
            writer.writeheader()
            for first in self._progress("customers", range(0, customers, ROWS), customers):
                group = range(first, min(first + ROWS, customers))
                with transaction.atomic():
                    writer.writerows(_open(group, accounts_per_customer))
        keys = list(
            Account.objects.filter(kind=Account.Kind.CUSTOMER)
            .order_by("pk")
            .values_list("pk", "customer", "customer__user")
        )
        deposits = _deposits(keys)
        chunks = iter(lambda: list(islice(deposits, ORDERS)), [])
        for chunk in self._progress("deposits", chunks, len(keys), ORDERS):
            operations.post(chunk)
        sizes = [min(ORDERS, transfers - done) for done in range(0, transfers, ORDERS)]
        with _workers(processes) as work:
            done = work(partial(_pay, keys, seed), enumerate(sizes))
            for _ in self._progress("transfers", done, transfers, ORDERS):
                pass
        _count_rows()
        self.stdout.write(
            f"{customers:,} customers with {accounts_per_customer:,} accounts each and "
            f"{transfers:,} transfers; the tokens are in {tokens}."
        )

    def _progress(self, what: str, chunks, total: int, size: int = ROWS) -> Iterator:
        """Yield the chunks, and say every now and then how far they are."""
        began = told = time.monotonic()
        for number, chunk in enumerate(chunks):
            yield chunk
            now, done = time.monotonic(), min((number + 1) * size, total)
            if now - told > EVERY_SECONDS or done == total:
                told = now
                pace = done / (now - began)
                self.stdout.write(f"  {what}: {done:,} of {total:,}, {pace:,.0f} a second")
                self.stdout.flush()


def _open(group: range, accounts_each: int) -> Iterator[dict]:
    """Open these customers, with a token and empty accounts, and yield a line for each account.

    Only what concerns an account is audited.
    """
    users = _insert(
        [
            get_user_model()(username=f"load-{number:07}", password=UNUSABLE_PASSWORD_PREFIX)
            for number in group
        ],
        "username",
    )
    customers = _insert([Customer(user=user, name=user.username.title()) for user in users])
    secrets = [ApiToken.new_secret() for _ in users]
    expires_at = timezone.now() + timedelta(days=settings.API_TOKEN_DAYS)
    _insert(
        [
            ApiToken(
                user=user,
                token_hash=ApiToken.digest(secret),
                hint=secret[:8],
                expires_at=expires_at,
            )
            for user, secret in zip(users, secrets, strict=True)
        ]
    )
    accounts = [
        Account(
            number=numbers.with_check_digits(str(FIRST_NUMBER + which * accounts_each + number)),
            customer=customer,
            name=f"Account {number + 1}",
            currency=CURRENCY,
            daily_limit_minor=DAILY_LIMIT_MINOR,
        )
        for which, customer in zip(group, customers, strict=True)
        for number in range(accounts_each)
    ]
    token_of = dict(zip((one.pk for one in customers), secrets, strict=True))
    _insert(accounts)
    AuditLog.objects.bulk_create([_opening(account) for account in accounts])
    Account.objects.bulk_update(accounts, Account.CHAIN_END, batch_size=100)
    for account in accounts:
        customer = account.customer
        line = (
            customer.user.username,
            token_of[customer.pk],
            customer.public_id,
            account.public_id,
            account.number,
        )
        yield dict(zip(MEMBERS, line, strict=True))


def _opening(account: Account) -> AuditLog:
    return row(
        Action.ACCOUNT_OPENED,
        Origin.command("load_data"),
        object_type="account",
        object_id=account.public_id,
        account=account,
        reason="Data to measure with",
        before={},
        after=as_opened(account),
    )


def _insert(rows: list[Model], name: str = "public_id") -> list[Model]:
    """Insert the rows and return them with their keys, which MySQL does not tell by itself."""
    model = type(rows[0])
    model.objects.bulk_create(rows)
    keys = dict(
        model.objects.filter(**{f"{name}__in": [getattr(one, name) for one in rows]}).values_list(
            name, "pk"
        )
    )
    for one in rows:
        one.pk = keys[getattr(one, name)]
    return rows


def _deposits(owners: list[tuple[int, int, int]]) -> Iterator[Order]:
    """Yield an order that pays into each account, at the counter."""
    cash = cash_account(CURRENCY)
    for account, _, user in owners:
        yield Order(
            kind=Transfer.Kind.CASH,
            caller_id=user,
            customer_id=None,
            from_account_id=cash.pk,
            to_account_id=account,
            amount_minor=OPENING_MINOR,
            currency=CURRENCY,
            reference="Opening",
            origin=Origin.command("load_data", user),
        )


@contextmanager
def _workers(processes: int) -> Iterator:
    """Yield a `map` whose work is done by so many processes; in this one, where the database has
    one writer anyway."""
    if processes == 1 or connection.vendor == "sqlite":
        yield map
        return
    connections.close_all()  # a connection is nobody's to share
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield pool.imap_unordered


def _pay(owners: list[tuple[int, int, int]], seed: int, task: tuple[int, int]) -> None:
    """Post one chunk of payments, each between two accounts taken by chance. Neighbouring chunks
    take them from different halves, so that processes seldom wait for each other's locks."""
    number, size = task
    chance = random.Random(f"{seed} {number}")
    half = owners[number % 2 :: 2] if len(owners) > 3 else owners
    operations.post([_payment(*chance.sample(half, 2), chance) for _ in range(size)])


def _payment(sender: tuple[int, int, int], receiver: tuple[int, int, int], chance) -> Order:
    account, customer, user = sender
    return Order(
        kind=Transfer.Kind.PAYMENT,
        caller_id=user,
        customer_id=customer,
        from_account_id=account,
        to_account_id=receiver[0],
        amount_minor=chance.randint(1, 10_000),
        currency=CURRENCY,
        reference="History",
        origin=Origin.command("load_data", user),
    )


def _count_rows() -> None:
    """Let the server count its rows now: it chooses indexes by what it believes to be there."""
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            tables = ", ".join(connection.introspection.table_names(cursor))
            cursor.execute(f"ANALYZE TABLE {tables}")
            cursor.fetchall()
