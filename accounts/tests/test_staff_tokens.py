"""Tokens that the bank makes for a customer's programs, in the back office."""

import re

import pytest
from django.urls import reverse

from accounts import mail
from accounts.models import ApiToken
from accounts.tests.back_office import errors, fill_in, forge
from audit.models import Action, AuditLog
from conftest import Api

WISH = {
    "name": "Bookkeeping",
    "scopes": ["accounts:read", "transfers:read"],
    "days": "90",
    "allowed_ips": "192.0.2.0/24 127.0.0.1",
    "reason": "Signed form 12",
}


def make_page(person):
    return reverse("admin:accounts_apitoken_make", args=[person.customer.pk])


def secret_in(answer) -> str:
    [secret] = set(re.findall(r"sbk_[\w-]{20,}", answer.text))
    return secret


def test_an_administrator_makes_a_token_that_does_what_was_ticked_and_is_shown_once(
    admin, reena, rahul
):
    answer = fill_in(admin, make_page(reena), **WISH)
    secret = secret_in(answer)
    api, token = Api(secret), ApiToken.objects.latest("pk")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert api.get("/me").json()["username"] == "reena"
    assert api.get(f"/accounts/{reena.account.public_id}").status_code == 200
    refused = api.post("/transfers", reena.order(rahul, "1.00"))
    assert (refused.status_code, refused.json()["missing_scope"]) == (403, "transfers:write")
    assert (token.name, token.scopes) == ("Bookkeeping", "accounts:read transfers:read")
    assert token.allowed_ips == "192.0.2.0/24 127.0.0.1/32"
    assert (token.expires_at - token.created_at).days == 90
    later = admin.browser.get(reverse("admin:accounts_apitoken_change", args=[token.pk]))
    assert secret not in later.text and token.hint in later.text


def test_the_log_knows_who_made_it_for_whom_and_why_but_not_the_token(admin, reena, audited):
    secret = secret_in(fill_in(admin, make_page(reena), **WISH))
    row = audited(Action.TOKEN_CREATED)[-1]
    assert (row.actor_id, row.details["user_id"]) == (admin.user.pk, reena.user.pk)
    assert row.details["reason"] == "Signed form 12"
    assert secret not in str(list(AuditLog.objects.values()))


def test_the_customer_hears_of_it_and_can_end_it(admin, reena, mailoutbox):
    type(reena.user).objects.filter(pk=reena.user.pk).update(email="reena@post.example")
    secret = secret_in(fill_in(admin, make_page(reena), **WISH))
    mail.wait()

    [letter] = mailoutbox
    assert (letter.to, letter.subject) == (
        ["reena@post.example"],
        "SmartBank: a token was made for you",
    )
    assert "“Bookkeeping”" in letter.body and secret not in letter.body
    assert "Bookkeeping" in reena.browser.get("/security").text


@pytest.mark.parametrize("role", ["teller", "manager", "auditor"])
def test_nobody_else_makes_one(role, make_staff, reena):
    person = make_staff(f"another {role}", role)
    before = ApiToken.objects.count()
    assert forge(person, make_page(reena), **WISH).status_code == 403
    assert person.browser.get(make_page(reena)).status_code == 403
    assert ApiToken.objects.count() == before


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"name": ""}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"days": "9999"}, "days"),
        ({"allowed_ips": "10.0.0.1/8"}, "allowed_ips"),
        ({"reason": " "}, "reason"),
    ],
)
def test_what_is_missing_or_wrong_is_said_and_no_token_is_made(changes, field, admin, reena):
    before = ApiToken.objects.count()
    page = fill_in(admin, make_page(reena), **{**WISH, **changes})
    assert list(errors(page)) == [field]
    assert ApiToken.objects.count() == before


def test_they_are_counted_as_all_tokens_are(admin, reena, anita, settings):
    settings.TOKENS_PER_HOUR = 2
    for _ in range(2):
        assert fill_in(admin, make_page(reena), **WISH).status_code == 200
    before = ApiToken.objects.count()
    for person in (reena, anita):  # the administrator's count is used up, not only hers
        page = fill_in(admin, make_page(person), **WISH)
        assert page.status_code == 429
        assert errors(page) == {"__all__": ["Too many attempts. Try again in 60 minutes."]}
    assert ApiToken.objects.count() == before


def test_who_may_not_sign_in_gets_none(admin, reena):
    type(reena.user).objects.filter(pk=reena.user.pk).update(is_active=False)
    assert forge(admin, make_page(reena), **WISH).status_code == 404


def test_the_users_page_leads_there(admin, auditor, reena):
    page = reverse("admin:auth_user_change", args=[reena.user.pk])
    assert make_page(reena) in admin.browser.get(page).text
    assert make_page(reena) not in auditor.browser.get(page).text
