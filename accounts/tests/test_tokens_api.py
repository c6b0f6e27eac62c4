"""`/auth/token`: a token for a name and a password, what it opens, and its end."""

import base64
import datetime as dt
import hashlib
import threading

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.middleware.csrf import _get_new_csrf_string
from django.test import Client
from django.utils import timezone

from accounts import throttles, tokens
from accounts.models import ApiToken
from audit.models import AuditLog
from conftest import PASSWORD, Api


def sign_in(username="reena", password=PASSWORD, **defaults):
    return Api(**defaults).post("/auth/token", {"username": username, "password": password})


def assert_not_authenticated(response):
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response["Content-Type"] == "application/problem+json"
    assert (response.json()["status"], response.json()["code"]) == (401, "not_authenticated")


# --- Making one -------------------------------------------------------------------------------


def test_a_password_that_was_changed_while_it_was_looked_at_makes_no_token(reena, monkeypatch):
    """Looking at a password takes long on purpose: a change may be committed meanwhile."""
    after_the_look = throttles.of_tokens

    def change_first(user):
        changed = get_user_model().objects.get(pk=user.pk)
        changed.set_password("another horse battery")
        changed.save()
        return after_the_look(user)

    monkeypatch.setattr(throttles, "of_tokens", change_first)
    before = ApiToken.objects.count()
    assert_not_authenticated(sign_in())
    assert ApiToken.objects.count() == before


@pytest.mark.row_locks
@pytest.mark.django_db(transaction=True)
def test_a_successor_made_while_the_password_changes_does_not_outlive_it(reena, monkeypatch):
    revoke, answers = tokens.revoke, []

    def rotate():
        answers.append(reena.api.post("/auth/token/rotation", {}))
        connection.close()

    rotating = threading.Thread(target=rotate)

    def rotate_first(token, **why):
        rotating.start()
        rotating.join(timeout=0.5)  # in vain, as it has to wait for the change
        return revoke(token, **why)

    monkeypatch.setattr(tokens, "revoke", rotate_first)
    new = {"new_password1": "another horse battery", "new_password2": "another horse battery"}
    browser = Client()
    browser.force_login(reena.user)
    changed = browser.post("/security/password", {"old_password": PASSWORD, **new})
    rotating.join()
    assert changed.status_code == 302
    assert answers[0].status_code == 401
    assert not ApiToken.objects.valid().filter(user=reena.user).exists()


def test_name_and_password_make_a_token_that_opens_the_api(reena):
    response = sign_in()
    assert response.status_code == 200
    assert response.json().keys() == {"token", "expires_at"}
    me = Api(response.json()["token"]).get("/me")
    assert (me.status_code, me.json()["username"]) == (200, "reena")


def test_a_token_expires_after_thirty_days(reena, clock):
    ends = timezone.now() + dt.timedelta(days=30)
    expected = ends.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert sign_in().json()["expires_at"] == expected


def test_only_the_hash_of_a_token_is_stored(reena):
    secret = sign_in().json()["token"]
    row = ApiToken.objects.order_by("-pk").values()[0]
    assert row["token_hash"] == hashlib.sha256(secret.encode()).hexdigest()
    assert secret.startswith(row["hint"])
    assert len(row["hint"]) <= 8
    assert secret not in str(list(ApiToken.objects.values())) + str(list(AuditLog.objects.values()))


def test_a_token_has_256_random_bits_and_a_prefix_to_know_it_by(reena):
    secrets = {sign_in().json()["token"] for _ in range(5)}
    assert len(secrets) == 5
    for secret in secrets:
        assert secret.startswith("sbk_")
        assert len(base64.urlsafe_b64decode(secret[4:] + "=")) == 32


def test_signing_in_makes_a_session_nowhere(reena):
    assert not sign_in().cookies


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("reena", "wrong"),
        ("reena", PASSWORD.upper()),
        ("reena", f"{PASSWORD} "),
        ("nobody", PASSWORD),
        ("rahul", "x" * 4096),
        # MariaDB's collation takes each of these for reena
        ("REENA", PASSWORD),
        ("Reena", PASSWORD),
        ("reena ", PASSWORD),
        ("réena", PASSWORD),
        ("ｒｅｅｎａ", PASSWORD),
    ],
)
def test_a_wrong_name_or_password_is_answered_401(username, password, reena, rahul):
    tokens = ApiToken.objects.count()
    assert_not_authenticated(sign_in(username, password))
    assert ApiToken.objects.count() == tokens


def test_a_wrong_name_a_wrong_password_and_a_closed_user_answer_alike(reena, rahul):
    rahul.user.is_active = False
    rahul.user.save()
    api = Api()
    answers = [
        api.post("/auth/token", {"username": name, "password": password}, X_Request_ID="same")
        for name, password in [("nobody", "x"), ("reena", "x"), ("rahul", PASSWORD)]
    ]
    assert answers[0].status_code == 401
    assert answers[0].content == answers[1].content == answers[2].content


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["username", "password"]),
        ({"username": "reena"}, ["password"]),
        ({"username": "", "password": ""}, ["username", "password"]),
        ({"username": None, "password": PASSWORD}, ["username"]),
        ({"username": 5, "password": 5}, ["username", "password"]),
        ({"username": ["reena"], "password": {}}, ["username", "password"]),
        ({"username": "x" * 151, "password": "x" * 4097}, ["username", "password"]),
        ({"username": "re\u0000ena", "password": PASSWORD}, ["username"]),
        ({"username": "reena", "password": PASSWORD, "scope": "all"}, ["scope"]),
    ],
)
def test_credentials_of_the_wrong_form_are_answered_400(body, fields, reena, audited):
    response = Api().post("/auth/token", body)
    assert response.status_code == 400
    assert response.json()["code"] == "validation_error"
    assert [one["field"] for one in response.json()["errors"]] == fields
    assert audited("sign_in.failed") == []


def test_credentials_are_read_from_the_body_alone(reena):
    response = Api().post(f"/auth/token?username=reena&password={PASSWORD}", {})
    assert response.status_code == 400


def test_a_bad_token_does_not_stop_its_owner_from_making_a_new_one(reena):
    body = {"username": "reena", "password": PASSWORD}
    assert Api("sbk_old").post("/auth/token", body).status_code == 200


# --- Using one --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer sbk_",
        "bearer\u00a0{token}",
        "Bearer  {token}",
        "Bearer {token} ",
        "Bearer {token} {token}",
        "Bearer {token},{token}",
        "Bearer {lower}",
        "Bearer {upper}",
        "Bearer {swapped}",
        "Bearer {hash}",
        "Token {token}",
        "Basic {token}",
        "Basic {basic}",
        "{token}",
        "Bearer \xff\xfe",
        "Bearer \x00",
        "Bearer " + "x" * 10_000,
    ],
)
def test_any_other_authorization_is_answered_401(authorization, reena):
    token = reena.token
    header = authorization.format(
        token=token,
        lower=token.lower(),
        upper=token.upper(),
        swapped=token.swapcase(),
        hash=hashlib.sha256(token.encode()).hexdigest(),
        basic=base64.b64encode(f"reena:{PASSWORD}".encode()).decode(),
    )
    response = Api().get("/me", Authorization=header)
    assert_not_authenticated(response)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_name_of_the_scheme_may_be_written_in_any_case(scheme, reena):
    assert Api().get("/me", Authorization=f"{scheme} {reena.token}").status_code == 200


@pytest.mark.parametrize("place", ["?token={}", "?access_token={}"])
def test_a_token_in_the_url_opens_nothing(place, reena):
    assert_not_authenticated(Api().get("/me" + place.format(reena.token)))


def test_a_token_works_until_it_expires_and_not_after(reena, clock):
    api = Api(sign_in().json()["token"])
    clock(30 * 24 * 3600 - 1)
    assert api.get("/me").status_code == 200
    clock(1)
    assert_not_authenticated(api.get("/me"))


def test_the_token_of_a_deactivated_user_opens_nothing(reena):
    reena.user.is_active = False
    reena.user.save()
    assert_not_authenticated(reena.api.get("/me"))


def test_a_token_beats_a_session(reena, rahul):
    browser = reena.browser
    headers = {"Authorization": f"Bearer {rahul.token}"}
    assert browser.get("/me").json()["username"] == "reena"
    assert browser.get("/me", headers=headers).json()["username"] == "rahul"


def test_a_bad_token_is_not_mended_by_a_good_session(reena):
    response = reena.browser.get("/me", headers={"Authorization": "Bearer wrong"})
    assert_not_authenticated(response)


def test_with_a_token_no_csrf_token_is_needed_though_there_is_a_session(reena, rahul):
    response = reena.browser.post(
        "/transfers",
        reena.order(rahul, "25.00"),
        content_type="application/json",
        headers={"Authorization": f"Bearer {reena.token}"},
    )
    assert response.status_code == 201


# --- Revoking one -----------------------------------------------------------------------------


def test_a_revoked_token_opens_nothing_any_more(reena):
    response = reena.api.delete("/auth/token")
    assert (response.status_code, response.content) == (204, b"")
    assert_not_authenticated(reena.api.get("/me"))
    assert_not_authenticated(reena.api.delete("/auth/token"))


def test_revoking_ends_the_presented_token_and_no_other(reena, rahul):
    second = Api(sign_in().json()["token"])
    second.delete("/auth/token")
    assert second.get("/me").status_code == 401
    assert (reena.api.get("/me").status_code, rahul.api.get("/me").status_code) == (200, 200)


def test_a_session_has_no_token_to_revoke(reena):
    browser, csrf = reena.browser, _get_new_csrf_string()
    browser.cookies["csrftoken"] = csrf
    assert_not_authenticated(browser.delete("/auth/token", headers={"X-CSRFToken": csrf}))
    assert reena.api.get("/me").status_code == 200


# --- What is written down ---------------------------------------------------------------------


def test_making_a_token_is_audited(reena, audited):
    client = Api(REMOTE_ADDR="203.0.113.9")
    body = {"username": "reena", "password": PASSWORD}
    client.post("/auth/token", body, X_Request_ID="mine")
    token = ApiToken.objects.latest("pk")
    for row in (audited("sign_in.succeeded")[-1], audited("token.created")[-1]):
        assert (row.actor_id, row.ip, row.request_id) == (reena.user.pk, "203.0.113.9", "mine")
        assert row.details["user_id"] == reena.user.pk
    assert (row.object_type, row.object_id) == ("token", token.public_id)


def test_revoking_a_token_is_audited_once(reena, audited):
    token = ApiToken.objects.latest("pk")
    reena.api.delete("/auth/token", X_Request_ID="mine")
    reena.api.delete("/auth/token")
    (row,) = audited("token.revoked")
    assert (row.actor_id, row.ip, row.request_id) == (reena.user.pk, "127.0.0.1", "mine")
    assert (row.object_type, row.object_id) == ("token", token.public_id)


def test_a_failed_sign_in_is_audited_without_what_was_typed(reena, audited):
    sign_in("reena", "canary-password")
    sign_in("canary-name", "canary-password")
    known, unknown = audited("sign_in.failed")
    assert (known.actor_id, known.details) == (None, {"user_id": reena.user.pk})
    assert (unknown.actor_id, unknown.details) == (None, {"user_id": None})
    assert known.ip == unknown.ip == "127.0.0.1"
    assert "canary" not in str(list(AuditLog.objects.values()))


# --- Guessing ---------------------------------------------------------------------------------


@pytest.fixture
def three_failures(settings):
    """Three wrong passwords within ten minutes are too many."""
    settings.SIGN_IN_FAILURES = 3
    settings.SIGN_IN_WINDOW_SECONDS = 600


def test_after_too_many_failures_even_the_right_password_has_to_wait(
    reena, clock, three_failures, audited
):
    assert [sign_in(password="wrong").status_code for _ in range(4)] == [401, 401, 401, 429]
    response = sign_in()
    assert (response.status_code, response.json()["code"]) == (429, "throttled")
    assert response["Retry-After"] == "600"
    assert len(audited("sign_in.failed")) == 3


def test_when_the_wait_is_over_the_right_password_works_again(reena, clock, three_failures):
    for _ in range(3):
        sign_in(password="wrong")
    clock(599)
    response = sign_in()
    assert (response.status_code, response["Retry-After"]) == (429, "1")
    clock(1)
    assert sign_in().status_code == 200


def test_trying_while_one_has_to_wait_does_not_make_the_wait_longer(reena, clock, three_failures):
    for _ in range(3):
        sign_in(password="wrong")
    clock(300)
    assert [sign_in(password="wrong")["Retry-After"] for _ in range(3)] == ["300"] * 3


def test_a_success_forgives_the_failures_before_it(reena, clock, three_failures):
    statuses = []
    for password in ("wrong", "wrong", PASSWORD, "wrong", "wrong", PASSWORD):
        statuses.append(sign_in(password=password).status_code)
        clock(1)
    assert statuses == [401, 401, 200, 401, 401, 200]


def test_nobody_waits_for_failures_of_another_name_or_address(reena, rahul, clock, three_failures):
    for _ in range(3):
        sign_in(password="wrong")
    assert sign_in("rahul").status_code == 200
    assert sign_in(REMOTE_ADDR="203.0.113.9").status_code == 200
    assert sign_in().status_code == 429


def test_an_unknown_name_has_to_wait_like_a_known_one(reena, clock, three_failures):
    assert [sign_in("nobody").status_code for _ in range(4)] == [401, 401, 401, 429]


def test_a_forged_forwarding_header_does_not_open_another_count(reena, clock, three_failures):
    api = Api()
    body = {"username": "reena", "password": "wrong"}
    statuses = [
        api.post("/auth/token", body, X_Forwarded_For=f"198.51.100.{n}").status_code
        for n in range(4)
    ]
    assert statuses == [401, 401, 401, 429]


def test_another_letter_case_does_not_open_another_count(reena, clock, three_failures):
    names = ["reena", "Reena", "REENA", "reeNA"]
    assert [sign_in(name, "wrong").status_code for name in names] == [401, 401, 401, 429]


def test_with_the_shipped_setting_the_twenty_first_guess_has_to_wait(reena, settings):
    statuses = [sign_in(password="wrong").status_code for _ in range(settings.SIGN_IN_FAILURES + 1)]
    assert statuses == [401] * 20 + [429]
