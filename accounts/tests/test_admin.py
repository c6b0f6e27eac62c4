"""The back office on customers, accounts, limits, tokens and who works there."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from accounts import numbers, operations, staff_views, tokens, transactions
from accounts.models import ApiToken, Customer
from accounts.tests.back_office import REASON, errors, fill_in, forge
from audit.models import Action, AuditLog
from conftest import PASSWORD, Api, set_limit


def account_page(account, operation="change"):
    above = {"limit": "office_limit", "unfreeze": "office_unfreeze"}  # what may need two
    name = above.get(operation, f"accounts_account_{operation}")
    return reverse(f"admin:{name}", args=[account.pk])


UNREADABLE = ["", "   ", "x" * 201, "a\u202eb", "line\nbreak"]


# --- Freezing ---------------------------------------------------------------------------------


def test_a_teller_freezes_an_account_at_once(teller, reena, rahul, audited):
    answer = fill_in(teller, account_page(reena.account, "freeze"), reason="Card stolen")
    assert (answer.status_code, answer.url) == (302, account_page(reena.account))
    assert reena.send(rahul, "1").json()["code"] == "account_not_active"
    [row] = audited(Action.ACCOUNT_FROZEN)
    assert (row.actor_id, row.account_id) == (teller.user.pk, reena.account.pk)
    assert row.details == {
        "reason": "Card stolen",
        "before": {"status": "ACTIVE"},
        "after": {"status": "FROZEN"},
    }


def test_freezing_a_frozen_account_says_so_and_changes_nothing(teller, reena, audited):
    operations.freeze(reena.account, reason="First", origin=teller.origin)
    page = fill_in(teller, account_page(reena.account, "freeze"), reason="Second")
    assert page.status_code == 200
    assert errors(page) == {"__all__": ["The account is FROZEN, not ACTIVE."]}
    assert len(audited(Action.ACCOUNT_FROZEN)) == 1


def test_a_busy_bank_answers_503_and_when_to_try_again(teller, reena, monkeypatch):
    def busy(*args, **kwargs):
        raise transactions.Busy

    monkeypatch.setattr(operations, "freeze", busy)
    answer = fill_in(teller, account_page(reena.account, "freeze"), reason="r")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert answer.headers["Content-Type"].startswith("text/html")


# --- Customers and accounts -------------------------------------------------------------------

CUSTOMER = {
    "name": "Kavita Rao",
    "username": "kavita",
    "email": "kavita@example.com",
    "password": PASSWORD,
    "password_again": PASSWORD,
}


def test_a_teller_opens_a_customer_who_can_sign_in(teller, audited):
    answer = fill_in(teller, reverse("admin:accounts_customer_open"), **CUSTOMER)

    customer = Customer.objects.get()
    assert answer.status_code == 302
    assert answer.url == reverse("admin:accounts_customer_change", args=[customer.pk])
    assert (customer.name, customer.user.username) == ("Kavita Rao", "kavita")
    assert customer.user.email == "kavita@example.com"
    assert (customer.user.is_staff, customer.user.is_superuser) == (False, False)
    assert Client().login(username="kavita", password=PASSWORD)
    [row] = audited(Action.CUSTOMER_OPENED)
    assert (row.actor_id, row.account_id) == (teller.user.pk, None)
    assert (row.object_type, row.object_id) == ("customer", customer.public_id)
    assert (row.request_id, row.ip) == (answer.headers["X-Request-ID"], "127.0.0.1")
    assert row.details == {
        "reason": REASON,
        "before": {},
        "after": {"user_id": customer.user.pk},
    }


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        *(("reason", typed) for typed in UNREADABLE),
        ("name", ""),
        ("name", "a\x07b"),
        ("username", "two words"),
        ("email", "nobody"),
        ("password_again", "something else 123"),
    ],
)
def test_a_customer_with_a_wrong_field_is_not_opened(teller, audited, field, typed):
    page = fill_in(teller, reverse("admin:accounts_customer_open"), **{**CUSTOMER, field: typed})
    assert list(errors(page)) == [field]
    assert not Customer.objects.exists()
    assert not User.objects.filter(username="kavita").exists()
    assert audited(Action.CUSTOMER_OPENED) == []


@pytest.mark.parametrize("password", ["short", "password12345", "kavita@example.com"])
def test_a_weak_first_password_is_refused(teller, password):
    fields = {**CUSTOMER, "password": password, "password_again": password}
    page = fill_in(teller, reverse("admin:accounts_customer_open"), **fields)
    assert list(errors(page)) == ["password"]
    assert not Customer.objects.exists()


def test_a_username_is_given_once(teller, reena):
    page = fill_in(
        teller, reverse("admin:accounts_customer_open"), **{**CUSTOMER, "username": "reena"}
    )
    assert errors(page) == {"__all__": ["The username reena is taken."]}
    assert Customer.objects.get() == reena.customer


def test_a_teller_opens_an_account_and_the_bank_makes_its_number(teller, reena, audited):
    url = reverse("admin:accounts_account_open", args=[reena.customer.pk])
    answer = fill_in(teller, url, name="Travel", currency="JPY", daily_limit="50000")

    account = reena.customer.accounts.get(name="Travel")
    assert answer.status_code == 302
    assert answer.url == reverse("admin:accounts_customer_change", args=[reena.customer.pk])
    assert numbers.is_valid(account.number)
    assert (account.currency, account.balance_minor) == ("JPY", 0)
    assert (account.daily_limit_minor, account.status) == (50_000, "ACTIVE")
    row = audited(Action.ACCOUNT_OPENED)[-1]
    assert (row.actor_id, row.account_id) == (teller.user.pk, account.pk)
    assert (row.object_type, row.object_id) == ("account", account.public_id)
    assert (row.request_id, row.ip) == (answer.headers["X-Request-ID"], "127.0.0.1")
    assert row.details == {
        "reason": REASON,
        "before": {},
        "after": {
            "customer": reena.customer.public_id,
            "currency": "JPY",
            "daily_limit_minor": 50_000,
            "status": "ACTIVE",
        },
    }


def test_a_new_account_offers_the_banks_currency_first(teller, reena):
    url = reverse("admin:accounts_account_open", args=[reena.customer.pk])
    assert '<option value="INR" selected>' in teller.browser.get(url).text


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        *(("reason", typed) for typed in UNREADABLE),
        ("name", ""),
        ("currency", "XXX"),
        ("daily_limit", "1.234"),
    ],
)
def test_an_account_with_a_wrong_field_is_not_opened(teller, reena, field, typed):
    url = reverse("admin:accounts_account_open", args=[reena.customer.pk])
    fields = {"name": "Travel", "currency": "INR", "daily_limit": "100", field: typed}
    page = fill_in(teller, url, **fields)
    assert list(errors(page)) == [field]
    assert reena.customer.accounts.count() == 1


# --- Tokens -----------------------------------------------------------------------------------


def token_page(person, operation="change"):
    token = ApiToken.objects.get(user=person.user)
    return reverse(f"admin:accounts_apitoken_{operation}", args=[token.pk])


def test_a_manager_revokes_a_token_which_then_opens_nothing(manager, reena, audited):
    answer = fill_in(manager, token_page(reena, "revoke"), reason="Laptop lost")
    assert (answer.status_code, answer.url) == (302, token_page(reena))
    assert reena.api.get("/me").status_code == 401
    [row] = audited(Action.TOKEN_REVOKED)
    assert (row.actor_id, row.details["reason"]) == (manager.user.pk, "Laptop lost")


def test_a_token_is_revoked_once(manager, reena, audited):
    fill_in(manager, token_page(reena, "revoke"), reason="First")
    page = fill_in(manager, token_page(reena, "revoke"), reason="Second")
    assert errors(page) == {"__all__": ["This token was revoked before."]}
    assert len(audited(Action.TOKEN_REVOKED)) == 1


def test_nothing_of_a_token_but_its_beginning_is_shown(admin, reena):
    token = ApiToken.objects.get(user=reena.user)
    listed = admin.browser.get(reverse("admin:accounts_apitoken_changelist")).text
    for page in (listed, admin.browser.get(token_page(reena)).text):
        assert token.hint in page
        assert token.token_hash not in page
        assert reena.token not in page


# --- Who may do what --------------------------------------------------------------------------

MAY = {
    "limit": {"teller", "manager"},
    "freeze": {"teller", "manager"},
    "unfreeze": {"teller", "manager"},
    "open customer": {"teller", "manager"},
    "open account": {"teller", "manager"},
    "revoke": {"manager", "admin"},
}


def operation_page(operation, owner):
    match operation:
        case "open customer":
            return reverse("admin:accounts_customer_open")
        case "open account":
            return reverse("admin:accounts_account_open", args=[owner.customer.pk])
        case "revoke":
            return token_page(owner, "revoke")
    return account_page(owner.account, operation)


@pytest.mark.parametrize("operation", MAY)
@pytest.mark.parametrize("role", ["teller", "manager", "auditor", "admin"])
def test_each_role_sees_and_sends_only_its_own_forms(operation, role, request, reena, books):
    person = request.getfixturevalue(role)
    url = operation_page(operation, reena)
    before, rows = books(), AuditLog.objects.count()
    expected = 200 if role in MAY[operation] else 403

    assert person.browser.get(url).status_code == expected
    assert forge(person, url).status_code == expected  # an empty form is shown again
    assert (books(), AuditLog.objects.count()) == (before, rows)


@pytest.mark.parametrize("operation", MAY)
def test_customers_and_strangers_are_sent_to_sign_in(operation, reena, rahul, books):
    url = operation_page(operation, rahul)
    before, rows = books(), AuditLog.objects.count()
    for browser in (reena.browser, Client()):
        answer = browser.get(url)
        assert (answer.status_code, answer.url) == (302, f"/admin/login/?next={url}")
    assert forge(reena, url, reason="Mine").status_code == 302
    assert (books(), AuditLog.objects.count()) == (before, rows)


@pytest.mark.parametrize("operation", MAY)
def test_a_form_without_its_csrf_token_does_nothing(operation, manager, reena, books):
    rows = AuditLog.objects.count()
    answer = manager.browser.post(
        operation_page(operation, reena), {"reason": "r", "daily_limit": 1}
    )
    assert answer.status_code == 403
    assert AuditLog.objects.count() == rows


@pytest.mark.parametrize("operation", ["limit", "freeze", "unfreeze", "open account"])
def test_nobody_serves_themself(operation, reena, rahul):
    User.objects.filter(pk=reena.user.pk).update(is_staff=True)
    reena.user.groups.add(Group.objects.get(name="manager"))
    reena.user.refresh_from_db()
    rows = AuditLog.objects.count()
    url = operation_page(operation, reena)

    assert reena.browser.get(url).status_code == 403
    assert forge(reena, url, reason="Me", daily_limit="1").status_code == 403
    assert AuditLog.objects.count() == rows
    assert reena.browser.get(operation_page(operation, rahul)).status_code == 200
    assert url not in reena.browser.get(account_page(reena.account)).text


@pytest.mark.parametrize("operation", ["limit", "freeze", "unfreeze"])
def test_the_banks_own_accounts_have_no_operations(operation, manager):
    house = operations.cash_account("INR")
    assert manager.browser.get(account_page(house, operation)).status_code == 404
    assert forge(manager, account_page(house, operation), reason="r").status_code == 404
    page = manager.browser.get(account_page(house)).text
    assert account_page(house, operation) not in page


@pytest.mark.parametrize(
    "name",
    [
        *("office_limit", "accounts_account_freeze", "office_unfreeze"),
        *("accounts_account_open", "accounts_apitoken_revoke"),
    ],
)
def test_an_operation_on_nothing_is_not_found(name, manager):
    for key in (987_654_321, 10**30):
        assert manager.browser.get(reverse(f"admin:{name}", args=[key])).status_code == 404


def test_every_operation_names_its_permission():
    def leaves(cls):
        below = cls.__subclasses__()
        return [leaf for one in below for leaf in leaves(one)] if below else [cls]

    assert all(
        one.permission.count(".") == 1 and one.form_class for one in leaves(staff_views.Operation)
    )


# --- What is shown ----------------------------------------------------------------------------


def test_an_account_page_shows_its_figures(manager, reena, rahul):
    reena.send(rahul, "25.00")
    figures = manager.browser.get(account_page(reena.account)).context["figures"]
    assert figures == [
        ("Balance", "₹4,975.00"),
        ("Held", "₹0.00"),
        ("Available", "₹4,975.00"),
        ("Daily limit", "₹10,000.00"),
        ("Used today", "₹25.00"),
        ("Left today", "₹9,975.00"),
    ]


def test_an_account_page_leads_to_owner_entries_transfers_usage_and_audit(manager, reena, rahul):
    transfer = reena.send(rahul, "25.00", reference="Lunch").json()
    set_limit(reena.account, 5, reason="Why not", origin=manager.origin)
    key = reena.account.pk

    page = manager.browser.get(account_page(reena.account)).text

    for url in (
        reverse("admin:accounts_customer_change", args=[reena.customer.pk]),
        reverse("admin:transfers_ledgerentry_changelist") + f"?account__id__exact={key}",
        reverse("admin:transfers_transfer_changelist") + f"?q={reena.account.public_id}",
        reverse("admin:accounts_accountdailyusage_changelist") + f"?account__id__exact={key}",
        reverse("admin:audit_auditlog_changelist") + f"?account_id={key}",
        account_page(rahul.account),
    ):
        assert f'href="{url}"' in page
        assert manager.browser.get(url).status_code == 200
    assert transfer["id"] in page
    assert "Lunch" in page
    assert "before: daily limit ₹10,000.00, after: daily limit ₹0.05, reason Why not" in page


def test_buttons_are_those_that_the_viewer_may_press(teller, manager, auditor, reena):
    def buttons(person):
        page = person.browser.get(account_page(reena.account)).text
        names = ["limit", "freeze", "unfreeze"]
        return {name for name in names if f'"{account_page(reena.account, name)}"' in page}

    assert buttons(teller) == {"freeze", "limit"}
    assert buttons(manager) == {"freeze", "limit"}
    assert buttons(auditor) == set()
    operations.freeze(reena.account, reason="r", origin=teller.origin)
    assert buttons(teller) == {"unfreeze", "limit"}


def test_audit_rows_are_on_the_page_only_for_those_who_may_read_them(teller, auditor, reena):
    assert "What happened" not in teller.browser.get(account_page(reena.account)).text
    assert "What happened" in auditor.browser.get(account_page(reena.account)).text


def found(person, model, **query):
    page = person.browser.get(reverse(f"admin:{model}_changelist"), query)
    assert page.status_code == 200
    return set(page.context["cl"].result_list)


def test_accounts_are_found_by_number_owner_and_id(teller, reena, rahul):
    number = reena.account.number
    spaced = f"{number[:4]} {number[4:8]} {number[8:]}"
    ids = [reena.account.public_id, reena.customer.public_id]
    for term in (number, number[:11], spaced, f" {number} ", "reen", "REENA", *ids):
        assert found(teller, "accounts_account", q=term) == {reena.account}
    assert reena.account in found(teller, "accounts_account", q=number[-4:])
    for term in ("nobody", number[1:], "0" * 40, "%", "_"):
        assert found(teller, "accounts_account", q=term) == set()


def test_accounts_are_filtered_by_status_and_kind(teller, reena, rahul):
    operations.freeze(rahul.account, reason="r", origin=teller.origin)
    assert found(teller, "accounts_account", status__exact="FROZEN") == {rahul.account}
    house = operations.cash_account("INR")
    assert found(teller, "accounts_account", kind__exact="HOUSE") == {house}


def test_customers_are_found_by_name_username_id_and_account(teller, reena, rahul):
    for term in ("reena", reena.customer.public_id, reena.account.number):
        assert found(teller, "accounts_customer", q=term) == {reena.customer}


def test_usage_and_tokens_are_found_by_owner(manager, reena, rahul):
    reena.send(rahul, "5")
    rahul.send(reena, "5")
    [usage] = found(manager, "accounts_accountdailyusage", q=reena.account.number)
    assert (usage.account_id, usage.used_minor) == (reena.account.pk, 500)
    assert len(found(manager, "accounts_accountdailyusage", period="today")) == 2
    assert found(manager, "accounts_accountdailyusage", period="yesterday") == set()
    [token] = found(manager, "accounts_apitoken", q="reena")
    assert token.user == reena.user


# --- Who works here ---------------------------------------------------------------------------


def user_page(user, operation="change"):
    return reverse(f"admin:auth_user_{operation}", args=[user.pk])


def change_user(person, user, **changes):
    fields = {
        "username": user.username,
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
        "is_active": "on",
        **changes,
    }
    return forge(person, user_page(user), **fields)


def test_an_administrator_changes_a_role_and_the_audit_log_says_how(admin, teller, audited):
    manager = Group.objects.get(name="manager")
    answer = change_user(admin, teller.user, is_staff="on", groups=[manager.pk])
    assert answer.status_code == 302
    assert list(teller.user.groups.all()) == [manager]
    [row] = audited(Action.USER_CHANGED)
    assert row.actor_id == admin.user.pk
    assert (row.object_type, row.object_id) == ("user", str(teller.user.pk))
    assert "groups" in row.details["changed"]
    assert row.details["before"]["groups"] == ["teller"]
    assert row.details["after"]["groups"] == ["manager"]


def test_a_change_that_cannot_be_audited_is_not_made(admin, teller, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("no audit log today")

    monkeypatch.setattr("accounts.users_admin.record", fail)
    new = "another horse battery"
    url = reverse("admin:auth_user_password_change", args=[teller.user.pk])

    assert change_user(admin, teller.user, is_staff="").status_code == 500
    answer = forge(admin, url, usable_password="true", password1=new, password2=new)

    assert answer.status_code == 500
    user = User.objects.get(pk=teller.user.pk)
    assert (user.is_staff, user.is_superuser) == (True, False)
    assert user.check_password(PASSWORD)


def test_an_administrator_adds_a_user_and_the_password_is_not_audited(admin, audited):
    answer = forge(
        admin,
        reverse("admin:auth_user_add"),
        username="newteller",
        usable_password="true",
        password1=PASSWORD,
        password2=PASSWORD,
    )
    user = User.objects.get(username="newteller")
    assert (answer.status_code, answer.url) == (302, user_page(user))
    [row] = audited(Action.USER_CHANGED)
    assert row.object_id == str(user.pk)
    assert PASSWORD not in str(row.details)


def test_setting_a_password_is_audited_if_it_was_set(admin, teller, audited):
    url = reverse("admin:auth_user_password_change", args=[teller.user.pk])
    wrong = forge(admin, url, usable_password="true", password1=PASSWORD, password2="else")
    conflicting = forge(admin, url, usable_password="false", password1="", password2="")
    assert (wrong.status_code, conflicting.status_code) == (200, 302)
    assert audited(Action.USER_CHANGED) == []

    new = "another horse battery"
    answer = forge(admin, url, usable_password="true", password1=new, password2=new)
    assert answer.status_code == 302
    [row] = audited(Action.USER_CHANGED)
    assert (row.object_id, row.details) == (str(teller.user.pk), {"changed": ["password"]})


def revoked_by(person, audited) -> list[tuple]:
    """Return what was revoked as (token, whose it was, why), all of it by `person`."""
    rows = audited(Action.TOKEN_REVOKED)
    assert {row.actor_id for row in rows} <= {person.user.pk}
    assert {row.object_type for row in rows} <= {"token"}
    return [(row.object_id, row.details["user_id"], row.details["reason"]) for row in rows]


@pytest.mark.parametrize(
    "fields",
    [
        {"usable_password": "true", "password1": "another horse", "password2": "another horse"},
        {"usable_password": "false", "unset-password": "1"},
    ],
    ids=["new password", "no password"],
)
def test_who_gets_another_password_loses_all_tokens_and_nobody_else_does(
    fields, admin, reena, rahul, audited
):
    revoked = ApiToken.objects.get(user=reena.user)
    tokens.revoke(revoked, origin=admin.origin, reason="Before")
    made = [tokens.create(reena.user, origin=reena.origin) for _ in range(2)]
    assert [Api(secret).get("/me").status_code for secret, _ in made] == [200, 200]

    url = reverse("admin:auth_user_password_change", args=[reena.user.pk])
    answer = forge(admin, url, **fields)

    assert answer.status_code == 302
    assert [Api(secret).get("/me").status_code for secret, _ in made] == [401, 401]
    assert rahul.api.get("/me").status_code == 200
    assert revoked_by(admin, audited) == [
        (revoked.public_id, reena.user.pk, "Before"),
        *((token.public_id, reena.user.pk, "Password changed") for _, token in made),
    ]
    rows = audited(Action.TOKEN_REVOKED)[1:] + audited(Action.USER_CHANGED)
    assert {row.request_id for row in rows} == {answer.headers["X-Request-ID"]}


def test_a_password_that_was_not_set_ends_no_token(admin, teller, reena, audited):
    url = reverse("admin:auth_user_password_change", args=[reena.user.pk])
    forge(admin, url, usable_password="true", password1=PASSWORD, password2="else")
    own = reverse("admin:password_change")
    fill_in(teller, own, old_password="wrong", new_password1="x" * 20, new_password2="x" * 20)
    assert [one.api.get("/me").status_code for one in (reena, teller)] == [200, 200]
    assert audited(Action.TOKEN_REVOKED) == []


def test_staff_who_change_their_own_password_stay_signed_in_and_lose_their_tokens(
    teller, manager, audited
):
    browser = teller.browser
    url = reverse("admin:password_change")
    new = "another horse battery"
    token = ApiToken.objects.get(user=teller.user)
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    form["csrfmiddlewaretoken"] = str(browser.get(url).context["csrf_token"])
    assert teller.api.get("/me").status_code == 200

    answer = browser.post(url, form)

    assert answer.status_code == 302
    assert browser.get("/admin/").status_code == 200
    assert teller.api.get("/me").status_code == 401
    assert manager.api.get("/me").status_code == 200
    assert revoked_by(teller, audited) == [(token.public_id, teller.user.pk, "Password changed")]
    [row] = audited(Action.TOKEN_REVOKED)
    assert row.request_id == answer.headers["X-Request-ID"]


def test_staff_change_their_own_password_and_that_is_audited(teller, audited):
    url = reverse("admin:password_change")
    new = "another horse battery"
    fill_in(teller, url, old_password="wrong", new_password1=new, new_password2=new)
    assert audited(Action.USER_CHANGED) == []
    fill_in(teller, url, old_password=PASSWORD, new_password1=new, new_password2=new)
    [row] = audited(Action.USER_CHANGED)
    assert (row.actor_id, row.object_id) == (teller.user.pk, str(teller.user.pk))


def test_guesses_at_the_own_password_are_counted_as_at_the_door(teller, settings, audited):
    settings.SIGN_IN_FAILURES = 3
    url, new = reverse("admin:password_change"), "another horse battery"
    for _ in range(3):
        page = fill_in(teller, url, old_password="wrong", new_password1=new, new_password2=new)
        assert errors(page) == {"old_password": ["This is not your password."]}
    page = fill_in(teller, url, old_password=PASSWORD, new_password1=new, new_password2=new)
    assert errors(page) == {"old_password": ["Too many attempts. Try again in 15 minutes."]}
    assert len(audited(Action.SIGN_IN_FAILED)) == 3
    assert audited(Action.USER_CHANGED) == []


@pytest.mark.parametrize("role", ["teller", "manager", "auditor", "admin"])
def test_nobody_deletes_a_user(role, request, admin, reena):
    person = request.getfixturevalue(role)
    users = User.objects.count()
    for user in (reena.user, User.objects.create_user("unused")):
        assert forge(person, user_page(user, "delete"), post="yes").status_code == 403
    forge(
        admin,
        reverse("admin:auth_user_changelist"),
        action="delete_selected",
        _selected_action=[reena.user.pk],
        post="yes",
        index="0",
    )
    assert User.objects.count() == users + 1


def test_administrators_change_neither_themselves_nor_the_groups_that_they_are_in(make_staff):
    """Not even with all of Django's own permissions, nor make a superuser of anybody."""
    clerk = make_staff("clerk", "administrator")
    clerk.user.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    group = Group.objects.get(name="administrator")
    for url in (
        user_page(clerk.user),
        user_page(clerk.user, "delete"),
        reverse("admin:auth_user_password_change", args=[clerk.user.pk]),
        reverse("admin:auth_group_change", args=[group.pk]),
        reverse("admin:auth_group_delete", args=[group.pk]),
    ):
        answer = forge(clerk, url, username="clerk", is_superuser="on", name="x", post="yes")
        assert answer.status_code == 403
    clerk.user.refresh_from_db()
    assert not clerk.user.is_superuser
    assert Group.objects.filter(pk=group.pk, name="administrator").exists()


def test_nobody_becomes_a_superuser_by_a_forged_form(admin, teller):
    assert change_user(admin, teller.user, is_staff="on", is_superuser="on").status_code == 302
    teller.user.refresh_from_db()
    assert not teller.user.is_superuser


def test_a_groups_change_and_deletion_are_audited(admin, audited):
    group = Group.objects.create(name="night shift")
    url = reverse("admin:auth_group_change", args=[group.pk])
    forge(admin, url, name="night shift", permissions=[])
    forge(admin, reverse("admin:auth_group_delete", args=[group.pk]), post="yes")
    changed, deleted = audited(Action.USER_CHANGED)
    assert (changed.object_type, changed.object_id) == ("group", str(group.pk))
    assert deleted.details == {"deleted": True}
    assert not Group.objects.filter(name="night shift").exists()


def test_an_auditor_sees_users_but_nothing_of_their_passwords(auditor, teller):
    page = auditor.browser.get(user_page(teller.user))
    assert page.status_code == 200
    assert "teller" in page.text
    assert "algorithm" not in page.text


def test_a_token_made_for_staff_is_listed(auditor, teller, manager):
    secret, token = tokens.create(teller.user, origin=teller.origin)
    assert token in found(auditor, "accounts_apitoken", q=token.public_id)
