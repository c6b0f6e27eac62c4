"""Staff sign in with a password and a code: whoever has only the password is a stranger."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import ApiToken
from accounts.tests.back_office import errors, fill_in, forge
from audit.models import Action
from conftest import PASSWORD, Api
from office import second_factor

DOOR = "/admin/second-factor/"


@pytest.fixture(autouse=True)
def required(settings):
    settings.STAFF_SECOND_FACTOR = True


def password_given(username="manager"):
    browser = Client(raise_request_exception=False)
    answer = browser.post("/admin/login/", {"username": username, "password": PASSWORD})
    assert answer.status_code == 302
    return browser


def code_of(person):
    return f"{totp(TOTPDevice.objects.get(user=person.user).bin_key):06}"


@pytest.fixture
def phone(manager):
    """Set up the manager's phone and return the recovery codes."""
    browser = password_given()
    browser.post(DOOR)
    page = browser.post(DOOR, {"code": code_of(manager)})
    TOTPDevice.objects.update(last_t=-1)  # as if a while had gone by
    return page.context["codes"]


def test_the_password_alone_opens_nothing(manager, reena, phone):
    browser = password_given()
    answer = browser.get("/admin/accounts/account/")
    assert answer.url == "/admin/login/?next=/admin/accounts/account/"
    assert browser.get(answer.url).url == f"{DOOR}?next=%2Fadmin%2Faccounts%2Faccount%2F"
    for path in ("/me", f"/accounts/{reena.account.public_id}", "/transfers"):
        assert browser.get(path).status_code == 401
    assert browser.get("/").url == "/login?next=/"


def test_staff_set_up_a_phone_and_get_recovery_codes_once(manager, audited):
    browser = password_given()
    assert "authenticator app at hand" in browser.get(DOOR).text
    assert not TOTPDevice.objects.exists()  # looking changes nothing
    browser.post(DOOR)
    page = browser.get(DOOR).text
    assert "<svg" in page
    assert "style=" not in page
    assert "This code is not right" in browser.post(DOOR, {"code": "000000"}).text
    TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)

    codes = browser.post(DOOR, {"code": code_of(manager)}).context["codes"]
    assert len(set(codes)) == 10
    assert browser.get("/admin/").status_code == 200
    assert codes[0] not in browser.get(DOOR).text
    [row] = audited(Action.SECOND_FACTOR_SET)
    assert row.actor_id == manager.user.pk


def test_the_code_opens_the_door_where_one_was_going_and_nowhere_else(manager, phone):
    for wanted, expected in (
        ("/admin/audit/auditlog/", "/admin/audit/auditlog/"),
        ("https://evil.example/", "/admin/"),
    ):
        TOTPDevice.objects.update(last_t=-1)
        browser = password_given()
        before = browser.cookies["sessionid"].value
        answer = browser.post(f"{DOOR}?next={wanted}", {"code": code_of(manager)})
        assert (answer.status_code, answer.url) == (302, expected)
        assert browser.cookies["sessionid"].value != before
        assert browser.get("/admin/audit/auditlog/").status_code == 200


def test_no_code_works_twice(manager, phone):
    code = code_of(manager)
    assert password_given().post(DOOR, {"code": code}).status_code == 302
    again = password_given().post(DOOR, {"code": code})
    assert again.status_code == 200
    assert "was used before" in again.text


def test_a_recovery_code_opens_once(manager, phone):
    assert password_given().post(DOOR, {"code": phone[0]}).status_code == 302
    assert StaticToken.objects.count() == 9
    assert password_given().post(DOOR, {"code": phone[0]}).status_code == 200


def test_guessing_codes_is_slowed_down_and_audited(manager, phone, audited):
    browser = password_given()
    for _ in range(3):
        assert browser.post(DOOR, {"code": "000000"}).status_code == 200
    assert browser.post(DOOR, {"code": code_of(manager)}).status_code == 200  # too soon now
    assert browser.get("/admin/").status_code == 302
    assert len(audited(Action.SECOND_FACTOR_FAILED)) == 4


def test_another_persons_phone_opens_nothing(manager, phone, teller):
    browser = password_given("teller")
    browser.post(DOOR)
    TOTPDevice.objects.filter(user=teller.user).update(confirmed=True)
    assert browser.post(DOOR, {"code": code_of(manager)}).status_code == 200
    assert browser.get("/admin/").status_code == 302


def test_customers_and_strangers_have_no_business_there(reena):
    for browser in (Client(), reena.browser):
        assert browser.get(DOOR).url == f"/admin/login/?next={DOOR}"
    assert reena.browser.get("/me").status_code == 200  # they need no second factor
    assert not TOTPDevice.objects.exists()


def test_staff_make_no_api_token_with_a_password_alone(manager, stranger, reena):
    before = ApiToken.objects.count()
    body = {"username": "manager", "password": PASSWORD}
    assert stranger.post("/auth/token", body).status_code == 401
    assert ApiToken.objects.count() == before
    body = {"username": "reena", "password": PASSWORD}
    assert stranger.post("/auth/token", body).status_code == 200


def test_a_customers_token_opens_nothing_while_the_customer_is_staff(reena, rahul):
    users = type(reena.user).objects.filter(pk=reena.user.pk)
    users.update(is_staff=True, is_superuser=True)
    for path in ("/me", f"/accounts/{rahul.account.public_id}"):
        assert reena.api.get(path).status_code == 401
    assert reena.api.post("/auth/token/rotation", {}).status_code == 401
    users.update(is_staff=False, is_superuser=False)
    assert reena.api.get("/me").status_code == 200


def test_staff_make_themselves_a_token_that_reads_after_the_second_factor(
    manager, reena, rahul, phone, audited
):
    browser = password_given()
    answer = browser.get("/admin/token/")
    assert (answer.status_code, answer.url) == (302, "/admin/login/?next=/admin/token/")
    browser.post(DOOR, {"code": code_of(manager)})
    wish = {"name": "Audit", "scopes": ["accounts:read", "transfers:read"], "days": "7"}

    wrong = browser.post("/admin/token/", wish | {"password": "x"})
    assert errors(wrong) == {"password": ["This is not your password."]}
    page = browser.post("/admin/token/", wish | {"password": PASSWORD})

    [secret] = set(re.findall(r"sbk_[\w-]{20,}", page.text))
    api = Api(secret)
    assert api.get("/me").json()["username"] == "manager"
    assert api.get(f"/accounts/{reena.account.public_id}/entries").status_code == 200
    assert api.post("/transfers", reena.order(rahul, "1.00")).status_code == 403
    assert secret not in browser.get("/admin/token/").text
    row = audited(Action.TOKEN_CREATED)[-1]
    assert (row.actor_id, row.details["user_id"]) == (manager.user.pk, manager.user.pk)
    assert secret not in str(row.details)
    successor = Api(api.post("/auth/token/rotation", {}).json()["token"])
    assert successor.get("/me").status_code == 200
    second_factor.remove(manager.user, reason="Lost it", origin=manager.origin)
    assert [one.get("/me").status_code for one in (api, successor)] == [401, 401]


def test_of_own_tokens_none_orders_and_not_more_are_made_than_of_others(manager, phone, settings):
    settings.TOKENS_PER_HOUR = 1
    browser = password_given()
    browser.post(DOOR, {"code": code_of(manager)})
    wish = {"name": "Audit", "days": "7", "password": PASSWORD}
    before = ApiToken.objects.count()

    orders = browser.post("/admin/token/", wish | {"scopes": ["transfers:write"]})
    assert list(errors(orders)) == ["scopes"]
    assert ApiToken.objects.count() == before
    statuses = [
        browser.post("/admin/token/", wish | {"scopes": ["accounts:read"]}).status_code
        for _ in range(2)
    ]
    assert statuses == [200, 429]
    assert ApiToken.objects.count() == before + 1


def test_a_lost_phone_is_forgotten_with_its_codes(manager, admin, phone, audited):
    assert second_factor.remove(manager.user, reason="Lost it", origin=admin.origin)
    assert not TOTPDevice.objects.exists()
    assert not StaticToken.objects.exists()
    [row] = audited(Action.SECOND_FACTOR_REMOVED)
    assert (row.actor_id, row.details) == (admin.user.pk, {"reason": "Lost it"})
    assert not second_factor.remove(manager.user, reason="Again", origin=admin.origin)


@pytest.fixture
def desk(settings):
    """The administrator's own second factor is not what these are about."""
    settings.STAFF_SECOND_FACTOR = False


def removal(person):
    return reverse("admin:second_factor_remove", args=[person.user.pk])


def test_an_administrator_removes_a_colleagues_lost_phone_and_all_sessions_end(
    phone, desk, admin, manager, reena, audited
):
    browser, customer = manager.browser, reena.browser
    assert browser.get("/admin/").status_code == 200
    page = admin.browser.get(reverse("admin:auth_user_change", args=[manager.user.pk])).text
    assert removal(manager) in page
    answer = fill_in(admin, removal(manager), reason="Phone fell into the lake")
    assert answer.status_code == 302
    assert not TOTPDevice.objects.exists()
    assert browser.get("/admin/").url == "/admin/login/?next=/admin/"
    assert customer.get("/").status_code == 200
    [row] = audited(Action.SECOND_FACTOR_REMOVED)
    assert (row.actor_id, row.object_id) == (admin.user.pk, str(manager.user.pk))
    assert row.details == {"reason": "Phone fell into the lake"}
    again = {"__all__": ["This colleague has no second factor."]}
    assert errors(fill_in(admin, removal(manager))) == again
    assert len(audited(Action.SECOND_FACTOR_REMOVED)) == 1


def test_nobody_removes_their_own_second_factor_and_customers_have_none(desk, admin, reena):
    TOTPDevice.objects.create(user=admin.user, name="phone")
    assert admin.browser.get(removal(admin)).status_code == 403
    assert forge(admin, removal(admin), reason="r").status_code == 403
    assert admin.browser.get(removal(reena)).status_code == 404
    assert TOTPDevice.objects.count() == 1


def test_the_demo_needs_no_phone(settings, manager):
    settings.STAFF_SECOND_FACTOR = False
    assert password_given().get("/admin/").status_code == 200
