"""The authorisation matrix: every route of the URL configuration, by every method, for every kind
of caller, against the table in `authorisation_table.py`.

What a call was allowed to do is rolled back, so that all cells meet the same bank. What was refused
is not: after all the refused calls of a route the books must be as they were.
"""

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.contrib.admin import site
from django.contrib.auth.models import Group, Permission, User
from django.db import connection, connections, transaction
from django.test import Client
from django.urls import URLResolver, get_resolver, path
from django.urls.resolvers import RegexPattern
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import directory, operations, sessions, tokens
from accounts.models import Account, AccountDailyUsage, ApiToken
from audit.models import AuditLog
from conftest import PASSWORD, Person
from office import approvals
from tests import authorisation_table as tables
from transfers import payees, webhooks
from transfers.models import Dispute, LedgerEntry, Transfer, WebhookEndpoint
from transfers.outbox import EventType

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
UNSAFE = ["POST", "PUT", "PATCH", "DELETE"]
STAFF = ["clerk", "teller", "manager", "auditor", "admin"]
CUSTOMERS = ["owner", "receiver", "other"]
OUTSIDERS = ["stranger", "inactive", "expired", "revoked"]
SIGNED_IN = ["inactive", *CUSTOMERS, *STAFF]
CSRF = "a" * 32  # in the cookie and in the header, as Django takes it
NEW_PASSWORD = "another horse battery"


# --- Reading the table ------------------------------------------------------------------------


def rows_of(table: str) -> list[dict[str, str]]:
    """Return the rows of a table, each by the words of its heading."""
    heading, *rows = [line.partition("#")[0].split() for line in table.strip().splitlines()]
    return [dict(zip(map(in_full, heading), row, strict=True)) for row in rows if row]


def in_full(column: str) -> str:
    """Return the caller whose first letters stand over a column, or what else stands there."""
    return next((one for one in tables.CALLERS if one.startswith(column)), column)


def by_route(rows: list[dict]) -> dict[tuple[str, str], dict[str, str]]:
    """Return the rows by route and method."""
    return {(row["route"], method): row for row in rows for method in row["method"].split(",")}


def office() -> dict[tuple[str, str], dict[str, str]]:
    """Return the rows of the back office: the short tables spelt out, and OFFICE itself."""
    rows = {}
    for row in rows_of(tables.OPERATIONS):
        for method, done in (("GET", "200"), ("POST", "302")):
            answers = {who: done if row[who] == "yes" else "403" for who in STAFF}
            rows[row["route"], method] = {"outsider": "login", **answers}
    for row in rows_of(tables.EXPORTS):
        answers = {who: "200" if row[who] == "yes" else "403" for who in STAFF}
        rows[row["route"], "POST"] = {"outsider": "login", **answers}
        rows[row["route"], "GET"] = {"outsider": "login", **dict.fromkeys(STAFF, "405")}
    for row in rows_of(tables.MODELS):
        for (page, method), needed in by_route(rows_of(tables.PAGES_OF_A_MODEL)).items():
            who_may = [who for who in STAFF if needed["needs"] in {*row[who], "nothing"}]
            answers = {who: needed["answer"] if who in who_may else "403" for who in STAFF}
            route = row["model"] + page.replace("(list)", "")
            rows[route, method] = {"outsider": "login", **answers}
    return rows | by_route(rows_of(tables.OFFICE))


API = by_route(rows_of(tables.API))
PAGES = by_route(rows_of(tables.PAGES))
OFFICE = office()


def row_for(table: dict, route: str, method: str) -> dict[str, str] | None:
    """Return the row that says how a route answers a method: a HEAD is answered as a GET."""
    methods = [method, "every", *(["GET"] if method == "HEAD" else [])]
    return next((table[route, one] for one in methods if (route, one) in table), None)


def in_api(route: str, method: str, caller: str) -> str:
    """Return the answer that the API owes this caller."""
    if row := row_for(API, route, method):
        return row[caller]
    is_public = API.get((route, "GET"), {}).get("stranger") == "200"
    return "401" if caller in OUTSIDERS and not is_public else "405"


def in_pages(route: str, method: str, caller: str) -> str:
    """Return the answer that a page owes: whoever is led away from it is so by any method."""
    if row := row_for(PAGES, route, method):
        return row[caller]
    door = PAGES.get((route, "GET"), {}).get(caller)
    return door if door in {"login", "office"} else "405"


def in_office(route: str, method: str, caller: str) -> str:
    """Return the answer that the back office owes."""
    who = caller if caller in STAFF else "outsider"
    if row := row_for(OFFICE, route, method):
        return row[who]
    return "login" if (method, who) == ("POST", "outsider") else "405"


# --- Reading the URL configuration ------------------------------------------------------------


def routes(patterns=None, prefix: str = "/") -> list[str]:
    """Return every route that the site has, as the table writes it."""
    found = []
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        text = str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += routes(pattern.url_patterns, prefix + text)
        elif apps := re.fullmatch(r"\^\(\?P<app_label>([\w|]+)\)/\$", text):
            found += [f"{prefix}{app}/" for app in apps[1].split("|")]
        elif isinstance(pattern.pattern, RegexPattern) and text in {"", "(?P<url>.*)$"}:
            found.append(f"{prefix}*")
        else:
            found.append(prefix + re.sub("<[^>]+>", "<id>", text))
    return found


def test_every_route_has_a_row_and_every_row_a_route():
    in_table = {route for route, _ in [*API, *PAGES, *OFFICE]}
    of_site = routes()
    assert set(of_site) - in_table == set(), "no row says who may use these"
    assert in_table - set(of_site) == set(), "these are not there any more"
    assert len(of_site) == len(set(of_site))


# --- Calling ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What came back, and the statements it took, without their values."""

    response: object
    statements: list[str]

    @property
    def word(self) -> str:
        """The answer as the table writes it."""
        address = self.response.get("Location", "")
        if re.match(r"(/admin)?/login/?\?next=", address):
            return "login"
        if address == "/admin/" and self.response.wsgi_request.path != "/admin":
            return "office"
        return str(self.response.status_code)

    @property
    def is_refusal(self) -> bool:
        """Whether the caller was turned away."""
        return self.word in {"login", "office"} or self.response.status_code >= 400

    @property
    def written(self) -> set[str]:
        """The tables into which something was written."""
        verbs = r"\s*(?:INSERT INTO|UPDATE|DELETE FROM|REPLACE INTO)\s+[`\"]?(\w+)"
        return {found[1] for one in self.statements if (found := re.match(verbs, one))}

    def faults(self, expected: str) -> list[str]:
        """Return what is wrong with it. A refusal writes nothing but a line in the audit log
        and a count of attempts."""
        wrong = [] if self.word == expected else [f"{self.word} instead of {expected}"]
        if self.is_refusal:
            wrong += [
                f"refused, and wrote {one}"
                for one in self.written - {"audit_logs", "throttle_windows"}
            ]
        return wrong

    @property
    def told(self) -> tuple:
        """All that a caller sees of it, and the work it took; but for the address that was asked
        for, in a redirect, the CSRF token of the caller's own form, and in which second it was."""
        path = self.response.wsgi_request.path
        headers = {name: one.replace(path, "") for name, one in self.response.items()}
        headers.pop("Expires", None)  # the second in which it was asked
        body = re.sub(rb'(name="csrfmiddlewaretoken" value=)"\w+"', b"", self.response.content)
        body = re.sub(rb'data-seconds-left="\d+"', b"", body)
        work = [re.sub(r"\((%s, )+%s\)", "(%s)", one) for one in self.statements]
        work = [re.sub(r"\bs\d+_x\d+", "", one) for one in work]  # names of savepoints
        return self.response.status_code, headers, body, work


def as_json(**members) -> tuple[str, str]:
    """Return the type and text of a JSON body."""
    return "application/json", json.dumps(members)


def as_form(**fields) -> tuple[str, str]:
    """Return the type and text of a form."""
    return "application/x-www-form-urlencoded", urlencode(fields)


NO_BODY = ("application/json", "")


class Desk:
    """Sends calls as any of the callers, and undoes what they were allowed to do."""

    def __init__(self, people: dict[str, Person], old_tokens: dict[str, str]):
        self.people = people
        self.tokens = {who: one.token for who, one in people.items()} | old_tokens
        self.sessions = {who: session_of(one) for who, one in people.items()}
        self.client = Client(enforce_csrf_checks=True, raise_request_exception=False)

    def by_token(self, caller: str, method: str, address: str, body=NO_BODY) -> Answer:
        """Call with the caller's API token."""
        token = self.tokens.get(caller)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self._call(caller, method, address, body, headers, {})

    def by_session(
        self, caller: str, method: str, address: str, body=NO_BODY, *, csrf=CSRF, **headers
    ) -> Answer:
        """Call with the caller's session, and with a CSRF token as a page would send it."""
        cookies = {settings.CSRF_COOKIE_NAME: CSRF}
        if caller in self.sessions:
            cookies[settings.SESSION_COOKIE_NAME] = self.sessions[caller]
        headers |= {"X-CSRFToken": csrf} if csrf else {}
        return self._call(caller, method, address, body, headers, cookies)

    def _call(self, caller, method, address, body, headers, cookies) -> Answer:
        self.client.cookies = SimpleCookie(cookies)
        statements = []

        def note(execute, sql, params, many, context):
            statements.append(sql)
            return execute(sql, params, many, context)

        deactivated = User.objects.filter(pk=self.people["inactive"].user.pk)
        if caller == "inactive":
            deactivated.update(is_active=False)
        undo = transaction.savepoint()
        with connection.execute_wrapper(note):
            response = self.client.generic(
                *(method, address, body[1], body[0]), headers={"X-Request-ID": "cell", **headers}
            )
        answer = Answer(response, statements)
        if answer.is_refusal:
            transaction.savepoint_commit(undo)
        else:
            transaction.savepoint_rollback(undo)
        if caller == "inactive":
            deactivated.update(is_active=True)
        return answer


def session_of(person: Person) -> str:
    """Return the key of a new session."""
    return person.browser.cookies[settings.SESSION_COOKIE_NAME].value


@pytest.fixture(autouse=True)
def statements_go_alone(monkeypatch):
    """So that they can be compared: in a packet values are part of the text."""
    monkeypatch.setattr(connections["default"], "takes_packets", False, raising=False)


@pytest.fixture
def people(reena, rahul, anita, teller, manager, auditor, admin, make_staff) -> dict[str, Person]:
    """The callers, by the names that the table gives them."""
    return {
        **{"owner": reena, "inactive": reena, "receiver": rahul, "other": anita},
        **{"clerk": make_staff("clerk"), "teller": teller, "manager": manager},
        **{"auditor": auditor, "admin": admin},
    }


@pytest.fixture
def payment(reena, rahul) -> Transfer:
    """What the owner paid to the receiver."""
    return Transfer.objects.get(public_id=reena.send(rahul, "25.00").json()["id"])


@pytest.fixture
def endpoint(payment, reena, rahul) -> WebhookEndpoint:
    """Where the owner's program is told, with a message that waits."""
    url = "https://hooks.example.com/"
    endpoint = webhooks.create(reena.customer, url, EventType.values, origin=reena.origin)
    reena.send(rahul, "1.00")
    return endpoint


@pytest.fixture
def desk(people, payment, reena) -> Desk:
    """A desk for customers, staff, and whoever has an old token of the owner's."""
    expired, token = tokens.create(reena.user, origin=reena.origin)
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())
    revoked, token = tokens.create(reena.user, origin=reena.origin)
    tokens.revoke(token, origin=reena.origin)
    return Desk(people, {"expired": expired, "revoked": revoked})


def own_credentials(desk: Desk, caller: str) -> dict[str, str]:
    """Return what the caller signs in with; a stranger has nothing that opens."""
    person = desk.people.get(caller)
    if caller in {"expired", "revoked"}:
        person = desk.people["owner"]
    return {"username": person.user.username if person else "nobody", "password": PASSWORD}


@pytest.fixture
def faults(books) -> Callable:
    """Return a function that finds what is wrong with the cells of a route; `call` makes each."""

    def found(callers, expected, call, methods=METHODS) -> list[str]:
        before = books()
        wrong = [
            f"{method} by {caller}: {fault}"
            for method in methods
            for caller in callers
            for fault in call(caller, method).faults(expected(method, caller))
        ]
        return wrong if books() == before else [*wrong, "money was moved by a refused call"]

    return found


@pytest.fixture(autouse=True)
def nobody_is_noted_as_seen(monkeypatch):
    """Else a session or a token would be written by whichever call comes first."""
    monkeypatch.setattr(sessions, "SEEN_EVERY_SECONDS", 10**9)
    monkeypatch.setattr("accounts.callers.USE_IS_NOTED_EVERY", timedelta(days=1))


# --- The API ----------------------------------------------------------------------------------


@pytest.fixture
def call_api(desk, payment, endpoint, reena, rahul) -> Callable:
    """Return a function that calls a route of the API, with a body that could succeed."""
    ids = {"/customers": reena.customer, "/accounts": reena.account, "/transfers": payment}
    ids["/webhooks"] = endpoint
    bodies = {
        "/auth/token/rotation": as_json(overlap_hours=1),
        "/transfers": as_json(**reena.order(rahul, "1.00")),
        "/transfers/bulk": as_json(
            transfers=[reena.order(rahul, "1.00", idempotency_key="of the table")]
        ),
        "/transfers/quote": as_json(**reena.order(rahul, "1.00", payee_name="Rahul")),
        "/transfers/<id>/receipt": as_json(received_amount="25.00"),
        "/webhooks": as_json(url="https://hooks.example.com/"),
        "/webhooks/<id>/replay": as_json(since="2026-01-01T00:00:00Z"),
    }

    def call(by, route, caller, method, *, key=None, **how) -> Answer:
        owned = ids.get("/" + route.split("/")[1])
        key = key or (owned.public_id if owned else "")
        address = route.replace("<id>", key).replace("*", "nowhere")
        body = bodies.get(route, NO_BODY)
        if route == "/auth/token" and method == "POST":
            body = as_json(**own_credentials(desk, caller))
        return by(caller, method, address, body, **how)

    return call


API_ROUTES = sorted({route for route, _ in API})


def test_the_api_answers_every_token_as_the_table_says(desk, call_api, faults, subtests):
    for route in API_ROUTES:
        with subtests.test(route):
            call = partial(call_api, desk.by_token, route)
            callers = [*OUTSIDERS, *CUSTOMERS, *STAFF]
            assert faults(callers, partial(in_api, route), call) == []


def test_the_api_answers_every_session_as_it_answers_its_users_token(
    desk, call_api, faults, subtests
):
    """But for what is about tokens themselves: a session has none to revoke."""
    for route in API_ROUTES:

        def expected(method, caller, route=route):
            about_a_token = route == "/auth/token" and method != "POST"
            about_a_token |= (route, method) == ("/auth/token/rotation", "POST")
            return in_api(route, method, "stranger" if about_a_token else caller)

        with subtests.test(route):
            call = partial(call_api, desk.by_session, route)
            assert faults(SIGNED_IN, expected, call) == []


# --- The pages --------------------------------------------------------------------------------


@pytest.fixture
def call_page(desk, payment, reena, rahul) -> Callable:
    """Return a function that calls a customer's page, with a form that could succeed."""
    order = {"from_account_id": reena.account.public_id, "amount": "1.00"}
    order |= {"to_account_number": rahul.account.number, "idempotency_key": str(uuid.uuid4())}
    order |= {"payee_name": "Rahul"}
    payees.remember(reena.customer, rahul.account)
    ids = {"/payees": reena.customer.payees.get().public_id, "/problems": "busy"}
    ids |= dict.fromkeys(["/history", "/limits"], reena.account.public_id)
    ids["/security"] = reena.user.api_tokens.first().public_id
    forms = {
        "/language": as_form(language="hi"),
        "/limits/<id>": as_form(limit="5000.00"),
        "/security/password": as_form(old_password="?", new_password1="?", new_password2="?"),
        "/forgotten": as_form(email="nobody@bank.example"),
        "/send": as_form(**order),
        "/send/check": as_form(**order),
        "/payments/<id>/receipt": as_form(received_amount="25.00"),
    }

    def call(route, caller, method, *, key=None, **how) -> Answer:
        form = forms.get(route, NO_BODY)
        if route == "/login":
            form = as_form(**own_credentials(desk, caller))
        key = key or ids.get("/" + route.split("/")[1], payment.public_id)
        address = route.replace("<id>", key)
        return desk.by_session(caller, method, address, form, **how)

    return call


PAGE_ROUTES = sorted({route for route, _ in PAGES})


def test_the_pages_answer_everybody_as_the_table_says(call_page, faults, subtests):
    for route in PAGE_ROUTES:
        with subtests.test(route):
            callers = ["stranger", *SIGNED_IN]
            call = partial(call_page, route)
            assert faults(callers, partial(in_pages, route), call) == []


# --- The back office --------------------------------------------------------------------------


@pytest.fixture
def call_office(desk, people, payment, endpoint, reena, meera, manager, teller) -> Callable:
    """Return a function that calls a page of the back office, with a form that could succeed."""
    desk.people = people | {"inactive": manager}
    desk.sessions |= {"inactive": session_of(manager)}
    operations.freeze(meera.account, reason="Card lost", origin=teller.origin)
    wish = approvals.ask_for_limit(
        reena.account, 2_000_000, reason="Buys a car", origin=teller.origin
    )
    empty = operations.open_account(
        meera.customer, name="Spare", currency="INR", daily_limit_minor=0, origin=teller.origin
    )
    Transfer.objects.filter(pk=payment.pk).update(received_minor=0)
    disputed = Dispute.objects.create(transfer=payment, opened_at=timezone.now())
    colleague = User.objects.create_user("colleague", is_staff=True)
    TOTPDevice.objects.create(user=colleague, name="phone")
    leaving = operations.open_customer(
        username="leaving", password=PASSWORD, name="Leaving", origin=teller.origin
    )
    spare, shift = User.objects.create_user("spare"), Group.objects.create(name="night shift")
    rows = {
        "/admin/accounts/customer/": reena.customer,
        "/admin/accounts/customer/<id>/close/": leaving,
        "/admin/second-factor/": colleague,
        "/admin/accounts/account/": reena.account,
        "/admin/accounts/accountdailyusage/": AccountDailyUsage.objects.get(account=reena.account),
        "/admin/accounts/apitoken/": ApiToken.objects.get(token_hash=ApiToken.digest(reena.token)),
        "/admin/accounts/apitoken/make/": reena.customer,
        "/admin/audit/auditlog/": AuditLog.objects.latest("pk"),
        "/admin/auth/user/": spare,
        "/admin/auth/group/": shift,
        "/admin/transfers/dispute/": disputed,
        "/admin/transfers/transfer/": payment,
        "/admin/transfers/webhookendpoint/": endpoint,
        "/admin/transfers/webhookdelivery/": endpoint.deliveries.get(),
        "/admin/transfers/ledgerentry/": LedgerEntry.objects.get(account=reena.account, sequence=2),
        "/admin/office/approvalrequest/": wish,
        "/admin/office/approvalrequest/limit/": reena.account,
        "/admin/office/approvalrequest/deposit/": reena.account,
        "/admin/office/approvalrequest/withdraw/": reena.account,
        "/admin/office/approvalrequest/unfreeze/": meera.account,
        "/admin/office/approvalrequest/close/": empty,
        "/admin/office/approvalrequest/reverse/": payment,
        "/admin/r/": reena.account,
    }
    why = {"reason": "Asked for it"}
    passwords = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true"}
    cash = {"amount": "1", "key": "a" * 32, **why}
    user = {"username": "spare", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    forms = {
        "/admin/password_change/": {
            "old_password": PASSWORD,
            "new_password1": NEW_PASSWORD,
            "new_password2": NEW_PASSWORD,
        },
        "/admin/accounts/customer/open/": {
            **{"name": "Kavita Rao", "username": "kavita"},
            **{"password": NEW_PASSWORD, "password_again": NEW_PASSWORD, **why},
        },
        "/admin/accounts/customer/<id>/open-account/": {
            **{"name": "Travel", "currency": "INR", "daily_limit": "1", **why},
        },
        "/admin/accounts/customer/<id>/update/": {"name": "Reena", "is_active": "on", **why}
        | {"email": "reena@example.com"},
        "/admin/accounts/customer/<id>/close/": why,
        "/admin/accounts/customer/<id>/reveal/": why,
        "/admin/second-factor/<id>/remove/": why,
        "/admin/office/approvalrequest/limit/<id>/": {"daily_limit": "1", **why},
        **dict.fromkeys(
            (
                f"/admin/office/approvalrequest/<id>/{end}/"
                for end in ("approve", "refuse", "withdraw")
            ),
            why,
        ),
        "/admin/accounts/account/<id>/freeze/": why,
        "/admin/accounts/apitoken/<id>/revoke/": why,
        "/admin/accounts/apitoken/make/<id>/": {
            **{"name": "Books", "scopes": "accounts:read", "days": "30", **why},
        },
        "/admin/transfers/webhookendpoint/<id>/disable/": why,
        "/admin/transfers/webhookendpoint/<id>/replay/": {"since": "2026-01-01", **why},
        "/admin/office/approvalrequest/deposit/<id>/": cash,
        "/admin/office/approvalrequest/withdraw/<id>/": cash,
        "/admin/office/approvalrequest/unfreeze/<id>/": why,
        "/admin/office/approvalrequest/close/<id>/": why,
        "/admin/office/approvalrequest/reverse/<id>/": cash,
        "/admin/transfers/dispute/<id>/note/": {"text": "Called both"},
        "/admin/transfers/dispute/<id>/explain/": {"text": "Called both"},
        "/admin/auth/user/<id>/password/": passwords,
        "/admin/auth/user/add/": {"username": "newclerk", **passwords},
        "/admin/auth/user/<id>/change/": {"is_active": "on", **user},
        "/admin/auth/group/add/": {"name": "day shift"},
        "/admin/auth/group/<id>/change/": {"name": "day shift"},
        "/admin/auth/group/<id>/delete/": {"post": "yes"},
    }
    forged = {"balance_minor": "1", "status": "ACTIVE", "post": "yes", "action": "delete_selected"}

    def call(route, caller, method, *, key=None, **how) -> Answer:
        fields = forms.get(route, forged)
        if route == "/admin/login/":
            fields = own_credentials(desk, caller)
        owner = max((one for one in rows if route.startswith(one)), key=len, default=None)
        key = key or (rows[owner].pk if owner else "")
        address = route.replace("<id>", str(key)).replace("*", "nowhere")
        return desk.by_session(caller, method, address, as_form(**fields), **how)

    return call


OFFICE_ROUTES = sorted({route for route, _ in OFFICE})


def test_the_back_office_answers_everybody_as_the_tables_say(call_office, faults, subtests):
    callers = ["stranger", "inactive", "owner", *STAFF]
    methods = ["GET", "POST"]
    others = [method for method in METHODS if method not in methods]
    for route in OFFICE_ROUTES:
        expected, call = partial(in_office, route), partial(call_office, route)
        with subtests.test(route):
            assert faults(callers, expected, call, methods) == []
            # No page looks at its caller before it refuses these, so the two ends will do.
            assert faults(["stranger", "admin"], expected, call, others) == []


# --- Without a token of the page's own --------------------------------------------------------

FORGERIES = [({"csrf": None}, UNSAFE), ({"Origin": "https://evil.example"}, ["POST"])]
# These ask for no session, so that a forged call has nothing to misuse: 200 is a token that only
# the right password makes and only the sender reads, 404 is an unknown path.
WITHOUT_SESSION = {"/auth/token", "/audit/key", "/schema", "/healthz", "/readyz", "/*"}


def test_no_session_changes_anything_by_a_call_that_another_site_made(
    call_api, call_page, call_office, desk, faults, subtests
):
    def of_api(route):
        return partial(call_api, desk.by_session, route)

    sites = [
        *((of_api(route), route, "owner") for route in API_ROUTES if route not in WITHOUT_SESSION),
        *((partial(call_page, route), route, "owner") for route in PAGE_ROUTES),
        (partial(call_page, "/login"), "/login", "stranger"),
        *((partial(call_office, route), route, "admin") for route in OFFICE_ROUTES),
        (partial(call_office, "/admin/login/"), "/admin/login/", "stranger"),
    ]
    for call, route, caller in sites:
        with subtests.test(f"{route} by {caller}"):
            for forgery, methods in FORGERIES:
                forged = partial(call, **forgery)
                assert faults([caller], lambda *cell: "403", forged, methods) == []


# --- What is not the caller's does not exist --------------------------------------------------

ABSENT_ID = "01890000-0000-7000-8000-000000000000"
ABSENT_KEY = 987_654_321


def cells(table: dict, *words: str) -> list[tuple[str, str, str]]:
    """Return route, method and caller of the cells about an object that hold one of the words."""
    return [
        (route, method, "owner" if who == "outsider" else who)
        for (route, method), row in table.items()
        for who, cell in row.items()
        if "<id>" in route and cell in words and who not in {"route", "method"}
    ]


def test_what_the_api_hides_answers_as_what_does_not_exist(desk, call_api, subtests):
    """To the byte, and with the same statements: neither body nor effort tells them apart."""
    for route, method, caller in cells(API, "404"):
        with subtests.test(f"{method} {route} by {caller}"):
            there = call_api(desk.by_token, route, caller, method)
            absent = call_api(desk.by_token, route, caller, method, key=ABSENT_ID)
            assert there.told == absent.told


def test_no_account_is_found_out_by_ordering_or_asking_for_its_transfers(
    desk, reena, rahul, anita, subtests
):
    house = Account.objects.get(house_role="cash:INR").public_id
    mine, foreign = anita.account.public_id, reena.account.public_id
    # As if all had paid before.
    directory.look_up({mine, foreign, rahul.account.number})
    assert anita.send(rahul, "1.00").status_code == 201

    def order(by, sender, receiver, path="/transfers"):
        body = {"from_account_id": sender, "to_account_id": receiver, "amount": "1.00"}
        return by("other", "POST", path, as_json(**body))

    def quote(sender, receiver):
        return order(desk.by_token, sender, receiver, "/transfers/quote")

    def form(sender):
        fields = {"from_account_id": sender, "to_account_number": rahul.account.number}
        fields |= {"amount": "1.00", "idempotency_key": ABSENT_ID}
        return desk.by_session("other", "POST", "/send", as_form(**fields))

    def ask(caller, account):
        return desk.by_token(caller, "GET", f"/transfers?account_id={account}")

    same = {
        "pay from": [order(desk.by_token, one, mine) for one in (foreign, house, ABSENT_ID)],
        "pay from, by form": [form(one) for one in (foreign, house, ABSENT_ID)],
        "pay the bank": [order(desk.by_token, mine, one) for one in (house, ABSENT_ID)],
        "quote from": [quote(one, mine) for one in (foreign, house, ABSENT_ID)],
        "quote to the bank": [quote(mine, one) for one in (house, ABSENT_ID)],
        "list": [ask("other", one) for one in (foreign, house, ABSENT_ID)],
        "list, as staff without a role": [ask("clerk", one) for one in (foreign, ABSENT_ID)],
    }
    for what, answers in same.items():
        with subtests.test(what):
            first, *others = [answer.told for answer in answers]
            assert first[0] == (200 if "quote" in what else 404)
            assert others == [first] * len(others)


def test_a_refused_payment_does_not_exist_for_its_receiver(desk, call_api, call_page, reena, rahul):
    refused = reena.send(rahul, "9999.00").json()["transfer_id"]
    for route, method in (("/transfers/<id>", "GET"), ("/transfers/<id>/receipt", "POST")):
        there, absent = (
            call_api(desk.by_token, route, "receiver", method, key=key)
            for key in (refused, ABSENT_ID)
        )
        assert there.word == "404"
        assert there.told == absent.told
    for route, method in (
        ("/payments/<id>", "GET"),
        ("/payments/<id>/receipt", "GET"),
        ("/payments/<id>/receipt", "POST"),
    ):
        there, absent = (
            call_page(route, "receiver", method, key=key) for key in (refused, ABSENT_ID)
        )
        assert there.word == "404"
        assert there.told == absent.told


def test_what_a_page_hides_answers_as_what_does_not_exist(call_page, payment, subtests):
    for route, method, caller in cells(PAGES, "404", "login", "office"):
        with subtests.test(f"{method} {route} by {caller}"):
            there = call_page(route, caller, method)
            absent = call_page(route, caller, method, key=ABSENT_ID)
            assert there.told == absent.told


def test_what_the_back_office_hides_answers_as_what_does_not_exist(call_office, subtests):
    """Rows are numbered there: no answer may tell who has no business with them how many there
    are."""
    for route, method, caller in cells(OFFICE, "403", "login"):
        page = re.sub("(change|delete|history|withdraw)/$", "change/", route)
        if caller in STAFF and OFFICE.get((page, "GET"), {}).get(caller) == "200":
            continue  # may see the row, though not do this
        with subtests.test(f"{method} {route} by {caller}"):
            there = call_office(route, caller, method)
            absent = call_office(route, caller, method, key=ABSENT_KEY)
            assert there.told == absent.told


# --- Lists hold what their reader may see -----------------------------------------------------


def test_a_list_of_transfers_holds_what_each_caller_may_see(desk, payment, reena, rahul, anita):
    of_reena, of_rahul, of_anita = (
        Transfer.objects.get(to_account=person.account, kind="CASH").public_id
        for person in (reena, rahul, anita)
    )
    refused = reena.send(rahul, "9999.00").json()["transfer_id"]
    everything = {of_reena, of_rahul, of_anita, payment.public_id, refused}
    expected = {
        "owner": {of_reena, payment.public_id, refused},
        "receiver": {of_rahul, payment.public_id},
        "other": {of_anita},
        **dict.fromkeys(["clerk", "admin"], set()),
        **dict.fromkeys(["teller", "manager", "auditor"], everything),
    }
    for caller, ids in expected.items():
        body = desk.by_token(caller, "GET", "/transfers").response.json()
        assert {one["id"] for one in body["results"]} == ids, caller


@pytest.mark.parametrize(
    ("granted", "opened"),
    [
        ([], set()),
        (["view_account"], {"accounts", "account", "limits"}),
        (["view_account", "view_ledgerentry"], {"accounts", "account", "limits", "entries"}),
        (["view_ledgerentry"], set()),
        (["view_transfer"], {"transfer"}),
        (["view_customer", "view_accountdailyusage", "handle_cash", "open_account"], set()),
    ],
)
def test_each_permission_of_staff_opens_its_own_part_of_the_api(
    granted, opened, make_staff, reena, payment
):
    member = make_staff("member")
    member.user.user_permissions.set(Permission.objects.filter(codename__in=granted))
    account = f"/accounts/{reena.account.public_id}"
    paths = {
        "accounts": f"/customers/{reena.customer.public_id}/accounts",
        "account": account,
        "limits": f"{account}/limits",
        "entries": f"{account}/entries",
        "transfer": f"/transfers/{payment.public_id}",
    }
    found = {name: member.api.get(path).status_code for name, path in paths.items()}
    assert found == {name: 200 if name in opened else 404 for name in paths}
    listed = member.api.get("/transfers").json()["results"]
    assert bool(listed) == ("transfer" in opened)


def test_related_rows_are_suggested_only_to_those_who_may_see_them(desk, subtests):
    may = {row["model"]: row for row in rows_of(tables.MODELS)}
    suggested = [
        (model._meta, field.name, field.remote_field.model._meta)
        for model in site._registry
        for field in model._meta.get_fields()
        if field.many_to_one or field.one_to_one and not field.auto_created
    ]
    assert len(suggested) >= 7
    for model, name, remote in suggested:
        query = {"app_label": model.app_label, "model_name": model.model_name, "field_name": name}
        page = f"/admin/{remote.app_label}/{remote.model_name}/"
        for caller in STAFF:
            with subtests.test(f"{model.label}.{name} by {caller}"):
                answer = desk.by_session(caller, "GET", f"/admin/autocomplete/?{urlencode(query)}")
                assert answer.word == ("200" if "v" in may[page][caller] else "403")


# --- Closed by default, and a matrix that can fail --------------------------------------------


class Bare(APIView):
    """A view whose author forgot to say who may use it, and which tokens are for it."""

    def get(self, request):
        """Answer."""
        return Response("open")


urlpatterns = [path("bare", Bare.as_view())]  # the site of the next test


@pytest.mark.urls(__name__)
def test_a_view_that_says_nothing_about_permissions_is_closed(reena, stranger):
    answer = stranger.get("/bare")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert reena.api.get("/bare").status_code == 403
    assert reena.browser.get("/bare").status_code == 200


def everything(self, user):
    """Show everybody everything: what a forgotten filter does."""
    return self


BROKEN = [
    ("/customers/<id>/accounts", "accounts.models.CustomerQuerySet.visible_to", everything),
    ("/accounts/<id>", "accounts.models.sees_every_account", lambda user: True),
    ("/accounts/<id>/limits", "accounts.models.sees_every_account", lambda user: True),
    ("/accounts/<id>/entries", "accounts.models.sees_every_account", lambda user: True),
    ("/transfers/<id>", "transfers.models.sees_every_transfer", lambda user: True),
    ("/transfers/<id>/receipt", "transfers.models.sees_every_transfer", lambda user: True),
    ("/transfers/<id>/receipt", "transfers.api.is_owner", lambda user, account: True),
    ("/me", "accounts.models.ApiToken.is_valid", True),
    ("/me", "rest_framework.views.APIView.permission_classes", []),
]


@pytest.mark.parametrize(("route", "guard", "broken"), BROKEN)
def test_the_matrix_notices_a_guard_that_is_gone(
    route, guard, broken, desk, call_api, faults, monkeypatch
):
    """Without it the test of the API above would fail; with it, it passes."""
    monkeypatch.setattr(guard, broken)
    call, callers = partial(call_api, desk.by_token, route), [*OUTSIDERS, *CUSTOMERS, *STAFF]
    assert faults(callers, partial(in_api, route), call) != []
