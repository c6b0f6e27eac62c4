"""What the running bank does while its database is away, hangs or refuses, and when it is itself
told to stop: real processes on a private database server, seen over HTTP.

Whoever calls meanwhile has a 503 within bounded time. Nothing is lost and nothing happens twice.
And nobody has to help: what was broken from outside works again as soon as that is mended.
"""

import json
import os
import re
import signal
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import OperationalError, connection, connections
from django.urls import URLResolver, get_resolver
from django.urls.resolvers import RegexPattern

from accounts import tokens, transactions
from accounts.models import AccountDailyUsage, ApiToken
from accounts.tests.browsing import Page
from audit.models import AuditLog
from conftest import PASSWORD
from office import approvals
from smartbank.throwaway import Server
from tests.conftest import wait_until
from torture.app import App
from torture.proxy import Fate, Proxy
from transfers import webhooks
from transfers.models import Dispute, LedgerEntry, Transfer
from transfers.outbox import EventType

pytestmark = pytest.mark.row_locks

FORM = "application/x-www-form-urlencoded"
PROBLEM = "application/problem+json"
BUSY = {
    "type": "/problems/busy",
    "title": "The bank is busy",
    "status": 503,
    "detail": "Nothing was done that the same idempotency key would do twice. Try again shortly.",
    "code": "busy",
}
BUSY_PAGE = (
    "Skip to the main content SmartBank The bank is busy We cannot reach our records at this "
    "moment. Wait a little, then reload this page. If you were sending money: reloading repeats "
    "that same payment and never makes a second one. Before you fill in a new form, look at your "
    "recent movements. Go to your accounts If you ask us about this, tell us this number: {} "
    "SmartBank never asks for your password by phone or e-mail."
)
WORKERS = 2
THREADS = 12
PATIENCE = 2  # DATABASE_READ_SECONDS of the impatient server
# The longest that a request may take: it reads (16 s) from a dead connection and makes a new one
# (3 s), and the same again in the last attempt of a transaction.
LONGEST_REQUEST = transactions.MAX_SECONDS + 2 * (16 + 3)


# --- The bank under test ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(django_db_blocker):
    """A private database server with an empty bank, of the kind that the suite runs on."""
    with django_db_blocker.unblock(), Server(durable=True, engine=_kind_of_the_suites()) as server:
        with _looking_into(server):
            call_command("migrate", verbosity=0)
            with connection.cursor() as cursor:  # who may do less than root, as in a real bank
                cursor.execute("CREATE USER bank@localhost")
                cursor.execute("GRANT ALL ON smartbank.* TO bank@localhost")
        yield server


def _kind_of_the_suites() -> str:
    """Return the engine of the suite's own database: the one place where it is chosen."""
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        return "mariadb" if "MariaDB" in cursor.fetchone()[0] else "mysql"


@contextmanager
def _looking_into(server):
    """Let this thread's Django see the bank on `server` in place of the suite's database."""
    suites_own = connections["default"]
    private = connections.create_connection("default")
    where = {"NAME": "smartbank", "USER": "root", "PASSWORD": "", "HOST": "", "PORT": ""}
    options = private.settings_dict["OPTIONS"] | {"unix_socket": str(server.socket)}
    private.settings_dict = {**private.settings_dict, **where, "OPTIONS": options}
    connections["default"] = private
    try:
        yield
    finally:
        private.close()
        connections["default"] = suites_own


@pytest.fixture
def db(server):
    """The private bank, so that the cast has its accounts there. Its books are right afterwards."""
    with _looking_into(server):
        yield
        if not server.alive:
            server.restart()  # a test that failed must not fail the next
        connection.close()
        call_command("reconcile")
        call_command("flush", verbosity=0, interactive=False)


# As in conftest.py: assets that nobody collected.
APP_SETTINGS = """
from smartbank.settings import *
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
WHITENOISE_USE_FINDERS = True
"""


@pytest.fixture(scope="module")
def make_app(server, tmp_path_factory):
    """Return a function that starts the bank's server; all of them are gone afterwards."""
    directory = tmp_path_factory.mktemp("apps")
    (directory / "app_settings.py").write_text(APP_SETTINGS)
    apps = []

    def make(*, workers=WORKERS, threads=THREADS // WORKERS, **environment) -> App:
        here = {
            "PYTHONPATH": str(directory),
            "DJANGO_SETTINGS_MODULE": "app_settings",
            "STAFF_SECOND_FACTOR": "0",
            "SMARTBANK_READ_DOTENV": "0",
            "DEBUG": "0",
            "SECRET_KEY": settings.SECRET_KEY,
            "ALLOWED_HOSTS": "127.0.0.1",
            "SECURE_SSL_REDIRECT": "0",
            "LOG_LEVEL": "ERROR",
            "DATABASE_URL": f"mysql://bank@localhost/smartbank?unix_socket={server.socket}",
        }
        log = directory / f"{len(apps)}.log"
        app = App(os.environ | here | environment, log=log, workers=workers, threads=threads)
        apps.append(app)
        app.start()
        return app

    yield make
    for app in apps:
        app.kill()


@pytest.fixture(scope="module")
def app(make_app):
    """The bank's server with the time-outs of production."""
    return make_app()


@pytest.fixture(scope="module")
def impatient(make_app):
    """The bank's server, waiting only PATIENCE seconds for a statement."""
    return make_app(workers=1, threads=16, DATABASE_READ_SECONDS=str(PATIENCE))


# --- Asking it --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP; a page can be read from it."""

    status_code: int
    headers: dict[str, str]
    content: bytes

    def __getitem__(self, header: str) -> str:
        return self.headers[header]

    @property
    def is_busy(self) -> bool:
        """Whether it is the problem `busy`, exactly as a program expects it."""
        told = (self.status_code, self.headers.get("Content-Type"), self.headers.get("Retry-After"))
        expected = BUSY | {"request_id": self.headers.get("X-Request-ID")}
        return told == (503, PROBLEM, "2") and json.loads(self.content) == expected

    @property
    def is_busy_page(self) -> bool:
        """Whether it is the page that says so to people, and nothing besides."""
        told = (self.status_code, self.headers.get("Content-Type"), self.headers.get("Retry-After"))
        expected = BUSY_PAGE.format(self.headers.get("X-Request-ID"))
        return told == (503, "text/html; charset=utf-8", "2") and Page(self).text == expected


def ask(app, method, path, body="", **headers) -> Answer:
    """Send one request; header names are written with underscores. Raises OSError or HTTPException
    if no answer comes, also if it takes longer than any request may."""
    http = HTTPConnection("127.0.0.1", app.port, timeout=LONGEST_REQUEST)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        http.request(method, path, body, named)
        answer = http.getresponse()
        return Answer(answer.status, dict(answer.headers), answer.read())
    finally:
        http.close()


def bearer(person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}


def pay(app, sender, receiver, amount="1.00", *, key) -> Answer:
    """POST /transfers."""
    headers = {"Content_Type": "application/json", "Idempotency_Key": key, **bearer(sender)}
    return ask(app, "POST", "/transfers", json.dumps(sender.order(receiver, amount)), **headers)


def pay_or_none(*payment, **key) -> Answer | None:
    """POST /transfers; None if there is no answer."""
    with suppress(OSError, HTTPException):
        return pay(*payment, **key)


@contextmanager
def meanwhile(*calls):
    """Make the calls all at the same time, and yield what will be their answers."""
    with ThreadPoolExecutor(len(calls)) as pool:
        yield [pool.submit(call) for call in calls]


def at_once(*calls) -> list:
    """Make the calls all at the same time and return their answers."""
    with meanwhile(*calls) as answers:
        return [answer.result() for answer in answers]


@contextmanager
def customers_that_pay_on(app, sender, receiver, count):
    """Let programs pay all the time, each payment under its own key until it has its verdict.

    Yields a Tally. When the block ends, every payment that was begun has been concluded.
    """
    tally = Tally()
    is_over = threading.Event()

    def pay_on():
        while not is_over.is_set():
            key, give_up_at = str(uuid.uuid4()), time.monotonic() + 2 * LONGEST_REQUEST
            while time.monotonic() < give_up_at:
                try:
                    answer = pay(app, sender, receiver, "0.01", key=key)
                except (OSError, HTTPException) as error:
                    tally.failures[type(error).__name__] += 1
                else:
                    if answer.status_code == 201:
                        tally.paid.append(key)
                        break
                    tally.failures[answer.status_code] += 1
                time.sleep(0.05)
            else:
                pytest.fail(f"no verdict: {tally.failures}")

    with meanwhile(*[pay_on] * count) as customers:
        try:
            yield tally
        finally:
            is_over.set()
    for customer in customers:
        customer.result()


@dataclass
class Tally:
    """What customers saw: the keys of what they have paid, and what they were told before that."""

    paid: list[str] = field(default_factory=list)
    failures: Counter = field(default_factory=Counter)

    def wait_for_more(self, count=40) -> None:
        """Return when so many more payments are concluded."""
        enough = len(self.paid) + count
        wait_until(lambda: len(self.paid) >= enough, f"{count} payments; {self.failures}")


# --- Looking into the database ----------------------------------------------------------------


@contextmanager
def outsider():
    """Another connection to the bank's database, in a transaction of its own."""
    with closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        yield cursor


def lock(cursor, person) -> None:
    """Lock the person's account."""
    cursor.execute("SELECT id FROM accounts WHERE id = %s FOR UPDATE", [person.account.pk])


@contextmanager
def locked(person):
    """Let an outsider hold the lock of the person's account; yield a function that lets it go."""
    with outsider() as other:
        lock(other, person)
        yield partial(other.execute, "ROLLBACK")


def running(like: str) -> int:
    """Return how many statements like this one run for the bank's server."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM information_schema.processlist "
            "WHERE user = 'bank' AND info LIKE %s",
            [f"%{like}%"],
        )
        return cursor.fetchone()[0]


def wait_until_locked_out(count: int) -> None:
    """Return when at least so many requests wait for the lock of an account."""
    wait_until(lambda: running("FOR UPDATE") >= count, f"{count} requests to wait for the lock")


class Log:
    """What a server writes into its log from now on."""

    def __init__(self, app):
        self.path = app.log
        self.begin = self.path.stat().st_size

    def errors(self) -> set[int]:
        """Return the numbers of the database's errors in it."""
        text = self.path.read_text()[self.begin :]
        return {int(number) for number in re.findall(r"Error: \((\d+), ", text)}


# --- The database is away ---------------------------------------------------------------------

STYLE = "/static/smartbank/style.css"
LIMIT = "POST /admin/office/approvalrequest/limit/<int:account_id>/"
DEPOSIT = "POST /admin/office/approvalrequest/deposit/<int:account_id>/"

# What answers as always without a database. Strangers are turned away at the door without one.
TO_EVERYBODY = {
    *("GET /healthz", "POST /healthz", "POST /readyz", "GET /admin", "POST /admin"),
    *("GET /login", "GET /logout", "GET /*", "POST /*", f"GET {STYLE}"),
    *("GET /schema", "POST /schema", "GET /docs", "POST /docs"),
    *("GET /problems", "POST /problems", "GET /audit/key", "POST /audit/key"),
    *("GET /problems/<str:code>", "POST /problems/<str:code>"),
}
# A browser that is signed in is asked first how long ago it was here, but not for these.
TO_EVERY_SESSION = {"GET /healthz", "POST /healthz", f"GET {STYLE}"}
BUT_NOT_TO_STRANGERS = {
    *("GET /readyz", "POST /auth/token", "POST /login", "POST /admin/login/"),
    *("GET /new-password", "POST /new-password"),
}
SIGNS_IN = {"POST /auth/token", "POST /login", "POST /admin/login/"}
SIGNS_OUT = {"DELETE /auth/token", "POST /logout", "POST /admin/logout/"}
SUCCESSES = {  # so that the calls below are good ones
    "POST /auth/token by stranger": 200,
    "GET /me by token": 200,
    "GET /me by session": 200,
    "GET /customers/<str:id>/accounts by token": 200,
    "POST /transfers by token": 201,
    "POST /transfers by session": 201,
    "POST /transfers/<str:id>/receipt by token": 200,
    "GET /readyz by stranger": 200,
    "GET / by session": 200,
    "POST /login by stranger": 302,
    "POST /send by session": 303,
    "POST /payments/<uuid:id>/receipt by session": 303,
    "POST /logout by session": 302,
    "GET /admin/ by session": 200,
    "GET /admin/transfers/transfer/ by session": 200,
    "POST /admin/login/ by stranger": 302,
    f"{LIMIT} by session": 302,
    f"{DEPOSIT} by session": 302,
    "DELETE /auth/token by token": 204,
}
CSRF = "c" * 32


@dataclass(frozen=True, eq=False)
class Call:
    """One way to call one endpoint: `what` is the method and the route."""

    what: str
    caller: str
    is_page: bool
    path: str
    body: str
    headers: dict[str, str]

    @property
    def needs_a_database(self) -> bool:
        if self.caller == "session":
            return self.what not in TO_EVERY_SESSION
        if self.caller == "stranger":
            return self.what in BUT_NOT_TO_STRANGERS
        return self.what not in TO_EVERYBODY

    def __str__(self):
        return f"{self.what} by {self.caller}"

    def of(self, app) -> Answer:
        """Make the call."""
        return ask(app, self.what.split()[0], self.path, self.body, **self.headers)


def endpoints(patterns=None, prefix="/", namespace=None):
    """Yield every route of the site, its methods, and whether it is a page for people."""
    for one in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from endpoints(one.url_patterns, route, one.namespace or namespace)
            continue
        if isinstance(one.pattern, RegexPattern):
            apps = re.search(r"<app_label>(\w+)", route)
            route = f"{prefix}{apps[1]}/" if apps else f"{prefix}*"
        methods = set(getattr(one.callback, "actions", ["get", "post"])) - {"head"}
        yield route, [method.upper() for method in sorted(methods)], namespace is not None


def callers(what: str, is_page: bool) -> list[str]:
    """Return by whom the call is made: with which credentials, where they make a difference."""
    if what in SIGNS_IN:
        return ["stranger"]
    return ["stranger", "session"] if is_page else ["stranger", "session", "token"]


@pytest.fixture
def all_calls(app, reena, rahul, anita, manager, chief):
    """Return a function that lists all calls that the site takes, with credentials and idempotency
    keys of their own for each `turn`."""
    for person in (anita, manager):  # who sign in: the bank itself does not know the tests' hash
        person.user.password = make_password(PASSWORD, hasher=PBKDF2PasswordHasher())
        person.user.save()
    url = "https://hooks.example.com/"
    endpoint = webhooks.create(reena.customer, url, EventType.values, origin=reena.origin)
    received = Transfer.objects.get(public_id=rahul.send(reena, "25.00").json()["id"])
    wish = approvals.ask_for_limit(reena.account, 10**9, reason="r", origin=manager.origin)
    disputed = Dispute.objects.create(transfer=received, opened_at=received.created_at)
    Transfer.objects.filter(pk=received.pk).update(received_minor=0)
    examples = {
        "/customers/": reena.customer.public_id,
        "/accounts/": reena.account.public_id,
        "/transfers/": received.public_id,
        "/payments/": received.public_id,
        "/problems/": "busy",
        "/history/": reena.account.public_id,
        "/limits/": reena.account.public_id,
        "/payees/": received.public_id,  # which is none: it has to be looked for all the same
        "/security/": received.public_id,
        "/admin/r/": 1,
        "/admin/second-factor/": manager.user.pk,
        "/admin/accounts/customer/": reena.customer.pk,
        "/admin/accounts/account/": reena.account.pk,
        "/admin/accounts/accountdailyusage/": AccountDailyUsage.objects.get().pk,
        "/admin/accounts/apitoken/": ApiToken.objects.latest("pk").pk,
        "/admin/audit/auditlog/": AuditLog.objects.latest("pk").pk,
        "/admin/auth/user/": rahul.user.pk,
        "/admin/auth/group/": Group.objects.latest("pk").pk,
        "/admin/transfers/dispute/": disputed.pk,
        "/admin/transfers/transfer/": received.pk,
        "/admin/office/approvalrequest/": wish.pk,
        **{
            f"/admin/office/approvalrequest/{what}/": reena.account.pk
            for what in ("limit", "deposit", "withdraw", "unfreeze", "close")
        },
        "/admin/office/approvalrequest/reverse/": received.pk,
        "/webhooks/": endpoint.public_id,
        "/admin/transfers/webhookendpoint/": endpoint.pk,
        "/admin/transfers/webhookdelivery/": endpoint.deliveries.get().pk,
        "/admin/transfers/ledgerentry/": LedgerEntry.objects.latest("pk").pk,
    }
    order = {
        "from_account_id": reena.account.public_id,
        "to_account_number": rahul.account.number,
        "amount": "1.00",
    }

    def path_of(route: str) -> str:
        own = max((one for one in examples if route.startswith(one)), key=len, default=None)
        assert own or "<" not in route, f"give an example for {route}"
        return re.sub("<[^>]+>", str(examples.get(own)), route).replace("*", "nowhere")

    def list_them(turn: str) -> list[Call]:
        forms = {
            "POST /auth/token": {"username": "anita", "password": PASSWORD},
            "POST /transfers": order,
            "POST /transfers/<str:id>/receipt": {"received_amount": "25.00"},
            "POST /login": {"username": "anita", "password": PASSWORD},
            "POST /send": {**order, "idempotency_key": str(uuid.uuid4())},
            "POST /payments/<uuid:id>/receipt": {"received_amount": "25.00"},
            "POST /admin/login/": {"username": "manager", "password": PASSWORD},
            LIMIT: {"daily_limit": "9000", "reason": "Asked for it"},
            DEPOSIT: {"amount": "5", "reason": "Counted", "key": turn * 32},
        }
        token, _ = tokens.create(reena.user, origin=reena.origin)
        customer, staff = (one.browser.cookies["sessionid"].value for one in (reena, chief))

        def call(route: str, method: str, caller: str, is_page: bool) -> Call:
            session = staff if route.startswith("/admin/") else customer
            headers = {
                "X_Request_ID": "survival",
                "X_CSRFToken": CSRF,
                "Cookie": f"csrftoken={CSRF}",
                "Content_Type": FORM if is_page else "application/json",
                "Idempotency_Key": turn,
            }
            if caller == "session":
                headers["Cookie"] += f"; sessionid={session}"
            if caller == "token":
                headers["Authorization"] = f"Bearer {token}"
            form = forms.get(f"{method} {route}", {})
            body = urlencode(form) if is_page else json.dumps(form)
            return Call(f"{method} {route}", caller, is_page, path_of(route), body, headers)

        return [
            call(route, method, caller, is_page)
            for route, methods, is_page in [*endpoints(), (STYLE, ["GET"], False)]
            for method in methods
            for caller in callers(f"{method} {route}", is_page)
        ]

    return lambda turn: sorted(list_them(turn), key=lambda call: call.what in SIGNS_OUT)


def test_all_endpoints_say_that_the_database_is_away_and_work_again_when_it_is_back(
    app, server, all_calls, books, reena
):
    usual = {str(call): call.of(app).status_code for call in all_calls("a")}
    assert SUCCESSES.items() <= usual.items()
    assert max(usual.values()) < 500
    calls, before, balance = all_calls("b"), books(), reena.balance()

    server.kill()
    answers = {call: call.of(app) for call in calls}
    wrong = []
    for call, answer in answers.items():
        if call.needs_a_database:
            is_right = answer.is_busy_page if call.is_page else answer.is_busy
        else:
            is_right = answer.status_code == usual[str(call)]
        if not is_right:
            wrong.append(f"{call}: {answer.status_code}")
    assert wrong == []

    server.restart()
    connection.close()
    assert books() == before
    again = {str(call): call.of(app).status_code for call in calls if call.needs_a_database}
    assert again.pop("POST /admin/second-factor/ by session") == 200  # the first call has begun it
    assert again.items() <= usual.items()
    # The keys that found no database have paid now, once: 1.00 by API, 1.00 by form; 5.00 came in.
    assert reena.balance() == balance - 100 - 100 + 500


def test_a_restart_that_nobody_noticed_costs_no_request(app, server, reena, rahul):
    def pay_16(name: str) -> list[int]:
        calls = [partial(pay, app, reena, rahul, key=f"{name} {one}") for one in range(16)]
        return [answer.status_code for answer in at_once(*calls)]

    assert pay_16("before") == [201] * 16  # now all threads have their connections
    server.kill()
    server.restart()
    connection.close()
    assert pay_16("after") == [201] * 16
    assert reena.balance() == 500_000 - 2 * 16 * 100


def test_a_database_that_dies_under_load_loses_nothing_and_pays_nothing_twice(
    app, server, reena, rahul
):
    with customers_that_pay_on(app, reena, rahul, 16) as tally:
        tally.wait_for_more()
        server.kill()
        wait_until(lambda: tally.failures[503] > 0, "a 503")
        server.restart()
        tally.wait_for_more()
    connection.close()
    assert set(tally.failures) == {503}
    assert reena.balance() == 500_000 - len(tally.paid)


def test_the_bank_starts_while_its_database_is_away(app, server, reena, rahul):
    app.kill()
    server.kill()
    app.start()
    assert pay(app, reena, rahul, key="early").is_busy
    server.restart()
    connection.close()
    assert pay(app, reena, rahul, key="early").status_code == 201
    assert reena.balance() == 499_900


# --- The database hangs -----------------------------------------------------------------------


@contextmanager
def paused(server):
    """Let the database's process stand still; it answers nothing and closes nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_a_database_that_hangs_is_busy_in_bounded_time_and_loses_nothing(
    impatient, server, reena, rahul
):
    """ask() itself fails if an answer takes longer than the time-outs allow."""
    page = {"Cookie": f"sessionid={reena.browser.cookies['sessionid'].value}"}
    with customers_that_pay_on(impatient, reena, rahul, 4) as tally:
        tally.wait_for_more()
        with paused(server):
            alive, ready, program, person, payment = at_once(
                partial(ask, impatient, "GET", "/healthz"),
                partial(ask, impatient, "GET", "/readyz"),
                partial(ask, impatient, "GET", "/me", **bearer(reena)),
                partial(ask, impatient, "GET", "/", **page),
                partial(pay, impatient, reena, rahul, key="into the void"),
            )
        tally.wait_for_more()
    assert alive.status_code == 200
    assert ready.is_busy and program.is_busy and person.is_busy_page and payment.is_busy
    assert set(tally.failures) <= {503}
    assert pay(impatient, reena, rahul, key="into the void").status_code == 201
    assert reena.balance() == 500_000 - len(tally.paid) - 100


@pytest.fixture(scope="module")
def proxied(server, make_app):
    """An impatient server that reaches its database through a proxy, and the proxy."""
    proxy = Proxy(("127.0.0.1", server.port))
    url = server.tcp_url("smartbank").replace(f":{server.port}/", f":{proxy.port}/")
    app = make_app(workers=1, DATABASE_URL=url, DATABASE_READ_SECONDS=str(PATIENCE))
    yield app, proxy
    app.kill()
    proxy.close()


def at_the_next_commit(proxy, act) -> list:
    """Call `act` when the proxy sees a COMMIT; return a list that is empty until then."""
    seen = []

    def judge(command) -> Fate:
        if not command.is_commit or seen:
            return Fate.PASS
        seen.append(command)
        act()
        return Fate.PASS

    proxy.judge = judge
    return seen


def test_a_commit_that_reaches_a_hanging_database_pays_once(proxied, server, reena, rahul):
    app, proxy = proxied
    commits = at_the_next_commit(proxy, lambda: os.kill(server.pid, signal.SIGSTOP))
    with meanwhile(partial(pay, app, reena, rahul, key="a key")) as (answer,):
        wait_until(lambda: commits, "the COMMIT")
        time.sleep(PATIENCE + 2)  # longer than the bank waits for the reply
        os.kill(server.pid, signal.SIGCONT)
    first, again = answer.result(), pay(app, reena, rahul, key="a key")
    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.headers["Idempotent-Replayed"], again.content) == ("true", first.content)
    assert reena.balance() == 499_900


def test_the_locks_of_a_server_that_fell_silent_are_free_again(proxied, reena, rahul):
    """As if its machine lost its power: the database sees no end of the connection."""
    app, proxy = proxied
    is_free = threading.Event()
    commits = at_the_next_commit(proxy, lambda: is_free.wait(60))
    with meanwhile(partial(pay, app, reena, rahul, key="a key")) as (answer,):
        wait_until(lambda: commits, "the COMMIT")
        with outsider() as other:
            other.execute("SET SESSION innodb_lock_wait_timeout = 30")
            lock(other, rahul)  # raises if it is not free by then
        is_free.set()
    assert answer.result().status_code == 201
    assert (reena.balance(), rahul.balance()) == (499_900, 300_100)


def test_a_statement_that_takes_too_long_is_ended_by_the_database(impatient, books, reena, rahul):
    """Hanging up would end only the waiting: the statement would run on. (The next test shows it of
    a payment, whose statements name indexes, which a view has not.)"""
    slow = (
        "CREATE VIEW account_daily_usage AS SELECT kept.* FROM usage_kept AS kept, accounts "
        "WHERE SLEEP(99) = 0"
    )
    assert pay(impatient, reena, rahul, key="so that she used some of her limit").status_code == 201
    before = books()
    log = Log(impatient)
    with connection.cursor() as cursor:
        cursor.execute("RENAME TABLE account_daily_usage TO usage_kept")
        cursor.execute(slow)
        read = ask(impatient, "GET", f"/accounts/{reena.account.public_id}/limits", **bearer(reena))
        cursor.execute("DROP VIEW account_daily_usage")
        cursor.execute("RENAME TABLE usage_kept TO account_daily_usage")
    assert read.is_busy
    assert log.errors() in ({1969}, {3024})  # it took too long: MariaDB's number, or MySQL's
    assert books() == before
    assert pay(impatient, reena, rahul, key="a key").status_code == 201
    assert reena.balance() == 499_800


def test_a_table_that_is_being_altered_keeps_nobody_waiting_for_ever(
    impatient, books, reena, rahul
):
    before = books()
    log = Log(impatient)
    with outsider() as other:
        other.execute("LOCK TABLES audit_logs WRITE")
        assert pay(impatient, reena, rahul, key="a key").is_busy
        other.execute("UNLOCK TABLES")
    assert log.errors() in ({1969}, {1205})
    assert books() == before
    assert pay(impatient, reena, rahul, key="a key").status_code == 201
    assert reena.balance() == 499_900


def test_a_queue_at_one_account_drains_once_the_account_is_free(app, reena, rahul):
    """More requests than there are threads, and all threads of one worker wait for the lock."""
    calls = [partial(pay, app, reena, rahul, key=f"key {one}") for one in range(24)]
    with locked(rahul) as let_go, meanwhile(*calls) as answers:
        wait_until_locked_out(THREADS // WORKERS)
        let_go()
    assert [answer.result().status_code for answer in answers] == [201] * 24
    assert reena.balance() == 500_000 - 24 * 100


# --- The server is told to stop ---------------------------------------------------------------


def test_a_server_told_to_stop_answers_what_it_has_begun_and_begins_nothing_more(app, reena, rahul):
    begun, late = (partial(pay_or_none, app, reena, rahul, key=key) for key in ("begun", "late"))
    with locked(rahul) as let_go, meanwhile(begun) as (begun,):
        wait_until_locked_out(1)
        with meanwhile(app.stop) as (exit_code,):
            wait_until(lambda: not app.answers(), "the server to take no more calls")
            with meanwhile(late) as (late,):
                let_go()
    assert (begun.result().status_code, late.result(), exit_code.result()) == (201, None, 0)

    app.start()
    again = pay(app, reena, rahul, key="begun")
    assert (again.headers["Idempotent-Replayed"], again.content) == ("true", begun.result().content)
    assert reena.balance() == 499_900


def test_a_rolling_restart_under_load_is_not_noticed(app, reena, rahul):
    with customers_that_pay_on(app, reena, rahul, 8) as tally:
        tally.wait_for_more()
        old = set(app.worker_pids())
        app.replace_workers()
        wait_until(lambda: not old & set(app.worker_pids()), "all workers to be replaced")
        tally.wait_for_more()
    assert tally.failures == Counter()
    assert reena.balance() == 500_000 - len(tally.paid)


def test_a_server_killed_amid_its_work_pays_once_when_it_is_back(app, reena, rahul):
    calls = [partial(pay_or_none, app, reena, rahul, key=f"key {one}") for one in range(8)]
    with locked(rahul), meanwhile(*calls) as answers:
        wait_until_locked_out(THREADS // WORKERS)
        app.kill()
    assert [answer.result() for answer in answers] == [None] * 8
    app.start()
    assert [answer.status_code for answer in at_once(*calls)] == [201] * 8
    assert reena.balance() == 500_000 - 8 * 100


# --- The database refuses ---------------------------------------------------------------------


def test_too_few_connections_are_busy_and_nothing_worse(app, books, reena, rahul):
    before = books()
    with connection.cursor() as cursor, ExitStack() as others:
        cursor.execute("SELECT @@max_connections")
        most = cursor.fetchone()[0]
        cursor.execute("SET GLOBAL max_connections = 10")
        try:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE user = 'bank'")
            for (number,) in cursor.fetchall():
                cursor.execute(f"KILL {number}")
            with suppress(OperationalError):
                while True:
                    others.enter_context(outsider())
            answers = at_once(*[partial(pay, app, reena, rahul, key="a key")] * 8)
        finally:
            cursor.execute(f"SET GLOBAL max_connections = {most}")
    assert all(answer.is_busy for answer in answers)
    assert books() == before
    assert pay(app, reena, rahul, key="a key").status_code == 201
    assert reena.balance() == 499_900


def test_a_database_that_only_reads_moves_no_money(app, books, reena, rahul):
    """As a replica does, or a primary that was told to stand back."""
    before = books()
    with connection.cursor() as cursor:
        cursor.execute("SET GLOBAL read_only = 1")
        try:
            paid = pay(app, reena, rahul, key="a key")
            read = ask(app, "GET", "/me", **bearer(reena))
        finally:
            cursor.execute("SET GLOBAL read_only = 0")
    assert paid.is_busy
    assert read.status_code == 200
    assert books() == before
    assert pay(app, reena, rahul, key="a key").status_code == 201
    assert reena.balance() == 499_900


@pytest.mark.parametrize(
    "number",
    [
        3,  # Error writing file
        1021,  # Disk full
        1030,  # Got error from storage engine
        1114,  # The table is full
        1836,  # Running in read-only mode
    ],
)
def test_a_database_that_cannot_write_stops_the_transfer_loudly(app, books, reena, rahul, number):
    before = books()
    log = Log(app)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER cannot_write BEFORE INSERT ON ledger_entries FOR EACH ROW SIGNAL "
            f"SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'injected'"
        )
        try:
            paid = pay(app, reena, rahul, key="a key")
        finally:
            cursor.execute("DROP TRIGGER cannot_write")
    assert paid.is_busy
    assert log.errors() == {number}
    assert books() == before
    assert pay(app, reena, rahul, key="a key").status_code == 201
    assert reena.balance() == 499_900
