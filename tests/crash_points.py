"""A bank in which one thing breaks at one command to its database, and a client who persists.

The bank is a real gunicorn with one worker on a private database server; the proxy between them
numbers the commands of a request. The tests' own connection goes to the database directly.
"""

import enum
import http.client
import json
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import environ
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import operations, tokens
from accounts.models import Account, AccountDailyUsage, ApiToken
from audit.models import AuditLog
from audit.operations import Origin
from conftest import Person
from office import approvals
from office.models import ApprovalRequest
from smartbank.throwaway import Server
from tests.database_calls import COMMIT, name_of
from torture.app import App
from torture.proxy import COM_QUIT, Command, Fate, Proxy
from transfers import cash, payments
from transfers.models import LedgerEntry, Transfer

DATABASE = "smartbank"
COM_PING = 0x0E
TRIES = 20


def private_server() -> Server:
    """Return a server of the suite's engine, that may be killed."""
    return Server(durable=True, engine="mariadb" if connection.mysql_is_mariadb else "mysql")


@contextmanager
def connected_to(server: Server, url: str = "") -> Iterator[None]:
    """Have the code in this thread work on that server's database while the block runs, as the
    user of `url` if that is given."""
    config = environ.Env.db_url_config(url or server.url(DATABASE))
    ours = connections["default"]
    options = {**ours.settings_dict["OPTIONS"], **config.pop("OPTIONS", {})}
    other = type(ours)({**ours.settings_dict, **config, "OPTIONS": options}, "default")
    connections["default"] = other
    try:
        yield
    finally:
        other.close()
        connections["default"] = ours


# --- What breaks ------------------------------------------------------------------------------


class Broken(enum.Enum):
    """What breaks."""

    WORKER = "the worker process, by SIGKILL"
    CONNECTION = "the connection between worker and database"
    DATABASE = "the database server, by SIGKILL; it is started again at once"


BEFORE, AFTER = Fate.CUT_BEFORE, Fate.CUT_AFTER


@dataclass(frozen=True)
class Fault:
    """What breaks, and when: BEFORE the database sees a command, or AFTER it carried it out."""

    broken: Broken
    fate: Fate

    def __str__(self):
        when = "before" if self.fate is BEFORE else "after"
        return f"{self.broken.name.lower()} {when}"


def is_committed(calls: list[str], number: int, fate: Fate) -> bool:
    """Return whether a request that makes these calls is done when it breaks at that number."""
    assert calls.count(COMMIT) == 1, "This is not one transaction."
    commit = calls.index(COMMIT) + 1
    return number > commit or number == commit and fate is AFTER


class Saboteur:
    """Numbers the commands of a request, from 1, and lets one thing break at one of them."""

    def __init__(self, server: Server):
        self.commands: list[str] = []  # since `count` was called
        self.struck = False
        self.worker: Callable[[], list[int]] = list
        self._server = server
        self._fault: Fault | None = None
        self._number = 0

    def count(self, number: int = 0, fault: Fault | None = None) -> None:
        """Begin to number; break what the fault says at this number."""
        self.commands, self.struck = [], False
        self._number, self._fault = number, fault

    def judge(self, command: Command) -> Fate:
        """Decide the fate of a command, as the proxy asks."""
        if command.code == COM_QUIT:  # nobody awaits an answer to it
            return Fate.PASS
        name = "PING" if command.code == COM_PING else name_of(command.sql)
        # The day's first payment inserts what the later ones update.
        self.commands.append(name.replace("INSERT account_daily", "UPDATE account_daily"))
        if len(self.commands) != self._number:
            return Fate.PASS
        if self._fault.fate is BEFORE:
            self.strike(command)
        return self._fault.fate

    def strike(self, command: Command) -> None:
        """Break it. The connection itself is cut by the proxy, right afterwards."""
        self.struck = True
        if self._fault.broken is Broken.WORKER:
            for pid in self.worker():
                os.kill(pid, signal.SIGKILL)
        if self._fault.broken is Broken.DATABASE:
            self._server.kill()
            self._server.restart()


# --- Who asks ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """A POST that can be repeated."""

    path: str
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """What of an answer must be the same when the request is repeated."""

    status: int
    location: str | None
    body: bytes


@dataclass(frozen=True)
class People:
    """Who asks: Reena pays Rahul, and the teller takes in cash."""

    reena: Person
    rahul: Person
    teller: Person


@dataclass(frozen=True)
class Bank:
    """The bank under test, its people and its saboteur."""

    app: App
    saboteur: Saboteur
    people: People
    keeps_connections: bool

    def post(self, request: Request) -> Answer | None:
        """Return the answer, or None if the outcome is unknown: no answer, or a 503."""
        caller = http.client.HTTPConnection("127.0.0.1", self.app.port, timeout=60)
        try:
            caller.request("POST", request.path, request.body, request.headers)
            response = caller.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            caller.close()
        if response.status == 503:
            return None
        return Answer(response.status, response.headers["Location"], body)

    def persist(self, request: Request) -> Answer | None:
        """Repeat the request until its outcome is known, and return the answer."""
        return next(filter(None, (self.post(request) for _ in range(TRIES))), None)

    def begin(self) -> None:
        """Have the worker open the connection that it will keep, if it keeps any."""
        if self.keeps_connections:
            nothing = json_request("/transfers", {}, self.people.reena)
            assert self.post(nothing).status == 400


# --- What is asked ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Act:
    """Something that must happen exactly once: how to ask for it, and what it changes."""

    name: str
    request: Callable[[People], Request]
    status: int
    changes: dict[str, int]

    def __str__(self):
        return self.name


def payment(who: People) -> Request:
    """Reena sends Rahul 1.00."""
    return json_request("/transfers", who.reena.order(who.rahul, "1.00"), who.reena, new_key())


def refused_payment(who: People) -> Request:
    """Reena sends Rahul more than she has."""
    too_much = who.reena.order(who.rahul, "20000000.00")
    return json_request("/transfers", too_much, who.reena, new_key())


def receipt(who: People) -> Request:
    """Rahul confirms 1.00 that Reena has sent before."""
    sent = payments.pay(
        who.reena.user,
        payments.Payment(
            from_account_id=who.reena.account.public_id,
            to_account_id=who.rahul.account.public_id,
            amount="1.00",
        ),
        origin=who.reena.origin,
    )
    path = f"/transfers/{sent.transfer.public_id}/receipt"
    return json_request(path, {"received_amount": "1.00"}, who.rahul)


def deposit(who: People) -> Request:
    """A teller takes in 1.00 for Rahul, in the admin."""
    path = reverse("admin:office_deposit", args=[who.rahul.account.pk])
    form = {"amount": "1.00", "reason": "Brought", "key": new_key()}
    return form_request(path, form, who.teller.user)


def approval(who: People) -> Request:
    """A manager approves that 1.00, which Reena has sent to Rahul, goes back to her."""
    order = who.reena.order(who.rahul, "1.00")
    path, key = "/transfers", new_key()
    sent = json.loads(who.reena.api.post(path, order, key=key).content)["id"]
    wish = approvals.ask_to_reverse(
        Transfer.objects.with_parties().get(public_id=sent),
        100,
        key=key,
        reason="Sent to the wrong Rahul",
        origin=who.teller.origin,
    )
    manager, _ = get_user_model().objects.get_or_create(username="approver", is_staff=True)
    manager.groups.add(Group.objects.get(name="manager"))
    return form_request(reverse("admin:office_approve", args=[wish.pk]), {}, manager)


def form_request(path: str, form: dict, user) -> Request:
    """Return a form of the back office, sent in a new session."""
    browser = Client()
    browser.force_login(user)
    session = browser.cookies[settings.SESSION_COOKIE_NAME]
    session, csrf = f"{session.key}={session.value}", "a" * 32
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": f"{session}; {settings.CSRF_COOKIE_NAME}={csrf}",
    }
    return Request(path, urlencode({**form, "csrfmiddlewaretoken": csrf}).encode(), headers)


def json_request(path: str, body: dict, person: Person, key: str = "") -> Request:
    """Return a call of the API, with an idempotency key if given."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {person.token}"}
    if key:
        headers["Idempotency-Key"] = key
    return Request(path, json.dumps(body).encode(), headers)


new_key = partial(secrets.token_hex, 16)

MOVED = {"transfers": 1, "entries": 2, "audit rows": 2}
PAYMENT = Act("payment", payment, 201, {"reena": -100, "rahul": 100, "used": 100, **MOVED})
REFUSAL = Act("refusal", refused_payment, 402, {"transfers": 1, "audit rows": 1})
RECEIPT = Act("receipt", receipt, 200, {"receipts": 1, "audit rows": 1})
DEPOSIT = Act("deposit", deposit, 302, {"Cash INR": -100, "rahul": 100, **MOVED})
APPROVAL = Act(
    "approval",
    approval,
    302,
    {"reena": 100, "rahul": -100, **MOVED, "audit rows": 3, "approved": 1, "reversed": 100},
)


def picture() -> dict[str, int]:
    """Return all that an act could change: balances and usage in minor units, counts of rows."""
    accounts = Account.objects.values_list("customer__user__username", "name", "balance_minor")
    return {
        **{owner or name: balance for owner, name, balance in accounts},
        "used": sum(AccountDailyUsage.objects.values_list("used_minor", flat=True)),
        "transfers": Transfer.objects.count(),
        "entries": LedgerEntry.objects.count(),
        "audit rows": AuditLog.objects.count(),
        "approved": ApprovalRequest.objects.filter(status="APPROVED").count(),
        "reversed": sum(Transfer.objects.values_list("reversed_minor", flat=True)),
        "receipts": Transfer.objects.exclude(receipt_status="UNCONFIRMED").count(),
    }


def changes_since(before: dict[str, int]) -> dict[str, int]:
    """Return what is not as it was in an earlier picture, and by how much."""
    return {name: now - before[name] for name, now in picture().items() if now != before[name]}


# --- The bank under test ----------------------------------------------------------------------


@contextmanager
def serve(server: Server, people: People, log: Path, *, keep_connections: bool) -> Iterator[Bank]:
    """Serve the bank with one worker, behind a proxy that the saboteur judges."""
    saboteur = Saboteur(server)
    proxy = Proxy(("127.0.0.1", server.port), saboteur.judge, saboteur.strike)
    url = server.tcp_url(DATABASE).replace(f":{server.port}/", f":{proxy.port}/")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.served_settings",
        "DATABASE_URL": url,
        "CONN_MAX_AGE": "600" if keep_connections else "0",
        "SECRET_KEY": settings.SECRET_KEY,
        "SMARTBANK_READ_DOTENV": "0",
        "DEBUG": "0",
        "SECURE_SSL_REDIRECT": "0",
        "ALLOWED_HOSTS": "127.0.0.1",
        "STAFF_SECOND_FACTOR": "0",
        "LOG_LEVEL": "CRITICAL",
    }
    try:
        with App(environment, log=log, workers=1, threads=1) as app:
            saboteur.worker = app.worker_pids
            yield Bank(app, saboteur, people, keep_connections)
    finally:
        proxy.close()


def open_bank() -> People:
    """Migrate the database and open the accounts; return who there is."""
    call_command("migrate", verbosity=0)
    teller = Person(get_user_model().objects.create_user("teller", is_staff=True))
    teller.user.groups.add(Group.objects.get(name="teller"))
    return People(_customer("reena", teller.origin), _customer("rahul", teller.origin), teller)


def _customer(name: str, origin: Origin) -> Person:
    customer = operations.open_customer(username=name, password=name, name=name, origin=origin)
    account = operations.open_account(
        customer, name="Savings", currency="INR", daily_limit_minor=10**12, origin=origin
    )
    cash.deposit(account, 10**9, reference="", key=name, origin=origin)
    secret, token = tokens.create(customer.user, origin=origin)
    # That it is used is noted once in ten minutes: not here, where commands are numbered.
    ApiToken.objects.filter(pk=token.pk).update(last_used_at=timezone.now() + timedelta(days=1))
    return Person(customer.user, customer, account, secret)
