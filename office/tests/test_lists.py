"""Lists of the back office: from one bank day to another, and out of the house as CSV."""

import csv
import datetime as dt
import io

import pytest
from django.contrib.admin import site
from django.urls import reverse
from django.utils import timezone

from accounts import bank_day
from accounts.models import Account, AccountDailyUsage, ApiToken, Customer
from accounts.tests.back_office import forge
from audit.models import Action, AuditLog
from audit.pages import ReadOnlyAdmin
from audit.periods import PeriodFilter
from office import approvals
from office.models import ApprovalRequest
from transfers.models import Dispute, LedgerEntry, Transfer

EXPORTED = [
    *(Account, AccountDailyUsage, ApprovalRequest, AuditLog, Dispute, LedgerEntry, Transfer),
]
BY_DAY = [AccountDailyUsage, ApprovalRequest, AuditLog, Dispute, LedgerEntry, Transfer]


def url_of(model, page="changelist"):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}")


def found(person, model, **query):
    page = person.browser.get(url_of(model), query)
    assert page.status_code == 200
    return list(page.context["cl"].result_list)


@pytest.fixture
def bank(reena, rahul):
    """A payment, its dispute and a request: a row in every list."""
    order = {"from_account_id": reena.account.public_id, "amount": "25.00", "reference": "=1+1"}
    by_number = order | {"to_account_number": rahul.account.number}
    sent = reena.api.post("/transfers", by_number).json()["id"]
    rahul.api.post(f"/transfers/{sent}/receipt", {"received_amount": "0"})
    approvals.ask_for_limit(reena.account, 2_000_000, reason="=cmd()", origin=reena.origin)
    return Transfer.objects.get(public_id=sent)


# --- From one day to another ------------------------------------------------------------------


def test_the_lists_with_days_are_these():
    with_days = {
        model
        for model, page in site._registry.items()
        if any(isinstance(one, type) and issubclass(one, PeriodFilter) for one in page.list_filter)
    }
    assert with_days == set(BY_DAY)


@pytest.mark.parametrize("model", BY_DAY)
def test_each_shows_what_is_of_the_days_typed(model, chief, bank):
    today = bank_day.of(timezone.now())
    before, after = str(today - dt.timedelta(days=1)), str(today + dt.timedelta(days=1))
    rows = found(chief, model)
    assert rows
    for since, until in ((str(today), str(today)), (before, ""), ("", after), (before, after)):
        assert found(chief, model, since=since, until=until) == rows
    for since, until in (("", before), (after, ""), ("1970-01-01", before), (after, "2999-12-31")):
        assert found(chief, model, since=since, until=until) == []


def test_days_narrow_what_else_is_filtered_and_stay_in_its_links(teller, bank):
    today = str(bank_day.of(timezone.now()))
    assert found(teller, Transfer, since=today, kind__exact="PAYMENT", q="reena") == [bank]
    page = teller.browser.get(url_of(Transfer), {"kind__exact": "PAYMENT", "since": today})
    assert '<input type="hidden" name="kind__exact" value="PAYMENT">' in page.text
    assert f'name="since" value="{today}"' in page.text
    assert f"?kind__exact=CASH&amp;since={today}" in page.text


@pytest.mark.parametrize("model", BY_DAY)
@pytest.mark.parametrize(
    ("since", "until", "problem"),
    [
        ("2026-13-01", "", "“2026-13-01” is no date."),
        ("", "2026-02-30", "“2026-02-30” is no date."),
        ("yesterday", "", "“yesterday” is no date."),
        ("２０２６-01-01", "", "“２０２６-01-01” is no date."),
        ("0001-01-01", "", "“0001-01-01” is no date."),
        ("", "9999-12-31", "“9999-12-31” is no date."),
        ("<script>", "", "“&lt;script&gt;” is no date."),
        ("2026-03-02", "2026-03-01", "The last day is before the first."),
    ],
)
def test_days_that_are_none_are_said_and_show_nothing(model, since, until, problem, chief, bank):
    page = chief.browser.get(url_of(model), {"since": since, "until": until})
    assert page.status_code == 200
    assert problem in page.text
    assert list(page.context["cl"].result_list) == []


# --- As CSV -----------------------------------------------------------------------------------


def exported(person, model, **query):
    url = url_of(model, "export") + ("?" + "&".join(f"{n}={v}" for n, v in query.items()))
    answer = forge(person, url)
    assert answer.status_code == 200, answer.content
    assert answer["Content-Disposition"] == f'attachment; filename="{model._meta.db_table}.csv"'
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_the_lists_with_an_export_are_these():
    assert {
        model
        for model, page in site._registry.items()
        if isinstance(page, ReadOnlyAdmin) and page.csv_columns
    } == set(EXPORTED)
    assert not {ApiToken, Customer} & set(EXPORTED)


@pytest.mark.parametrize("model", EXPORTED)
def test_each_exports_all_that_its_list_has_masked_and_without_a_formula(
    model, auditor, bank, reena, rahul
):
    everything = {"status": "all"} if model is ApprovalRequest else {}
    rows = exported(auditor, model, **everything)
    assert len(rows) == model._base_manager.count()
    cells = [cell for row in rows for cell in row.values()]
    assert not any(cell.startswith(("=", "+", "@")) for cell in cells)
    for number in (reena.account.number, rahul.account.number):
        assert not any(number in cell for cell in cells)


def test_amounts_are_plain_beside_their_currency(auditor, bank, reena):
    [row] = exported(auditor, Transfer, kind__exact="PAYMENT")
    assert (row["id"], row["amount"], row["currency"]) == (bank.public_id, "25.00", "INR")
    assert (row["from"], row["from_account"]) == ("Reena", reena.account.masked_number)
    entry = exported(auditor, LedgerEntry, account__id__exact=reena.account.pk)[-1]
    assert (entry["amount"], entry["balance_after"]) == ("-25.00", "4975.00")


def test_an_export_is_filtered_as_its_list_and_audited(auditor, bank, audited):
    today = str(bank_day.of(timezone.now()))
    rows = exported(auditor, Transfer, since=today, kind__exact="PAYMENT", q="reena")
    assert [row["id"] for row in rows] == [bank.public_id]
    [row] = audited(Action.LIST_EXPORTED)
    assert (row.actor_id, row.object_type) == (auditor.user.pk, "transfers")
    assert row.details == {
        "filters": {"since": today, "kind__exact": "PAYMENT"},
        "searched": True,
    }


def test_days_that_are_none_export_nothing_and_lead_back_to_the_list(auditor, bank, audited):
    answer = forge(auditor, url_of(Transfer, "export") + "?since=2026-13-01")
    assert answer.status_code == 302
    assert "is no date" in auditor.browser.get(answer.url).text
    assert audited(Action.LIST_EXPORTED) == []


def test_the_button_is_for_those_who_may_export(teller, auditor, bank):
    assert "as CSV" not in teller.browser.get(url_of(Transfer)).text
    page = auditor.browser.get(url_of(Transfer), {"kind__exact": "CASH"}).text
    assert f'action="{url_of(Transfer, "export")}?kind__exact=CASH"' in page
