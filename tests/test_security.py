"""What docs/security.md answers for and no other test proves: sessions, browsers, the shape of
answers, hostile input, faults and logs, over the whole site."""

import json
import logging
import re
import runpy
from collections import deque
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urlencode, urljoin, urlsplit

import pytest
from django.apps import apps
from django.conf import settings as live_settings
from django.contrib.admin import site
from django.contrib.auth import hashers
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import DatabaseError, OperationalError, connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import operations, tokens
from accounts.models import BrowserSession, Customer
from accounts.tests.back_office import fill_in, forge
from accounts.tests.browsing import submit, visit
from conftest import PASSWORD
from smartbank import urls
from smartbank.logs import JSONFormatter
from tests.test_authorisation import routes
from transfers import payments

ROOT = Path(live_settings.BASE_DIR)
UNKNOWN = "01890000-0000-7000-8000-000000000000"
NEW_PASSWORD = "another horse battery"
FORM = "application/x-www-form-urlencoded"
INTERNALS = re.compile(
    r"canary|Traceback|File \"|line \d+, in|SELECT |INSERT |UPDATE |\.py\b|site-packages|django/|"
    r"MariaDB|MySQL|SQLite|OperationalError|RuntimeError|gunicorn|granian|5\.2\.\d",
    re.IGNORECASE,
)


# --- Signing in (S19, S21, S22) ---------------------------------------------------------------


def test_every_failed_sign_in_costs_the_same_work(reena, stranger, monkeypatch):
    """One password hashed, and the same statements: whether the name is known does not show."""
    User.objects.create_user("closed", password=PASSWORD, is_active=False)
    User.objects.create_user("keyless")  # nobody gave it a password
    hashed = []
    encode = hashers.MD5PasswordHasher.encode

    def counting(self, password, salt):
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(hashers.MD5PasswordHasher, "encode", counting)
    stranger.post("/auth/token", {"username": "first", "password": "x"})  # from this address
    work = set()
    for username in ("reena", "closed", "keyless", "nobody"):
        hashed.clear()
        with CaptureQueriesContext(connection) as asked:
            body = {"username": username, "password": "open sesame"}
            assert stranger.post("/auth/token", body).status_code == 401
        verbs = tuple(one["sql"].split()[0] for one in asked)
        work.add((len(hashed), verbs))
    assert len(work) == 1
    assert work.pop()[0] == 1


def test_passwords_are_stored_by_djangos_own_slow_hasher():
    """The suite hashes quickly (conftest.py); the settings that a bank runs with do not."""
    shipped = production_settings()
    assert "PASSWORD_HASHERS" not in shipped
    assert hashers.PBKDF2PasswordHasher.iterations >= 1_000_000


@pytest.mark.parametrize(
    "password",
    [
        *("ein Straßenlaternenpfahl", "पाँच अंधे हाथी को देखते हैं", " 🐎🔋  two spaces  🐎🔋 "),
        *("A\u030a" * 12, "x" * 127 + "é"),
    ],
)
def test_a_long_passphrase_in_any_script_opens_unchanged(password, teller, stranger):
    fields = {"name": "Kavita", "username": "kavita", "password": password}
    answer = fill_in(
        teller, reverse("admin:accounts_customer_open"), **fields, password_again=password
    )
    assert answer.status_code == 302
    made = stranger.post("/auth/token", {"username": "kavita", "password": password})
    assert made.status_code == 200
    browser = Client()
    page = visit(browser, "/login")
    answer = submit(browser, "/login", page, username="kavita", password=password)
    assert answer.status_code == 302


# --- Sessions (S11, S23, S29, S30, S31, S39) ---------------------------------------------------


def cookie_of(browser) -> str:
    return browser.cookies[live_settings.SESSION_COOKIE_NAME].value


def with_cookie(key: str) -> Client:
    """A browser that somebody gave the session cookie of another."""
    thief = Client(raise_request_exception=False)
    thief.cookies[live_settings.SESSION_COOKIE_NAME] = key
    return thief


def is_signed_in(browser, page="/") -> bool:
    return browser.get(page).status_code == 200


def test_signing_in_makes_a_new_session_and_the_planted_one_is_dead(reena):
    browser = Client()
    planted = browser.session  # as an attacker's, made before and known to him
    planted["note"] = "planted"
    planted.save()

    submit(browser, "/login", visit(browser, "/login"), username="reena", password=PASSWORD)

    assert is_signed_in(browser)
    assert cookie_of(browser) != planted.session_key
    assert not BrowserSession.objects.filter(pk=planted.session_key).exists()
    assert not is_signed_in(with_cookie(planted.session_key))


def test_signing_out_ends_the_session_on_the_server(reena, teller):
    for person, home, out in ((reena, "/", "/logout"), (teller, "/admin/", "/admin/logout/")):
        browser = person.browser
        key = cookie_of(browser)
        assert is_signed_in(with_cookie(key), home)
        page = browser.get(home)
        assert page["Cache-Control"] == "no-store"  # so that going back shows nothing
        browser.post(out, {"csrfmiddlewaretoken": str(page.context["csrf_token"])})
        assert not BrowserSession.objects.filter(pk=key).exists()
        assert not is_signed_in(with_cookie(key), home)


def test_who_changes_the_own_password_gets_a_new_session_and_all_others_end(teller):
    browser, elsewhere = teller.browser, teller.browser
    key = cookie_of(browser)
    url = reverse("admin:password_change")
    form = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    form["csrfmiddlewaretoken"] = str(browser.get(url).context["csrf_token"])

    assert browser.post(url, form).status_code == 302

    assert is_signed_in(browser, "/admin/")
    assert cookie_of(browser) != key
    assert not is_signed_in(with_cookie(key), "/admin/")
    assert not is_signed_in(elsewhere, "/admin/")


def test_who_gets_another_password_is_signed_out_everywhere(admin, reena, rahul):
    browsers = [reena.browser, reena.browser]
    url = reverse("admin:auth_user_password_change", args=[reena.user.pk])
    forge(admin, url, usable_password="true", password1=NEW_PASSWORD, password2=NEW_PASSWORD)
    assert [is_signed_in(one) for one in [*browsers, rahul.browser]] == [False, False, True]


def test_a_deactivated_user_is_out_with_the_next_request(reena, teller):
    customer, office = reena.browser, teller.browser
    assert is_signed_in(customer)
    assert is_signed_in(office, "/admin/")
    User.objects.filter(pk__in=[reena.user.pk, teller.user.pk]).update(is_active=False)
    assert customer.get("/")["Location"] == "/login?next=/"
    assert office.get("/admin/")["Location"] == "/admin/login/?next=/admin/"
    assert customer.get("/me").status_code == 401
    assert reena.api.get("/me").status_code == 401


def test_a_role_that_was_taken_away_is_gone_with_the_next_request(manager, reena, books):
    limit = reverse("admin:office_limit", args=[reena.account.pk])
    browser = manager.browser
    assert is_signed_in(browser, limit)
    manager.user.groups.set([Group.objects.get(name="auditor")])
    assert browser.get(limit).status_code == 403
    assert browser.get("/admin/audit/auditlog/").status_code == 200
    User.objects.filter(pk=manager.user.pk).update(is_staff=False)
    assert browser.get("/admin/")["Location"] == "/admin/login/?next=/admin/"


def test_a_superuser_opens_no_door(make_staff, reena, stranger):
    """Not even one in a role: neither by password nor by a session or token from before."""
    root = make_staff("root", "manager")
    browser = root.browser
    assert is_signed_in(browser, "/admin/")
    User.objects.filter(pk=root.user.pk).update(is_superuser=True)
    assert not is_signed_in(browser, "/admin/")
    assert root.api.get(f"/accounts/{reena.account.public_id}").status_code == 401
    door = {"username": "root", "password": PASSWORD}
    assert Client().post("/admin/login/", door).status_code == 200
    assert stranger.post("/auth/token", door).status_code == 401


def test_the_command_that_makes_the_first_user_makes_an_administrator(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    options = {"username": "first", "email": "first@bank.example", "interactive": False}
    call_command("createsuperuser", **options, verbosity=0)
    user = User.objects.get(username="first")
    assert (user.is_staff, user.is_superuser) == (True, False)
    assert [group.name for group in user.groups.all()] == ["administrator"]
    assert Client().login(username="first", password=PASSWORD)


def production_settings() -> dict:
    """The settings as a bank has them that says no more than it must."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "TRUSTED_PROXIES"):
            patch.delenv(name, raising=False)
        patch.setenv("SMARTBANK_READ_DOTENV", "0")
        patch.setenv("DEBUG", "0")
        patch.setenv("DATABASE_URL", "mysql://bank:secret@127.0.0.1:1/bank")
        return runpy.run_path(str(ROOT / "smartbank" / "settings.py"))


def test_cookies_in_production_cannot_be_read_planted_or_sent_by_others(reena, settings):
    shipped = production_settings()
    for name in [one for one in shipped if re.match("(SESSION|CSRF)_COOKIE_", one)]:
        setattr(settings, name, shipped[name])
    browser = Client()
    page = browser.get("/login", secure=True)
    form = {"username": "reena", "password": PASSWORD}
    form["csrfmiddlewaretoken"] = str(page.context["csrf_token"])
    answer = browser.post(
        "/login", form, secure=True, headers={"Referer": "https://testserver/login"}
    )
    assert answer.status_code == 302
    cookies = [*page.cookies.values(), *answer.cookies.values()]
    assert {one.key for one in cookies} == {"__Host-sessionid", "__Host-csrftoken"}
    for one in cookies:
        assert (one["secure"], one["httponly"], one["path"], one["domain"]) == (True, True, "/", "")
        assert one["samesite"] == "Lax"


def test_a_new_secret_key_ends_no_session_and_no_list_while_the_old_one_is_named(
    reena, rahul, settings
):
    for _ in range(3):
        reena.send(rahul, "1.00")
    used, unused = reena.browser, reena.browser
    cursor = reena.api.get("/transfers?limit=1").json()["next"]
    old = settings.SECRET_KEY

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new-" + "k" * 60, [old]
    assert is_signed_in(used)
    assert reena.api.get(cursor).status_code == 200
    assert reena.api.get("/me").status_code == 200  # a token is a random number, signed by nothing

    settings.SECRET_KEY_FALLBACKS = []
    assert is_signed_in(used)  # came by in the meantime
    assert not is_signed_in(unused)
    assert reena.api.get(cursor).status_code == 400


# --- What each answer holds, and for whom (S02, S08, S13) --------------------------------------

ACCOUNT = {
    *("id", "number", "name", "currency", "status", "balance", "available_balance"),
    *("daily_limit", "created_at"),
}
LIMITS = {
    *("account_id", "currency", "date", "time_zone", "daily_limit", "used", "remaining"),
    "resets_at",
}
ENTRY = {
    *("sequence", "transfer_id", "amount", "balance_after", "counterparty_name", "reference"),
    "created_at",
}
TRANSFER = {
    *("id", "status", "from_account_id", "to_account_id", "amount", "currency", "reference"),
    *("failure_code", "created_at", "completed_at", "reverses", "reversed_amount"),
    *("receipt", "receipt.status", "receipt.confirmed_at"),
}
RECEIVED = TRANSFER | {
    *("receipt.credited_amount", "receipt.balance_after", "receipt.matches"),
}
ME = {"username", "customer_id", "name", "is_staff"}
PROBLEM = {"type", "title", "status", "detail", "code", "request_id"}
REFUSED = PROBLEM | {"transfer_id"}
INVALID = PROBLEM | {"errors", "errors[].field", "errors[].code", "errors[].detail"}


def page_of(members: set[str]) -> set[str]:
    return {"next", "previous", "results"} | {f"results[].{one}" for one in members}


def members(value, path: str = "") -> set[str]:
    """Return the names of all members of a JSON value, those of parts with their path."""
    if isinstance(value, list):
        return {name for one in value for name in members(one, f"{path}[]")}
    if not isinstance(value, dict):
        return set()
    dot = f"{path}." if path else ""
    inner = {name for key, one in value.items() for name in members(one, f"{dot}{key}")}
    return {f"{dot}{key}" for key in value} | inner


def test_every_answer_of_the_api_holds_these_members_and_no_others(
    reena, rahul, anita, meera, stranger, teller, manager, auditor, subtests
):
    paid = f"/transfers/{reena.send(rahul, '25.00').json()['id']}"
    account, customer = reena.account.public_id, reena.customer.public_id
    reads = {
        "/me": ME,
        f"/customers/{customer}/accounts": page_of(ACCOUNT),
        f"/accounts/{account}": ACCOUNT,
        f"/accounts/{account}/limits": LIMITS,
        f"/accounts/{account}/entries": page_of(ENTRY),
        paid: TRANSFER,
        f"{paid}/receipt": PROBLEM,
        f"/transfers/{UNKNOWN}": PROBLEM,
        "/transfers?limit=x": INVALID,
    }
    answers = [
        (f"{path} by {person.user.username}", person.api.get(path), held)
        for person in (reena, teller, manager, auditor)
        for path, held in reads.items()
    ]
    answers += [
        (f"{path} by anita", anita.api.get(path), PROBLEM)
        for path, held in reads.items()
        if account in path or customer in path or path == paid
    ]
    for person in (teller, manager, auditor):
        name = person.user.username
        answers.append((f"list by {name}", person.api.get("/transfers"), page_of(TRANSFER)))
    with_fee = reena.order(rahul, "1.00") | {"fee": "0"}
    from_anita = anita.order(rahul, "1.00")
    answers += [
        ("the receiver's transfer", rahul.api.get(paid), RECEIVED),
        ("the receiver's list", rahul.api.get("/transfers?direction=in"), page_of(RECEIVED)),
        ("the sender's list", reena.api.get("/transfers?direction=out"), page_of(TRANSFER)),
        (
            "a receipt",
            rahul.api.post(f"{paid}/receipt", {"received_amount": "25.00"}),
            RECEIVED,
        ),
        ("a payment", reena.send(rahul, "1.00"), TRANSFER),
        (
            "not enough",
            reena.send(rahul, "9999.00"),
            REFUSED | {"available_balance"},
        ),
        (
            "too much today",
            meera.send(rahul, "100.01"),
            REFUSED | {"remaining", "resets_at"},
        ),
        ("to itself", reena.send(reena, "1.00"), PROBLEM),
        (
            "from anita's",
            rahul.api.post("/transfers", from_anita),
            PROBLEM | {"field"},
        ),
        ("unknown member", reena.api.post("/transfers", with_fee), INVALID),
        ("no JSON", reena.api.post("/transfers", raw=b"{"), PROBLEM),
        ("no token", stranger.get("/me"), PROBLEM),
        (
            "a token",
            stranger.post("/auth/token", {"username": "reena", "password": PASSWORD}),
            {"token", "expires_at"},
        ),
        (
            "no password",
            stranger.post("/auth/token", {"username": "reena", "password": "x"}),
            PROBLEM,
        ),
        ("alive", stranger.get("/healthz"), {"status"}),
        ("ready", stranger.get("/readyz"), {"status"}),
    ]
    operations.freeze(rahul.account, reason="Card lost", origin=teller.origin)
    answers.append(("frozen", reena.send(rahul, "1.00"), REFUSED))
    for what, answer, held in answers:
        with subtests.test(what):
            assert members(answer.json()) == held


KINDS = re.compile(r"<(\w+):")


def numbers_in(value, name: str = "") -> set[str]:
    """Return the names of all members of a JSON value that hold a number."""
    if isinstance(value, dict):
        return {one for key, part in value.items() for one in numbers_in(part, key)}
    if isinstance(value, list):
        return {one for part in value for one in numbers_in(part, name)}
    return {name} if isinstance(value, int) and not isinstance(value, bool) else set()


def test_customers_never_meet_a_key_that_the_bank_counts(reena, rahul):
    """They know things by UUIDs; the only numbers are an entry's place in its account, and the
    status of a problem."""
    taken = {one for route in [*urls.api, *urls.pages] for one in KINDS.findall(str(route.pattern))}
    assert taken == {"str", "uuid"}  # "str" is checked by the API to be a UUID, as it answers 400
    paid = reena.send(rahul, "25.00").json()["id"]
    account, customer = reena.account.public_id, reena.customer.public_id
    paths = [
        *("/me", "/transfers?limit=1", f"/transfers/{paid}", f"/accounts/{account}"),
        *(f"/accounts/{account}/limits", f"/accounts/{account}/entries?limit=1"),
        *(f"/customers/{customer}/accounts", f"/accounts/{rahul.account.public_id}", "/nope"),
    ]
    found = {name for path in paths for name in numbers_in(reena.api.get(path).json())}
    assert found == {"sequence", "status"}
    for path in ("/", "/send", f"/payments/{paid}", f"/payments/{UNKNOWN}"):
        for tag, attributes in Tags(reena.browser.get(path).text).tags:
            if tag not in {"meta", "meter"}:
                words = {
                    part for one in attributes.values() for part in re.split("[/?=_]", one or "")
                }
                words -= {attributes.get("size"), attributes.get("data-seconds-left")}
                assert not [one for one in words if one.isdigit()], (path, tag, attributes)


# --- The ownership that counts is the one under the lock (S15) ---------------------------------


def test_an_account_frozen_after_it_was_looked_up_pays_nothing(
    reena, rahul, teller, books, monkeypatch
):
    post = payments.group_commit.post

    def freeze_first(order):
        operations.freeze(reena.account, reason="Card lost", origin=teller.origin)
        return post(order)

    before = books()
    monkeypatch.setattr(payments.group_commit, "post", freeze_first)
    answer = reena.send(rahul, "25.00")
    assert (answer.status_code, answer.json()["code"]) == (409, "account_not_active")
    assert books()["balances"] == before["balances"]
    assert books()["entries"] == before["entries"]


# --- Every kind of answer carries the headers (S40, S41, S46, S48) -----------------------------

HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


@pytest.fixture
def over_tls(settings, tmp_path):
    """The site as it is over TLS, with one static file."""
    settings.SECURE_HSTS_SECONDS = production_settings()["SECURE_HSTS_SECONDS"]
    settings.STATIC_ROOT = tmp_path
    (tmp_path / "page.css").write_text("body {}")


def broken(*args, **kwargs):
    raise RuntimeError("canary")


def away(*args, **kwargs):
    raise OperationalError(2002, "canary")


def test_every_kind_of_answer_carries_the_headers_that_protect(
    over_tls, reena, rahul, teller, settings, monkeypatch, subtests
):
    settings.SIGN_IN_FAILURES = 1

    def client(person=None, **more) -> Client:
        made = Client(enforce_csrf_checks=True, raise_request_exception=False, **more)
        if person:
            made.force_login(person.user)
        return made

    def api(method, path, body="", content_type="application/json", **headers):
        headers = {"Authorization": f"Bearer {reena.token}"} | headers
        return client().generic(method, path, body, content_type, secure=True, headers=headers)

    def page(path, person=None, **how):
        return client(person).get(path, secure=True, **how)

    order = json.dumps(reena.order(rahul, "1.00"))
    paid = api("POST", "/transfers", order)
    wrong = json.dumps({"username": "nobody", "password": "x"})
    answers = [
        ("API 200", 200, api("GET", "/me")),
        ("API 200 to HEAD", 200, api("HEAD", "/me")),
        ("API 201", 201, paid),
        ("API 204", 204, api("DELETE", "/auth/token")),
    ]
    token, _ = tokens.create(reena.user, origin=reena.origin)
    reena.token = token
    answers += [
        ("API 400", 400, api("POST", "/transfers", "{")),
        ("API 401", 401, api("GET", "/me", Authorization="Bearer x")),
        ("API 401 to a password", 401, api("POST", "/auth/token", wrong)),
        ("API 402", 402, api("POST", "/transfers", order.replace("1.00", "9999"))),
        ("API 403", 403, api("POST", f"/transfers/{paid.json()['id']}/receipt", "{}")),
        ("API 404", 404, api("GET", f"/accounts/{UNKNOWN}")),
        ("API 404 of no path", 404, api("GET", "/nope")),
        ("API 405", 405, api("PUT", "/me")),
        ("API 405 to OPTIONS", 405, api("OPTIONS", "/me")),
        ("API 405 to TRACE", 405, api("TRACE", "/me")),
        ("API 406", 406, api("GET", "/me", Accept="text/html")),
        ("API 413", 413, api("POST", "/transfers", "x" * 70_000)),
        ("API 415", 415, api("POST", "/transfers", "a=b", "text/plain")),
        ("API 422", 422, api("POST", "/transfers", json.dumps(reena.order(reena, "1")))),
        ("API 429", 429, api("POST", "/auth/token", wrong)),
        ("no such host", 400, api("GET", "/me", Host="evil.example")),
        ("page 200", 200, page("/", reena)),
        ("sign-in page", 200, page("/login")),
        ("page 302", 302, page("/")),
        ("page 403", 403, client().post("/login", secure=True)),
        ("page 404", 404, page("/nope", headers={"Accept": "text/html"})),
        ("page 404 of a payment", 404, page(f"/payments/{UNKNOWN}", reena)),
        ("page 405", 405, page("/logout", reena)),
        ("page 413", 413, client().post("/login", "x" * 70_000, "text/plain", secure=True)),
        ("office 200", 200, page("/admin/", teller)),
        ("office sign-in page", 200, page("/admin/login/")),
        ("office 302", 302, page("/admin/")),
        ("office 403", 403, page("/admin/audit/auditlog/", teller)),
        ("office 404", 404, page("/admin/nope/", teller)),
        ("office 405", 405, client(teller).options("/admin/", secure=True)),
        ("office script", 200, page("/admin/jsi18n/", teller)),
        ("static 200", 200, page("/static/page.css")),
        ("static 404", 404, page("/static/nope.css")),
        ("alive", 200, page("/healthz")),
    ]
    when = page("/static/page.css")["Last-Modified"]
    unchanged = page("/static/page.css", headers={"If-Modified-Since": when})
    answers.append(("static 304", 304, unchanged))
    monkeypatch.setattr("accounts.api.MeViewSet.retrieve", broken)
    monkeypatch.setattr("transfers.views.accounts_today", broken)
    monkeypatch.setattr("accounts.admin.AccountAdmin.get_queryset", broken)
    answers += [
        ("API 500", 500, api("GET", "/me")),
        ("page 500", 500, page("/", reena)),
        ("office 500", 500, page("/admin/accounts/account/", teller)),
    ]
    monkeypatch.setattr("accounts.api.MeViewSet.retrieve", away)
    monkeypatch.setattr("transfers.views.accounts_today", away)
    monkeypatch.setattr("accounts.admin.AccountAdmin.get_queryset", away)
    answers += [
        ("API 503", 503, api("GET", "/me")),
        ("page 503", 503, page("/", reena)),
        ("office 503", 503, page("/admin/accounts/account/", teller)),
    ]
    for what, status, answer in answers:
        with subtests.test(what):
            assert answer.status_code == status
            assert {name: answer.get(name) for name in HEADERS} == HEADERS
            assert re.fullmatch(r"[0-9a-f]{32}", answer["X-Request-ID"])
            assert not [one for one in answer.headers if one in {"Server", "X-Powered-By"}]
            if not answer.wsgi_request.path.startswith("/static/"):
                assert answer["Cache-Control"] == "no-store"
            if status >= 500:
                assert not INTERNALS.search(answer.text)


def test_plain_http_is_led_to_https_with_the_same_headers(over_tls, settings):
    settings.SECURE_SSL_REDIRECT = production_settings()["SECURE_SSL_REDIRECT"]
    answer = Client().get("/login")
    assert (answer.status_code, answer["Location"]) == (301, "https://testserver/login")
    policy = "Content-Security-Policy"
    assert answer[policy] == HEADERS[policy]


# --- Pages (S38, S43, S45, S47, S62) ------------------------------------------------------------

MARKUP = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7|add:7 }}{% debug %}${7*7}"
RAW = re.compile(r"<script>alert|<img src=x|\"'><|onerror=alert\(1\)>")


class Tags(HTMLParser):
    """The tags of a page with their attributes, and where its links lead."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    @property
    def links(self) -> list[str]:
        return [attrs["href"] for tag, attrs in self.tags if tag == "a" and attrs.get("href")]

    @property
    def loaded(self) -> list[str]:
        """What a browser fetches, or sends to, by itself or by a form."""
        return [
            attrs[name]
            for tag, attrs in self.tags
            for name in ("src", "href", "action", "srcset", "formaction")
            if attrs.get(name) and tag != "a"
        ]

    @property
    def inline(self) -> list[tuple[str, dict]]:
        """Script and style that stand in the page, which the policy would not let run."""
        return [
            (tag, attrs)
            for tag, attrs in self.tags
            if tag == "style"
            or "style" in attrs
            or any(name.startswith("on") for name in attrs)
            or tag == "script"
            and "src" not in attrs
            and attrs.get("type") != "application/json"
        ]


def is_page(answer) -> bool:
    return answer.status_code == 200 and "html" in answer["Content-Type"]


def crawl(browser, start: str) -> dict:
    """GET the page and all that its links lead to on this site, each once; return the answers.

    Of a list with a filter no further filters are followed: there are as many as combinations.
    """
    answers, waiting = {}, deque([start])
    while waiting:
        address = waiting.popleft()
        if address in answers:
            continue
        answers[address] = browser.get(address)
        if answers[address].status_code in {301, 302, 303}:
            found = [answers[address]["Location"]]
        elif "html" in answers[address].get("Content-Type", ""):
            found = Tags(answers[address].text).links
        else:
            found = []
        for link in found:
            parts = urlsplit(urljoin(address, link))
            assert parts.netloc == "", f"{address} leads to {link}"
            if parts.query and "?" in address:
                continue
            waiting.append(parts._replace(fragment="").geturl())
    return answers


def everything_stored() -> dict:
    """All rows of all tables."""
    return {
        model._meta.db_table: sorted(map(repr, model._base_manager.values_list()))
        for model in apps.get_models(include_auto_created=True)
    }


@pytest.fixture
def hostile(reena, rahul, teller, manager):
    """A bank in which every text that people give is markup, template and script."""
    Customer.objects.filter(pk=reena.customer.pk).update(name=MARKUP)
    User.objects.filter(pk=reena.user.pk).update(first_name=MARKUP[:150], last_name=MARKUP[:150])
    account = operations.open_account(
        reena.customer,
        name=MARKUP,
        currency="INR",
        daily_limit_minor=100,
        reason=MARKUP,
        origin=teller.origin,
    )
    rahul.send(reena, "25.00", reference=MARKUP)
    reena.send(rahul, "10.00", reference=MARKUP)
    reena.send(rahul, "9999.00", reference=MARKUP)
    operations.freeze(account, reason=MARKUP, origin=manager.origin)
    Group.objects.create(name=MARKUP)


def test_reading_pages_changes_nothing_and_what_people_wrote_stays_text(
    hostile, reena, rahul, chief, subtests
):
    """Every page that links lead to, for customers and for staff."""
    browsers = {"reena": reena.browser, "rahul": rahul.browser}
    office = {"chief": chief.browser}
    before = everything_stored()
    account, customer = reena.account.public_id, reena.customer.public_id
    for path in (
        *("/me", "/transfers", "/healthz", "/readyz", f"/customers/{customer}/accounts"),
        *(f"/accounts/{account}{part}" for part in ("", "/limits", "/entries")),
    ):
        assert reena.api.get(path).status_code == 200
    visited = 0
    for name, browser in (browsers | office).items():
        answers = crawl(browser, "/" if name in browsers else "/admin/")
        visited += len(answers)
        shown = "".join(one.text for one in answers.values() if is_page(one))
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
        assert "{{ 7|add:7 }}{% debug %}" in shown
        for address, answer in answers.items():
            with subtests.test(f"{address} by {name}"):
                assert answer.status_code in {200, 302}
                if "html" not in answer["Content-Type"]:
                    continue
                tags = Tags(answer.text)
                assert not RAW.search(answer.text)
                assert tags.inline == []
                assert [one for one in tags.loaded if urlsplit(one).netloc or ":" in one] == []
                assert answer["Cache-Control"] == "no-store"
    assert everything_stored() == before
    assert visited > 200


def test_no_sign_in_or_out_leads_to_another_site(reena, teller, subtests):
    for elsewhere in ("//evil.example", "https://evil.example/", "/\\evil.example", "javascript:1"):
        with subtests.test(elsewhere):
            query = urlencode({"next": elsewhere})
            browser = Client()
            form = {"username": "teller", "password": PASSWORD, "next": elsewhere}
            answer = browser.post(f"/admin/login/?{query}", form)
            assert (answer.status_code, answer["Location"]) == (302, "/")
            assert teller.browser.get(f"/admin/login/?{query}")["Location"] == "/admin/"
            browser.force_login(reena.user)
            answer = browser.post(f"/logout?{query}", {"next": elsewhere})
            assert (answer.status_code, answer["Location"]) == (302, "/login")


def test_no_header_is_made_of_what_a_client_sent(reena):
    browser = Client()
    form = {"username": "reena", "password": PASSWORD, "next": "/\r\nSet-Cookie: a=b"}
    answer = browser.post("/login", form)
    assert answer.status_code == 302
    assert "a" not in answer.cookies
    assert "\n" not in answer["Location"]


# --- Hostile input (S54, S59, S61, S64) ---------------------------------------------------------

INJECTIONS = [
    "' OR '1'='1",
    '" OR ""="',
    "1; DROP TABLE accounts; --",
    "1)) OR SLEEP(5)#",
    "%' UNION SELECT password FROM auth_user -- ",
    "\\",
    "\0",
    "🙂" * 50,
    "9" * 40,
    "1'",
]


def test_no_parameter_of_the_api_reaches_the_database_as_sql(reena, rahul, subtests):
    reena.send(rahul, "25.00")
    account = reena.account.public_id
    places = [
        *((f"/transfers?{name}={{}}", 400) for name in ("limit", "cursor", "account_id")),
        *((f"/transfers?{name}={{}}", 400) for name in ("direction", "status")),
        *((f"/accounts/{account}/entries?{name}={{}}", 400) for name in ("since", "until")),
        *((f"/{what}/{{}}", 400) for what in ("accounts", "transfers")),
        ("/customers/{}/accounts", 400),
    ]
    for place, expected in places:
        for injection in INJECTIONS:
            with subtests.test(f"{place} {injection!a}"):
                answer = reena.api.get(place.format(quote(injection, safe="")))
                assert answer.status_code == expected
                assert answer.json()["code"] == "validation_error"


def test_no_search_filter_or_order_of_the_back_office_reaches_the_database_as_sql(
    chief, reena, rahul, subtests
):
    """Each list answers, with nothing found or with its filter taken away."""
    reena.send(rahul, "25.00")
    browser = chief.browser
    before = everything_stored()
    for model in site._registry:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        filters = site._registry[model].list_filter
        names = [one if isinstance(one, str) else one.parameter_name for one in filters]
        for injection in INJECTIONS:
            with subtests.test(f"{url} {injection!a}"):
                answer = browser.get(url, {"q": injection})
                assert answer.status_code == 200
                if "\0" not in injection:  # Django says that this is no text, and does not search
                    assert list(answer.context["cl"].result_list) == []
                everywhere = dict.fromkeys(["o", "p", "id", *names], injection)
                assert browser.get(url, everywhere).status_code in {200, 302}
    assert everything_stored() == before


@pytest.mark.parametrize(
    "lookup",
    [
        *("customer__user__password__startswith", "customer__user__is_superuser", "password"),
        *("user__password__startswith", "caller__password__contains", "actor__password"),
    ],
)
def test_no_list_can_be_asked_about_what_it_does_not_show(lookup, chief, reena, rahul):
    reena.send(rahul, "25.00")
    for model in site._registry:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        answer = chief.browser.get(url, {lookup: "a"})
        assert answer.status_code in {302, 400}, url


STRANGE = ["TRACE", "CONNECT", "PROPFIND", "BREW"]


def test_a_method_that_nobody_uses_does_nothing_anywhere(reena, chief, subtests):
    office, customer = chief.browser, reena.browser
    before = everything_stored()
    for route in routes():
        address = route.replace("<id>", "1" if "/admin/" in route else UNKNOWN).replace("*", "no")
        browser = office if route.startswith("/admin/") else customer
        with subtests.test(route):
            for method in STRANGE:
                answer = browser.generic(method, address)
                assert answer.status_code in {302, 401, 403, 404, 405}, method
    assert everything_stored() == before


def test_a_field_that_is_there_twice_counts_as_its_last(reena, rahul):
    """As every browser's form has each of them once; in JSON and in a query it is refused."""
    browser = reena.browser
    page = visit(browser, "/send")
    fields = {**page.fields, "to_account_number": rahul.account.number, "amount": ["1", "2"]}
    assert browser.post("/send", urlencode(fields, doseq=True), FORM).status_code == 303
    assert rahul.balance() == 300_200


# --- Faults (S76, S77) --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table", ["transfers", "accounts", "ledger_entries", "account_daily_usage", "audit_logs"]
)
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OperationalError(1290, "The server is running with the --read-only option"), 503),
        (OperationalError("attempt to write a readonly database"), 503),
        (DatabaseError(1114, "The table is full"), 500),
    ],
)
def test_if_any_table_cannot_be_written_no_money_moves(
    table, error, status, reena, rahul, books, monkeypatch
):
    monkeypatch.setattr(connection, "close", lambda: None)  # the test's own transaction lives on it
    one = connections["default"]
    monkeypatch.setattr(one, "takes_packets", False, raising=False)  # so that each can fail alone
    write = re.compile(rf"(INSERT INTO|UPDATE)\s+[`\"]?{table}\b")
    refused = []

    def fail(execute, sql, params, many, context):
        if write.match(sql):
            refused.append(sql)
            raise error
        return execute(sql, params, many, context)

    before = books()
    with connection.execute_wrapper(fail):
        answer = reena.send(rahul, "25.00")
    assert refused
    assert answer.status_code == status
    assert not INTERNALS.search(answer.text)
    assert books() == before


# --- Logs (S28, S79) ----------------------------------------------------------------------------


def test_no_log_line_holds_what_people_typed_or_prove_themselves_with(
    reena, rahul, manager, admin, caplog, monkeypatch
):
    """On the pages and in the back office; smartbank/tests/test_logs.py asks the API."""
    caplog.set_level(logging.DEBUG)
    secrets = ["canary", PASSWORD, NEW_PASSWORD, reena.account.number, rahul.account.number]
    browser = Client(raise_request_exception=False)
    for password in ("canary-wrong", PASSWORD):
        fields = {"username": "reena", "password": password, "next": "/send?canary"}
        submit(browser, "/login", visit(browser, "/login?next=/canary"), **fields)
    secrets += [cookie_of(browser), browser.cookies[live_settings.CSRF_COOKIE_NAME].value]
    form = {"to_account_number": rahul.account.number, "amount": "1", "reference": "canary-note"}
    submit(browser, "/send", visit(browser, "/send"), **form)
    url = reverse("admin:office_limit", args=[reena.account.pk])
    fill_in(manager, url, daily_limit="5", reason="canary-reason")
    manager.browser.get("/admin/accounts/account/", {"q": reena.account.number})
    url = reverse("admin:auth_user_password_change", args=[reena.user.pk])
    fields = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true"}
    forge(admin, url, **fields)
    Client().get("/", headers={"Cookie": "sessionid=canary", "Authorization": "Basic canary"})
    monkeypatch.setattr("transfers.payments.pay", broken_with_no_words)
    browser = rahul.browser
    submit(browser, "/send", visit(browser, "/send"), **form)

    written = [JSONFormatter().format(record) for record in caplog.records]
    assert len(written) > 10
    assert any("ZeroDivisionError" in line for line in written)
    for secret in secrets:
        assert not [line for line in written if secret in line], secret


def broken_with_no_words(*args, **kwargs):
    return 1 / 0
