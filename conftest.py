"""What all tests share: the cast, a client that speaks the API, and a way to see what moved.

Reena and Rahul have accounts, Anita must see nothing of theirs. Money in tests is in minor units:
500_000 is INR 5,000.00.
"""

import datetime as dt
import json
import secrets
from dataclasses import dataclass, field

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone

from accounts import callers, directory, operations, tokens
from accounts.models import Account, AccountDailyUsage, Customer
from audit import append_only
from audit.models import Action, AuditLog
from audit.operations import Origin
from office import approvals
from transfers import cash
from transfers.models import LedgerEntry, Transfer
from transfers.tests.receiver import listening

PASSWORD = "correct horse battery"
APPEND_ONLY_TABLES = [
    "audit_logs",
    "audit_seals",
    "audit_sealed_heads",
    "ledger_entries",
    "dispute_notes",
]


def pytest_configure(config):
    """Hash passwords quickly and serve assets without collecting them first."""
    settings.STAFF_SECOND_FACTOR = False  # its own tests switch it on
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES["staticfiles"]["BACKEND"] = (
        "django.contrib.staticfiles.storage.StaticFilesStorage"
    )


@pytest.fixture(autouse=True)
def every_test_has_a_bank_of_its_own():
    """Forget the accounts of the last test's bank: this one's may have the same numbers."""
    directory._known.clear()
    callers._known.clear()


@pytest.fixture(scope="session", autouse=True)
def flush_passes_the_append_only_triggers():
    """Let committed tests clean up: TRUNCATE passes triggers, SQLite's are made anew."""
    flush = type(connection.ops).sql_flush
    if connection.vendor == "mysql":

        def sql_flush(ops, style, tables, *, reset_sequences=False, allow_cascade=False):
            return flush(ops, style, tables, reset_sequences=True, allow_cascade=allow_cascade)
    else:

        def sql_flush(ops, style, tables, **options):
            drop = [
                f"DROP TRIGGER IF EXISTS {table}_no_{verb}"
                for table in APPEND_ONLY_TABLES
                for verb in ("update", "delete")
            ]
            create = [
                statement
                for table in APPEND_ONLY_TABLES
                for statement in append_only.statements(connection.vendor, table)
            ]
            return [*drop, *flush(ops, style, tables, **options), *create]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(connection.ops), "sql_flush", sql_flush)
        yield


def set_limit(account: Account, limit_minor: int, *, reason: str, origin: Origin) -> None:
    """Set a daily limit, higher or lower, as an approved request does."""
    columns, why = {"daily_limit_minor": limit_minor}, {"reason": reason, "origin": origin}
    operations.once(
        account.pk,
        lambda locked: operations.change_locked(locked, Action.LIMIT_CHANGED, columns, **why),
    )


class Api(Client):
    """A REST client with a token: JSON in, JSON out."""

    def __init__(self, token: str | None = None, **defaults):
        super().__init__(raise_request_exception=False, **defaults)
        # Not `self.headers`: Django's client keeps those of the last request there.
        self.credentials = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path, params=None, **headers):
        """GET a path; keyword arguments are header names with underscores."""
        return super().get(path, params, headers=self._with(headers))

    def post(
        self, path, body=None, *, key=None, raw=None, content_type="application/json", **headers
    ):
        """POST `body` as JSON (or `raw` bytes as they are), with an idempotency key if given."""
        if key is not None:
            headers["Idempotency-Key"] = key
        data = json.dumps(body) if raw is None else raw
        return super().post(path, data, content_type=content_type, headers=self._with(headers))

    def delete(self, path, **headers):
        """DELETE a path."""
        return super().delete(path, headers=self._with(headers))

    def _with(self, headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return {**self.credentials, **named}


@dataclass
class Person:
    """One of the cast: who they are, how they sign in and what they own."""

    user: object
    customer: Customer | None = None
    account: Account | None = None
    token: str = ""
    api: Api = field(default_factory=Api)

    @property
    def origin(self) -> Origin:
        return Origin(actor_id=self.user.pk, request_id="test", ip="127.0.0.1")

    @property
    def browser(self) -> Client:
        """A signed-in browser, as strict about CSRF tokens as a real one."""
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        client.force_login(self.user)
        return client

    def balance(self) -> int:
        """The account's balance as the database has it now."""
        return Account.objects.get(pk=self.account.pk).balance_minor

    def order(self, to: "Person", amount: str, **members) -> dict:
        """The body of a POST /transfers from this person to another."""
        return {
            "from_account_id": self.account.public_id,
            "to_account_id": to.account.public_id,
            "amount": amount,
            **members,
        }

    def send(self, to: "Person", amount: str, *, key=None, **members):
        """POST /transfers and return the response."""
        return self.api.post("/transfers", self.order(to, amount, **members), key=key)


@pytest.fixture
def make_customer(db, teller):
    """Return a function that opens a customer with one funded account and an API token."""

    def make(username, *, balance=500_000, limit=1_000_000, currency="INR") -> Person:
        customer = operations.open_customer(
            username=username, password=PASSWORD, name=username.title(), origin=teller.origin
        )
        account = operations.open_account(
            customer,
            name="Savings",
            currency=currency,
            daily_limit_minor=limit,
            origin=teller.origin,
        )
        if balance:
            key = secrets.token_hex(8)
            cash.deposit(account, balance, reference="Opening", key=key, origin=teller.origin)
            account.refresh_from_db()
        token, _ = tokens.create(customer.user, used=True, origin=teller.origin)
        return Person(customer.user, customer, account, token, Api(token))

    return make


@pytest.fixture
def make_staff(db):
    """Return a function that makes a member of staff in a role, with an API token."""

    def make(username, role=None, **flags) -> Person:
        user = get_user_model().objects.create_user(
            username, password=PASSWORD, is_staff=True, **flags
        )
        if role:
            user.groups.add(Group.objects.get(name=role))
        token, _ = tokens.create(user, used=True, origin=Origin.command("test"))
        return Person(user, token=token, api=Api(token))

    return make


@pytest.fixture
def teller(make_staff):
    return make_staff("teller", "teller")


@pytest.fixture
def manager(make_staff):
    return make_staff("manager", "manager")


@pytest.fixture
def auditor(make_staff):
    return make_staff("auditor", "auditor")


@pytest.fixture
def admin(make_staff):
    return make_staff("admin", "administrator")


@pytest.fixture
def chief(make_staff):
    """Somebody in every role: what these may not, nobody may."""
    chief = make_staff("chief")
    chief.user.groups.set(Group.objects.all())
    return chief


@pytest.fixture
def unfreeze(teller, manager):
    """Return a function that lets money move again on somebody's account, as two people do it."""

    def let_move(person):
        wish = approvals.ask_to_unfreeze(person.account, reason="Found", origin=teller.origin)
        approvals.approve(wish, answer="", origin=manager.origin)

    return let_move


@pytest.fixture
def reena(make_customer):
    return make_customer("reena")


@pytest.fixture
def rahul(make_customer):
    return make_customer("rahul", balance=300_000)


@pytest.fixture
def anita(make_customer):
    return make_customer("anita", balance=700_000, limit=1_500_000)


@pytest.fixture
def meera(make_customer):
    return make_customer("meera", balance=50_000, limit=10_000)


@pytest.fixture
def receiver(settings):
    """A program that listens on this machine, which the bank may call."""
    settings.WEBHOOK_PRIVATE_HOSTS = ["localhost"]
    with listening() as made:
        yield made


@pytest.fixture
def stranger():
    """A client without credentials."""
    return Api()


@pytest.fixture
def clock(monkeypatch):
    """Return a function that lets time pass, in seconds."""
    began = timezone.now()
    passed = dt.timedelta()
    monkeypatch.setattr(timezone, "now", lambda: began + passed)

    def wait(seconds):
        nonlocal passed
        passed += dt.timedelta(seconds=seconds)

    return wait


@pytest.fixture
def books():
    """Return a function that takes a picture of all money and its history.

    Two equal pictures mean that nothing moved and no transfer, not even a refused one, was kept.
    """

    def picture() -> dict:
        return {
            "balances": list(
                Account.objects.order_by("pk").values_list("pk", "balance_minor", "entry_sequence")
            ),
            "transfers": Transfer.objects.count(),
            "entries": LedgerEntry.objects.count(),
            "usage": list(AccountDailyUsage.objects.order_by("pk").values_list("pk", "used_minor")),
            "receipts": list(Transfer.objects.order_by("pk").values_list(F("receipt_status"))),
        }

    return picture


@pytest.fixture
def audited():
    """Return a function that lists the audit rows of an action, oldest first."""

    def rows(action: str) -> list[AuditLog]:
        return list(AuditLog.objects.filter(action=action).order_by("pk"))

    return rows
