"""The back office on the audit log."""

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import operations
from accounts.models import Account
from audit import seals
from audit.admin import PAGES
from audit.models import Action, AuditLog
from audit.operations import Origin, record, row
from audit.pages import NewestPaginator
from office import approvals

LIST = reverse("admin:audit_auditlog_changelist")
KOLKATA = ZoneInfo("Asia/Kolkata")


def found(person, **query):
    page = person.browser.get(LIST, query)
    assert page.status_code == 200
    return list(page.context["cl"].result_list)


def test_the_list_shows_who_did_what_to_which_account_and_why(auditor, teller, reena, rahul):

    operations.freeze(reena.account, reason="Card stolen", origin=teller.origin)
    [frozen] = found(auditor, action__exact=Action.ACCOUNT_FROZEN)
    page = auditor.browser.get(LIST, {"action__exact": Action.ACCOUNT_FROZEN}).text

    assert "Account frozen" in page
    assert f'href="{LIST}?actor_id={teller.user.pk}">teller</a>' in page
    account = reverse("admin:accounts_account_change", args=[reena.account.pk])
    assert f'<a href="{account}">{reena.account.masked_number}</a>' in page
    found_by_id = reverse("admin:accounts_account_changelist") + f"?q={reena.account.public_id}"
    assert f'href="{found_by_id}"' in page
    assert "Card stolen" in page
    assert "127.0.0.1" in page
    assert frozen.details["reason"] == "Card stolen"


def test_a_row_leads_to_its_object_whatever_that_is(auditor, admin, reena, rahul):
    reena.send(rahul, "5")
    approvals.ask_for_limit(reena.account, 2_000_000, reason="r", origin=reena.origin)
    reena.api.post("/webhooks", {"url": "https://hooks.example.com/bank"})
    user = User.objects.get(username="rahul")
    record(
        Action.USER_CHANGED,
        Origin(actor_id=admin.user.pk, request_id="r"),
        object_type="user",
        object_id=str(user.pk),
    )
    browser = auditor.browser
    kinds = set()
    for one in AuditLog.objects.all():
        page = browser.get(reverse("admin:audit_auditlog_change", args=[one.pk]))
        assert page.status_code == 200
        kinds.add(one.object_type)
        if one.object_type == "user":
            assert f'href="{reverse("admin:auth_user_change", args=[user.pk])}"' in page.text
            continue
        url = reverse(f"admin:{PAGES[one.object_type]}_changelist", query={"q": one.object_id})
        assert f'href="{url}"' in page.text
        [seen] = browser.get(url).context["cl"].result_list
        assert seen.public_id == one.object_id
    assert kinds == {*PAGES, "user"}


def test_a_row_about_nothing_that_is_left_is_shown_without_a_link(auditor, reena):

    Client().post("/admin/login/", {"username": "nobody", "password": "wrong"})
    [failed] = found(auditor, action__exact=Action.SIGN_IN_FAILED)
    page = auditor.browser.get(reverse("admin:audit_auditlog_change", args=[failed.pk]))
    assert page.status_code == 200
    assert failed.actor_id is None


def test_rows_are_found_by_request_object_and_username(auditor, teller, reena, rahul):
    answer = reena.send(rahul, "5")
    request_id, transfer_id = answer.headers["X-Request-ID"], answer.json()["id"]
    of_transfer = list(AuditLog.objects.filter(object_id=transfer_id).order_by("-pk"))
    assert len(of_transfer) == 2
    assert found(auditor, q=request_id) == of_transfer
    assert found(auditor, q=f" {transfer_id} ") == of_transfer
    by_teller = AuditLog.objects.filter(actor_id=teller.user.pk).order_by("-pk")
    assert by_teller.exists()
    assert found(auditor, q="teller") == list(by_teller)
    assert found(auditor, account_id=rahul.account.pk, q=request_id) == [of_transfer[0]]
    assert found(auditor, q="nobody") == []


def test_rows_are_found_by_account_number_and_by_customer(auditor, teller, reena, rahul, anita):
    """Both where the account is concerned and where somebody else only named it."""
    operations.freeze(rahul.account, reason="r", origin=teller.origin)
    anita.send(reena, "5")
    number = rahul.account.number
    foreign = {"from_account_id": rahul.account.public_id}
    anita.api.post("/transfers", anita.order(reena, "5") | foreign)
    concerned = set(AuditLog.objects.filter(account_id=rahul.account.pk))
    [named] = AuditLog.objects.filter(object_id=rahul.account.public_id, account_id=None)
    assert named.action == Action.TRANSFER_NOT_ACCEPTED
    assert {row.action for row in concerned} == {
        *(Action.ACCOUNT_OPENED, Action.TRANSFER_COMPLETED, Action.ACCOUNT_FROZEN)
    }

    spaced = f"{number[:4]} {number[4:8]} {number[8:]}"
    for term in (number, number[:11], spaced, rahul.account.public_id):
        assert set(found(auditor, q=term)) == {*concerned, named}
    opened = AuditLog.objects.get(object_id=rahul.customer.public_id)
    assert set(found(auditor, q=rahul.customer.public_id)) == {*concerned, named, opened}
    made = AuditLog.objects.filter(actor_id=rahul.user.pk)
    assert set(found(auditor, q="RAHU")) == {*concerned, named, opened}
    assert set(found(auditor, q="rahul")) == {*concerned, named, opened, *made}


def test_an_account_that_was_only_named_by_its_number_is_found_by_it(auditor, reena, rahul):
    house = Account.objects.get(house_role="cash:INR")
    order = {"from_account_id": reena.account.public_id, "to_account_number": house.number}
    reena.api.post("/transfers", order | {"amount": "5"})
    [row] = AuditLog.objects.filter(action=Action.TRANSFER_NOT_ACCEPTED)
    assert (row.object_id, row.account_id) == (house.number, reena.account.pk)
    for term in (house.number, house.public_id, house.number[:11]):
        assert row in found(auditor, q=term)
    assert row not in found(auditor, q=rahul.account.number)


def test_a_row_about_an_account_that_is_gone_still_names_its_key(auditor):
    gone = {"object_type": "account", "object_id": "x", "account": Account(pk=987_654)}
    row(Action.ACCOUNT_FROZEN, Origin(), **gone).save()
    url = reverse("admin:accounts_account_change", args=[987_654])
    assert f'<a href="{url}">987654</a>' in auditor.browser.get(LIST).text


def test_rows_are_filtered_by_action_and_by_the_banks_day(auditor, teller, monkeypatch):
    """Midnight is the bank's: 18:30 UTC the day before."""
    noon = dt.datetime(2026, 3, 4, 12, tzinfo=KOLKATA)
    monkeypatch.setattr(timezone, "now", lambda: noon)
    moments = {
        "first of today": dt.datetime(2026, 3, 4, tzinfo=KOLKATA),
        "last of yesterday": dt.datetime(2026, 3, 3, 23, 59, 59, 999_999, tzinfo=KOLKATA),
        "first of yesterday": dt.datetime(2026, 3, 3, tzinfo=KOLKATA),
        "six days ago": dt.datetime(2026, 2, 26, tzinfo=KOLKATA),
        "seven days ago": dt.datetime(2026, 2, 25, 23, 59, tzinfo=KOLKATA),
        "first of month": dt.datetime(2026, 3, 1, tzinfo=KOLKATA),
    }
    for name, moment in moments.items():
        written = row(
            Action.ACCOUNT_FROZEN,
            Origin(),
            object_type="account",
            object_id=name,
            created_at=moment.astimezone(dt.UTC),
        )
        written.save()

    def names(period):
        return {
            one.object_id for one in found(auditor, period=period, action__exact="account.frozen")
        }

    assert names("today") == {"first of today"}
    assert names("yesterday") == {"last of yesterday", "first of yesterday"}
    assert names("week") == set(moments) - {"seven days ago"}
    assert names("month") == set(moments) - {"six days ago", "seven days ago"}
    assert names("nonsense") == set(moments)


def test_times_are_shown_to_the_second_in_the_banks_zone(auditor):
    moment = dt.datetime(2026, 3, 3, 18, 30, 7, tzinfo=dt.UTC)
    row(
        Action.ACCOUNT_FROZEN, Origin(), object_type="account", object_id="x", created_at=moment
    ).save()
    assert "2026-03-04 00:00:07" in auditor.browser.get(LIST).text


@pytest.mark.parametrize(("role", "expected"), [("teller", 403), ("manager", 200), ("admin", 403)])
def test_the_log_is_for_those_with_the_permission(role, expected, request):
    assert request.getfixturevalue(role).browser.get(LIST).status_code == expected


def test_a_sign_in_to_the_back_office_is_audited(auditor):
    browser = Client()
    answer = browser.post(
        "/admin/login/?next=/admin/", {"username": "auditor", "password": "correct horse battery"}
    )
    assert answer.status_code == 302
    [signed_in] = found(auditor, action__exact=Action.SIGNED_IN)
    assert signed_in.actor_id == auditor.user.pk


def test_a_long_log_is_counted_no_further_than_needed(auditor, monkeypatch):
    monkeypatch.setattr(NewestPaginator, "MAX", 60)
    now = timezone.now()
    for number in range(70):
        record(Action.SIGNED_IN, Origin(), object_type="sign-in", object_id=str(number))
    with CaptureQueriesContext(connection) as asked:
        page = auditor.browser.get(LIST)
    counts = [one["sql"] for one in asked if "COUNT(" in one["sql"]]
    assert len(counts) == 1
    assert "LIMIT 60" in counts[0]
    assert page.context["cl"].result_count == 60
    assert len(page.context["cl"].result_list) == 50
    assert page.context["cl"].result_list[0].created_at >= now


# --- Whether it is right ----------------------------------------------------------------------


def test_the_list_says_when_it_was_last_verified_and_sealed(auditor, reena, tmp_path):
    assert auditor.browser.get(LIST).text.count("<dd>never</dd>") == 2
    seals.add([seals.Head(reena.account.pk, reena.account.public_id, 1, "0" * 64)])
    record("audit.verified", Origin(), object_type="audit log", object_id="")
    page = auditor.browser.get(LIST)
    assert (page.context["verified"]["is_wrong"], page.context["sealed"]["number"]) == (False, 1)
    assert re.search(r"<dd>[\d :-]+: right</dd>", page.text)
    record("audit.found_wrong", Origin(), object_type="audit log", object_id="", wrong="row 7!")
    assert '<p class="errornote">row 7!</p>' in auditor.browser.get(LIST).text


def test_each_row_shows_its_place_in_the_chain(auditor, reena):
    row = AuditLog.objects.get(account_id=reena.account.pk, sequence=2)
    assert (
        '<td class="field-place">#2</td>' in auditor.browser.get(f"{LIST}?q={row.object_id}").text
    )
    page = auditor.browser.get(reverse("admin:audit_auditlog_change", args=[row.pk])).text
    assert row.tag in page and row.link in page
