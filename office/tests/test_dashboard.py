"""The first page: figures of today against last week, queues, and balances that are nothing."""

import datetime as dt
import re

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from accounts.models import AccountDailyUsage
from audit.models import Action
from audit.operations import Origin, record
from office import approvals, dashboard
from transfers.models import Transfer


@pytest.fixture(autouse=True)
def nothing_is_remembered():
    dashboard._moved_for_good.cache_clear()
    dashboard._counted.clear()
    yield
    dashboard._moved_for_good.cache_clear()
    dashboard._counted.clear()


def days_ago(transfer_id, days):
    """Let a payment have been made on an earlier bank day."""
    transfer = Transfer.objects.get(public_id=transfer_id)
    today, day = transfer.bank_date, transfer.bank_date - dt.timedelta(days=days)
    Transfer.objects.filter(pk=transfer.pk).update(bank_date=day)
    usage = AccountDailyUsage.objects.filter(account=transfer.from_account)
    usage.filter(bank_date=today).update(used_minor=F("used_minor") - transfer.amount_minor)
    usage.create(account=transfer.from_account, bank_date=day, used_minor=transfer.amount_minor)


def test_volume_and_value_stand_beside_those_of_a_week_ago(manager, reena, rahul):
    reena.send(rahul, "10.00")
    reena.send(rahul, "20.00")
    days_ago(reena.send(rahul, "5.50").json()["id"], 7)
    shown = dashboard.of(manager.user)
    assert shown["changes"] == [
        ("Completed today", "4", "1"),  # with both opening deposits
        ("Sent today, INR", "₹30.00", "₹5.50"),
    ]
    (_, volumes), (_, values) = shown["charts"]
    assert [bar.text for bar in volumes] == ["1", "0", "0", "0", "0", "0", "0", "4"]
    assert (values[-1].height, values[0].height, values[1].height) == (90, 16, 0)
    assert [bar.is_compared for bar in values] == [True, *[False] * 6, True]
    page = manager.browser.get("/admin/").text
    assert "₹30.00" in page
    assert "₹5.50 a week ago" in page


def test_what_was_counted_before_is_not_counted_again(manager, reena, rahul, clock, monkeypatch):
    monkeypatch.setattr(dashboard, "NEWEST", 2)

    def completed():
        return dashboard.of(manager.user)["changes"][0][1]

    clock(0)
    for _ in range(4):
        reena.send(rahul, "1.00")
    assert completed() == "6"  # with both opening deposits
    assert dashboard._counted == {}  # so new that others may be on their way
    clock(600)
    assert completed() == "6"
    reena.send(rahul, "1.00")
    reena.send(rahul, "99999.00")
    [(upto, count)] = dashboard._counted.values()
    assert (count, upto) == (4, Transfer.objects.order_by("pk")[3].pk)
    assert completed() == "7"
    Transfer.objects.filter(pk__lte=upto).update(bank_date="2020-01-01")
    assert completed() == "7"


def test_refusals_accounts_near_their_limit_and_queues_are_shown(manager, reena, rahul, meera):
    reena.send(rahul, "99999.00")
    meera.send(rahul, "85.00")
    meera.send(rahul, "20.00")
    sent = reena.send(rahul, "1.00").json()["id"]
    rahul.api.post(f"/transfers/{sent}/receipt", {"received_amount": "0"})
    approvals.ask_for_limit(meera.account, 20_000, reason="r", origin=meera.origin)
    shown = dashboard.of(manager.user)
    assert shown["refusals"] == [("daily_limit_exceeded", 1), ("insufficient_funds", 1)]
    assert [(one[0], *one[1:]) for one in shown["near_limit"]] == [
        (meera.account, "₹85.00", "₹100.00", 85)
    ]
    assert [count for _, _, count in shown["queues"]] == [1, 1]


def test_all_balances_of_a_currency_are_nothing_together(manager, reena, make_customer):
    make_customer("kiran", currency="KWD", balance=5_000)
    assert dashboard.of(manager.user)["balances"] == [
        ("INR", "₹5,000.00", "-₹5,000.00", "₹0.00", True),
        ("KWD", "KWD 5.000", "-KWD 5.000", "KWD 0.000", True),
    ]


def test_whether_the_log_is_right_is_for_those_who_may_read_it(manager, teller):
    assert "Audit log verified" in manager.browser.get("/admin/").text
    assert "Audit log verified" not in teller.browser.get("/admin/").text


def test_when_the_books_were_last_reconciled_is_shown_and_loud_if_wrong_or_long_ago(
    teller, reena, rahul, clock
):
    def shown():
        page = teller.browser.get("/admin/").text
        return re.search(r"<dt>Books reconciled</dt>(.*?)</div>", page, re.DOTALL)[1]

    clock(0)
    assert '<strong class="loud">never</strong>' in shown()
    reena.send(rahul, "25.00")
    reena.send(rahul, "99999.00")
    origin, of_books = Origin.command("reconcile"), {"object_type": "books", "object_id": ""}
    rows = {"transfers completed": 3, "transfers refused": 1}
    record(Action.BOOKS_RIGHT, origin, **of_books, **rows)
    assert "<dd>right</dd>" in shown()
    assert "4 transfers" in shown()
    clock(26 * 3600)
    assert '<strong class="loud">right, but long ago</strong>' in shown()
    record(Action.BOOKS_FOUND_WRONG, origin, **of_books, wrong="transfer x: no entries", **rows)
    assert '<strong class="loud">found wrong</strong>' in shown()
    assert "transfer x: no entries" in shown()


def test_who_sees_no_transfers_sees_no_figures(make_staff, admin):
    for person in (make_staff("clerk"), admin):
        assert dashboard.of(person.user) is None
        assert person.browser.get("/admin/").status_code == 200


def test_the_first_page_asks_as_much_for_a_long_history_as_for_a_short_one(manager, reena, rahul):
    browser = manager.browser

    def queries():
        with CaptureQueriesContext(connection) as asked:
            assert browser.get("/admin/").status_code == 200
        return len(asked)

    queries()  # counts the days that are over, once
    few = queries()
    for _ in range(3):
        reena.send(rahul, "1.00")
    assert queries() == few <= 16


@pytest.fixture
def find(teller):
    def find(term, person=teller):
        page = person.browser.get("/admin/search/", {"q": term}).text
        return re.findall('href="(/admin/[^"]+(?:/change/|auditlog/[?]q[^"]+))"', page)

    return find


def test_one_box_finds_names_numbers_ids_references_and_amounts(find, reena, rahul, manager):
    response = reena.send(rahul, "12.50", reference="Lunch at Mani’s")
    transfer = Transfer.objects.get(public_id=response.json()["id"])
    number = reena.account.number
    customer = f"/admin/accounts/customer/{reena.customer.pk}/change/"
    account = f"/admin/accounts/account/{reena.account.pk}/change/"
    order = f"/admin/transfers/transfer/{transfer.pk}/change/"
    assert find("Reena") == [customer, account]
    assert find("reena") == [customer, account]
    for term in (number, f"{number[:4]} {number[4:8]} {number[8:]}", number[-4:], number[:7]):
        assert account in find(term)
    for term in (transfer.public_id, transfer.request_id, "12.5", "₹12.50", "lunch"):
        assert order in find(term), term
    assert find(reena.account.public_id) == [account]
    wish = approvals.ask_for_limit(reena.account, 2_000_000, reason="r", origin=reena.origin)
    assert find(wish.public_id) == [f"/admin/office/approvalrequest/{wish.pk}/change/"]
    assert any("auditlog" in one for one in find(transfer.request_id, manager))
    assert find("nobody of that name") == []
    assert find("") == []


def test_the_search_shows_what_its_reader_may_see(find, make_staff, reena, auditor):
    assert find("reena", make_staff("clerk")) == []
    assert len(find("reena", auditor)) == 2


def test_what_was_searched_for_stays_text(teller):
    page = teller.browser.get("/admin/search/", {"q": "<script>alert(1)</script>"}).text
    assert "<script>alert" not in page
