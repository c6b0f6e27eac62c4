"""What a token is for, from where and until when; that it was used; and its successor."""

import datetime as dt

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import tokens
from accounts.models import ApiToken, Scope
from accounts.tests.browsing import Page, submit, visit
from accounts.tokens import HasScope
from audit.models import AuditLog
from conftest import PASSWORD, Api
from smartbank.urls import api as api_routes

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"


def sign_in(**wishes):
    body = {"username": "reena", "password": PASSWORD, **wishes}
    return Api().post("/auth/token", body)


def token_for(*scopes) -> Api:
    return Api(sign_in(scopes=list(scopes)).json()["token"])


# --- What it is for ---------------------------------------------------------------------------


def calls(reena, rahul, payment) -> dict:
    """Return a call that succeeds for each operation, by the scope that it needs."""
    account, customer = reena.account.public_id, reena.customer.public_id
    return {
        "accounts:read": [
            lambda api: api.get(f"/customers/{customer}/accounts"),
            lambda api: api.get(f"/accounts/{account}"),
            lambda api: api.get(f"/accounts/{account}/limits"),
            lambda api: api.get(f"/accounts/{account}/entries"),
        ],
        "transfers:read": [
            lambda api: api.get("/transfers"),
            lambda api: api.get(f"/transfers/{payment}"),
        ],
        "transfers:write": [
            lambda api: api.post("/transfers", reena.order(rahul, "1.00")),
            lambda api: api.post("/transfers/quote", reena.order(rahul, "1.00")),
        ],
    }


@pytest.mark.parametrize("scope", ["accounts:read", "transfers:read", "transfers:write"])
def test_a_token_does_what_it_is_for_and_nothing_else(scope, reena, rahul, books):
    payment = reena.send(rahul, "25.00").json()["id"]
    api = token_for(scope)
    assert api.get("/me").status_code == 200
    for needed, those in calls(reena, rahul, payment).items():
        before = books()
        for call in those:
            response = call(api)
            if needed == scope:
                assert response.status_code in (200, 201)
                continue
            assert (response.status_code, response.json()["code"]) == (403, "permission_denied")
            assert response.json()["missing_scope"] == needed
            assert response.json()["detail"] == f"The token lacks the scope {needed}."
            challenge = f'Bearer error="insufficient_scope", scope="{needed}"'
            assert response["WWW-Authenticate"] == challenge
            assert books() == before


def test_a_token_without_the_scope_is_told_nothing_of_what_exists(reena):
    api = token_for("transfers:read")
    paths = [f"/accounts/{one}" for one in (reena.account.public_id, UNKNOWN_ID, "nonsense")]
    answers = [api.get(path, X_Request_ID="same") for path in paths]
    assert {one.status_code for one in answers} == {403}
    assert answers[0].content == answers[1].content == answers[2].content


def test_a_token_that_asked_for_nothing_special_is_for_everything(reena):
    sign_in()
    assert ApiToken.objects.latest("pk").scopes.split() == Scope.values


def test_every_action_of_the_api_says_which_scope_it_needs():
    """What says nothing opens to no token."""
    silent = [
        f"{route.pattern} {action}"
        for route in api_routes
        if hasattr(route.callback, "actions")
        and HasScope in route.callback.cls.permission_classes  # or it is for everybody
        for action in route.callback.actions.values()
        if action not in getattr(route.callback.cls, "scopes", {})
    ]
    # `/auth/token` itself asks for a password, or ends the token: any may do that.
    assert silent == ["auth/token create", "auth/token destroy"]


def test_a_session_needs_no_scope(reena):
    assert reena.browser.get("/transfers").status_code == 200


# --- How it is asked for ----------------------------------------------------------------------


def test_a_token_is_made_as_it_was_asked_for(reena, audited):
    wishes = {"name": "Books", "days": 7, "allowed_ips": ["127.0.0.1", "2001:db8::/32"]}
    response = sign_in(scopes=["accounts:read", "accounts:read"], **wishes)

    assert response.status_code == 200
    assert response.json().keys() == {"token", "expires_at"}
    token = ApiToken.objects.latest("pk")
    assert (token.name, token.scopes) == ("Books", "accounts:read")
    assert token.allowed_ips == "127.0.0.1/32 2001:db8::/32"
    assert token.expires_at - token.created_at == dt.timedelta(days=7)
    assert audited("token.created")[-1].details["scopes"] == "accounts:read"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("scopes", one) for one in ("accounts:read", [], ["all"], ["transfers"], [1], [None])),
        *(("scopes", one) for one in (None, {}, ["accounts:read"] * 5)),
        *(("allowed_ips", one) for one in ("127.0.0.1", [], [""], ["10.0.0.1/8"], ["host"], [1])),
        ("allowed_ips", ["10.0.0.1"] * 9),
        *(("days", one) for one in (0, 367, -1, 1.5, "7", True, None, 10**30)),
        *(("name", one) for one in ("x" * 61, 5, "a\u202eb")),
    ],
)
def test_a_wish_of_the_wrong_form_is_answered_400(member, value, reena):
    before = ApiToken.objects.count()
    response = sign_in(**{member: value})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, member)
    assert ApiToken.objects.count() == before


# --- From where -------------------------------------------------------------------------------


def test_a_token_works_from_its_addresses_alone(reena, settings):
    secret = sign_in(allowed_ips=["203.0.113.0/24", "2001:db8::1"]).json()["token"]
    answers = {
        ip: Api(secret, REMOTE_ADDR=ip).get("/me").status_code
        for ip in ("203.0.113.9", "2001:db8::1", "203.0.114.1", "2001:db8::2", "127.0.0.1", "")
    }
    assert list(answers.values()) == [200, 200, 401, 401, 401, 401]

    forged = Api(secret).get("/me", X_Forwarded_For="203.0.113.9")
    assert forged.status_code == 401
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    assert Api(secret).get("/me", X_Forwarded_For="203.0.113.9").status_code == 200


# --- That it was used -------------------------------------------------------------------------


def test_use_is_noted_once_in_ten_minutes(reena, clock):
    secret, token = tokens.create(reena.user, origin=reena.origin)
    api, noted = Api(secret), []
    for seconds in (0, 300, 299, 1, 6000):
        clock(seconds)
        with CaptureQueriesContext(connection) as asked:
            assert api.get("/me").status_code == 200
        noted.append(sum(one["sql"].startswith("UPDATE") for one in asked))
    token.refresh_from_db()

    assert noted == [1, 0, 0, 1, 1]
    assert token.last_used_at == timezone.now()


def test_noting_a_use_waits_for_no_other_writer_of_sqlite(reena, clock):
    is_sqlite = connection.vendor == "sqlite"
    waits = []

    def patience() -> int:
        return connection.connection.execute("PRAGMA busy_timeout").fetchone()[0]

    def watch(execute, sql, *rest):
        if is_sqlite and sql.startswith("UPDATE") and "api_tokens" in sql:
            waits.append(patience())
        return execute(sql, *rest)

    clock(601)
    with connection.execute_wrapper(watch):
        assert reena.api.get("/me").status_code == 200
    assert waits == [0] * is_sqlite
    assert not is_sqlite or patience() == 5_000


def test_looking_a_token_up_stays_one_statement(reena):
    with CaptureQueriesContext(connection) as asked:
        reena.api.get("/me")
    assert len(asked) == 1


def test_a_bank_that_can_only_be_read_is_still_read(reena):
    secret, token = tokens.create(reena.user, origin=reena.origin)
    refused = []

    def read_only(execute, sql, *rest):
        if "UPDATE api_tokens" in sql:
            refused.append(sql)
            raise DatabaseError(1290, "read only")
        return execute(sql, *rest)

    with connection.execute_wrapper(read_only):
        assert Api(secret).get("/me").status_code == 200
    token.refresh_from_db()
    assert (len(refused), token.last_used_at) == (1, None)


# --- Its successor ----------------------------------------------------------------------------


def test_rotating_makes_a_successor_and_both_work_until_the_overlap_is_over(reena, clock):
    old = token_for("accounts:read")
    answer = old.post("/auth/token/rotation", {"overlap_hours": 2})
    new = Api(answer.json()["token"])

    assert (answer.status_code, answer.json().keys()) == (200, {"token", "expires_at"})
    assert new.get("/transfers").json()["missing_scope"] == "transfers:read"
    clock(2 * 3600 - 1)
    assert (old.get("/me").status_code, new.get("/me").status_code) == (200, 200)
    clock(1)
    assert (old.get("/me").status_code, new.get("/me").status_code) == (401, 200)
    clock(30 * 24 * 3600)
    assert new.get("/me").status_code == 401


def test_a_token_has_one_successor(reena):
    old = token_for("accounts:read")
    before = ApiToken.objects.count()
    answers = [old.post("/auth/token/rotation", {}).status_code for _ in range(3)]
    assert answers == [200, 401, 401]
    assert ApiToken.objects.count() == before + 1


def test_the_audit_log_tells_which_token_follows_which(reena, audited):
    api = token_for("accounts:read")
    old = ApiToken.objects.latest("pk")
    api.post("/auth/token/rotation", {})
    row = audited("token.created")[-1]
    assert row.object_id == ApiToken.objects.latest("pk").public_id
    assert row.details["replaces"] == old.public_id
    assert "sbk_" not in str(list(AuditLog.objects.values()))


def test_an_overlap_never_makes_a_token_live_longer(reena, clock):
    api = Api(sign_in(days=1).json()["token"])
    clock(23 * 3600)
    api.post("/auth/token/rotation", {"overlap_hours": 168})
    clock(3600)
    assert api.get("/me").status_code == 401


def test_nobody_rotates_a_session(reena):
    browser = reena.browser
    browser.handler.enforce_csrf_checks = False
    answer = browser.post("/auth/token/rotation", {}, content_type="application/json")
    assert answer.status_code == 401


# --- The page ---------------------------------------------------------------------------------

FORM = {"name": "Books", "scopes": ["accounts:read"], "days": "90", "password": PASSWORD}


def ask(person, **changes):
    browser = person.browser
    return submit(browser, "/tokens/new", visit(browser, "/tokens/new"), **{**FORM, **changes})


def test_a_customer_makes_a_token_on_a_page_and_sees_it_this_once(reena, audited):
    page = Page(ask(reena))

    assert (page.status, page.title) == (200, "Your token – SmartBank")
    secret = next(word for word in page.text.split() if word.startswith("sbk_"))
    token = ApiToken.objects.latest("pk")
    assert (token.name, token.scopes, token.last_used_at) == ("Books", "accounts:read", None)
    assert (token.expires_at - token.created_at).days == 90
    assert audited("token.created")[-1].actor_id == reena.user.pk
    assert Api(secret).get("/transfers").json()["missing_scope"] == "transfers:read"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"password": "wrong"}, "This is not your password."),
        ({"scopes": []}, "This field is required."),
        ({"name": ""}, "This field is required."),
        (
            {"allowed_ips": "10.0.0.1/8"},
            "10.0.0.1/8 has host bits set.",
        ),
        (
            {"days": "9999"},
            "Select a valid choice. 9999 is not one of the available choices.",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_said_and_no_token_is_made(changes, problem, reena):
    before = ApiToken.objects.count()
    page = Page(ask(reena, **changes))
    assert page.problems == [problem]
    assert page.title == "Error: Make a token – SmartBank"
    assert ApiToken.objects.count() == before


def test_the_password_given_for_a_token_is_no_sign_in(reena, audited):
    ask(reena)
    ask(reena, password="wrong")
    assert (audited("sign_in.succeeded"), len(audited("sign_in.failed"))) == ([], 1)


def test_the_page_does_not_help_to_guess_the_password(reena, settings):
    settings.SIGN_IN_FAILURES = 2
    for _ in range(2):
        ask(reena, password="wrong")
    assert Page(ask(reena)).problems == ["Too many attempts. Try again in 15 minutes."]
