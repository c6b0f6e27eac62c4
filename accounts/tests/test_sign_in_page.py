"""The page on which customers sign in, and who comes where."""

import pytest
from django.test import Client

from accounts.tests.back_office import errors
from accounts.tests.browsing import Page, submit, visit
from conftest import PASSWORD

WRONG = "Please enter a correct username and password. Note that both fields may be case-sensitive."


@pytest.fixture
def browser():
    """A browser in which nobody is signed in."""
    return Client(enforce_csrf_checks=True, raise_request_exception=False)


def sign_in(browser, username, password=PASSWORD, *, path="/login"):
    return submit(browser, path, visit(browser, path), username=username, password=password)


def test_a_customer_signs_in_and_comes_home(browser, reena, audited):
    response = sign_in(browser, "reena")

    assert (response.status_code, response["Location"]) == (302, "/")
    assert "Your accounts" in visit(browser, "/").text
    assert [row.actor_id for row in audited("sign_in.succeeded")] == [reena.user.pk]


def test_a_wrong_password_is_refused_and_not_shown_again(browser, reena, audited):
    page = Page(sign_in(browser, "reena", "open sesame"))

    assert (page.status, page.title) == (200, "Error: Sign in – SmartBank")
    assert page.problems == [WRONG]
    assert (page.fields["username"], page.fields["password"]) == ("reena", "")
    assert browser.get("/").status_code == 302
    assert len(audited("sign_in.failed")) == 1


def test_an_unknown_name_is_answered_like_a_wrong_password(browser, reena):
    unknown = Page(sign_in(browser, "nobody", "open sesame"))

    assert unknown.problems == Page(sign_in(browser, "reena", "open sesame")).problems


def test_after_too_many_failures_even_the_right_password_has_to_wait(browser, reena, settings):
    settings.SIGN_IN_FAILURES = 3
    for _ in range(3):
        sign_in(browser, "reena", "open sesame")

    page = Page(sign_in(browser, "reena"))

    assert page.status == 429
    assert page.problems == ["Too many attempts. Try again in 15 minutes."]
    assert browser.get("/").status_code == 302


def test_signing_in_returns_to_the_page_that_was_asked_for(browser, reena):
    asked = browser.get("/send")
    assert asked["Location"] == "/login?next=/send"

    assert sign_in(browser, "reena", path=asked["Location"])["Location"] == "/send"


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"],
)
def test_signing_in_never_leads_to_another_site(browser, reena, elsewhere):
    page = visit(browser, "/login")

    response = submit(browser, "/login", page, username="reena", password=PASSWORD, next=elsewhere)

    assert response["Location"] == "/"


def test_staff_who_sign_in_here_come_to_the_back_office(browser, teller):
    assert sign_in(browser, "teller")["Location"] == "/admin"
    assert browser.get("/")["Location"] == "/admin/"


# --- The door of the back office --------------------------------------------------------------


def knock(browser, username, password=PASSWORD):
    """Try to sign in to the back office."""
    token = str(browser.get("/admin/login/").context["csrf_token"])
    form = {"username": username, "password": password, "csrfmiddlewaretoken": token}
    return browser.post("/admin/login/?next=/admin/", form)


def test_a_customer_is_no_staff_and_that_is_audited_as_a_failed_sign_in(browser, reena, audited):
    page = knock(browser, "reena")

    assert page.status_code == 200
    assert "_auth_user_id" not in browser.session
    assert browser.get("/")["Location"] == "/login?next=/"
    assert audited("sign_in.succeeded") == []
    (row,) = audited("sign_in.failed")
    assert (row.actor_id, row.account_id, row.object_type) == (None, None, "sign-in")
    assert row.details == {"user_id": reena.user.pk}
    assert (row.request_id, row.ip) == (page["X-Request-ID"], "127.0.0.1")


def test_the_back_office_does_not_tell_a_right_password_of_a_customer_from_a_wrong_one(
    browser, reena
):
    for password in (PASSWORD, "open sesame"):
        assert errors(knock(browser, "reena", password)) == {
            "__all__": [
                "Please enter the correct username and password for a staff account. "
                "Note that both fields may be case-sensitive."
            ]
        }


def test_a_customers_right_password_at_the_back_office_counts_as_a_failure(
    browser, reena, settings
):
    settings.SIGN_IN_FAILURES = 3
    sign_in(browser, "reena", "open sesame")
    knock(browser, "reena")
    assert sign_in(browser, "reena", "open sesame").status_code == 200

    assert Page(sign_in(browser, "reena")).status == 429
    assert errors(knock(browser, "reena")) == {
        "__all__": ["Too many attempts. Try again in 15 minutes."]
    }


def test_staff_come_in_by_the_door_of_the_back_office(browser, teller, audited):
    answer = knock(browser, "teller")

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert browser.get("/admin/").status_code == 200
    assert [row.actor_id for row in audited("sign_in.succeeded")] == [teller.user.pk]


# --- Who comes where --------------------------------------------------------------------------


def test_a_user_who_is_neither_customer_nor_staff_is_kept_out(browser, django_user_model):
    browser.force_login(django_user_model.objects.create_user("visitor"))

    page = visit(browser, "/")

    assert (page.status, page.title) == (403, "Error: You may not do this – SmartBank")


def test_signing_out_ends_the_session(reena):
    browser = reena.browser

    response = submit(browser, "/logout", visit(browser, "/"))

    assert (response.status_code, response["Location"]) == (302, "/login")
    assert browser.get("/")["Location"] == "/login?next=/"


def test_a_link_signs_nobody_out(reena):
    browser = reena.browser

    response = browser.get("/logout")

    assert (response.status_code, response["Allow"]) == (405, "POST, OPTIONS")
    assert "This page cannot be opened this way" in Page(response).text
    assert browser.get("/").status_code == 200


def test_a_form_of_another_site_signs_nobody_out(reena):
    browser = reena.browser

    response = browser.post("/logout")

    assert (response.status_code, Page(response).title) == (
        403,
        "Error: You may not do this – SmartBank",
    )
    assert browser.get("/").status_code == 200
