"""The back office on money: shown to staff, moved by nothing but cash over the counter."""

import datetime as dt

import pytest
from django.contrib import admin as django_admin
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import bank_day, operations
from accounts.models import Account, AccountDailyUsage, ApiToken, Customer
from accounts.tests.back_office import REASON, errors, fill_in, forge
from audit.models import Action, AuditLog
from office import approvals
from office.models import ApprovalRequest
from transfers import webhooks
from transfers.models import Dispute, LedgerEntry, Transfer, WebhookDelivery, WebhookEndpoint
from transfers.operations import timezone as clock

READ_ONLY = [
    *(Account, AccountDailyUsage, ApiToken, ApprovalRequest, AuditLog, Customer),
    *(Dispute, LedgerEntry, Transfer, WebhookDelivery, WebhookEndpoint),
]


def page_of(model, name, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def cash_page(direction, account):
    name = {"deposit": "office_deposit", "withdraw": "office_withdraw_cash"}[direction]
    return reverse(f"admin:{name}", args=[account.pk])


def account_page(account):
    return page_of(Account, "change", account.pk)


# --- Cash over the counter --------------------------------------------------------------------


def test_a_teller_takes_in_cash(teller, reena, audited):
    answer = fill_in(
        teller, cash_page("deposit", reena.account), amount="120.50", reference="Till 3"
    )

    assert (answer.status_code, answer.url) == (302, account_page(reena.account))
    assert reena.balance() == 512_050
    transfer = Transfer.objects.order_by("pk").last()
    assert (transfer.kind, transfer.status) == ("CASH", "COMPLETED")
    assert (transfer.caller, transfer.reference) == (teller.user, "Till 3")
    house = operations.cash_account("INR")
    assert (transfer.from_account, transfer.to_account) == (house, reena.account)
    assert sum(Account.objects.values_list("balance_minor", flat=True)) == 0
    rows = [
        one for one in audited(Action.TRANSFER_COMPLETED) if one.object_id == transfer.public_id
    ]
    balances = [(house, -500_000, -512_050), (reena.account, 500_000, 512_050)]
    for row, (account, before, after) in zip(rows, balances, strict=True):
        assert (row.actor_id, row.account_id) == (teller.user.pk, account.pk)
        assert row.request_id == answer.headers["X-Request-ID"]
        assert row.ip == "127.0.0.1"
        assert row.details == {
            "amount_minor": 12_050,
            "currency": "INR",
            "kind": "CASH",
            "reason": REASON,
            "before": {"balance_minor": before},
            "after": {"balance_minor": after},
        }


def test_a_teller_pays_out_cash_outside_the_daily_limit(teller, meera, audited):
    answer = fill_in(teller, cash_page("withdraw", meera.account), amount="450")
    assert answer.status_code == 302
    assert meera.balance() == 5_000
    assert not AccountDailyUsage.objects.filter(account=meera.account).exists()
    rows = audited(Action.TRANSFER_COMPLETED)[-2:]
    assert [(row.account_id, row.actor_id) for row in rows] == [
        (meera.account.pk, teller.user.pk),
        (operations.cash_account("INR").pk, teller.user.pk),
    ]
    moved = {"amount_minor": 45_000, "currency": "INR", "kind": "CASH", "reason": REASON}
    assert [row.details for row in rows] == [
        {**moved, "before": {"balance_minor": 50_000}, "after": {"balance_minor": 5_000}},
        {**moved, "before": {"balance_minor": -50_000}, "after": {"balance_minor": -5_000}},
    ]


@pytest.mark.parametrize(("direction", "balance"), [("deposit", 510_000), ("withdraw", 490_000)])
def test_a_form_sent_twice_moves_cash_once_and_says_the_same(direction, balance, teller, reena):
    browser = teller.browser
    url = cash_page(direction, reena.account)
    page = browser.get(url)
    form = {
        "csrfmiddlewaretoken": str(page.context["csrf_token"]),
        "key": page.context["form"]["key"].value(),
        "amount": "100",
        "reason": REASON,
    }

    answers = [browser.post(url, form, follow=True) for _ in range(3)]

    assert reena.balance() == balance
    said = [[str(one) for one in answer.context["messages"]] for answer in answers]
    assert said[0] == said[1] == said[2]
    assert "₹100.00" in said[0][0]
    assert Transfer.objects.filter(kind="CASH", amount_minor=10_000).count() == 1


def test_two_pages_are_two_deposits(teller, reena):
    for _ in range(2):
        fill_in(teller, cash_page("deposit", reena.account), amount="100")
    assert reena.balance() == 520_000


def test_a_page_sent_again_with_another_amount_asks_first(teller, reena):
    url = cash_page("deposit", reena.account)
    key = teller.browser.get(url).context["form"]["key"].value()
    forge(teller, url, key=key, amount="100", reason=REASON)

    page = forge(teller, url, key=key, amount="200", reason=REASON)

    assert page.status_code == 200
    assert "sent before" in errors(page)["__all__"][0]
    assert page.context["form"]["key"].value() != key
    assert reena.balance() == 510_000


def test_cash_that_is_not_there_is_refused_and_the_page_can_be_sent_again(teller, meera, audited):
    url = cash_page("withdraw", meera.account)
    page = fill_in(teller, url, amount="500.01")

    assert page.status_code == 200
    assert errors(page) == {"__all__": ["Refused: only ₹500.00 is available."]}
    assert meera.balance() == 50_000
    [row] = audited(Action.TRANSFER_REFUSED)
    assert (row.account_id, row.actor_id) == (meera.account.pk, teller.user.pk)
    assert row.details == {
        "amount_minor": 50_001,
        "currency": "INR",
        "kind": "CASH",
        "reason": REASON,
        "code": "insufficient_funds",
        "available_minor": 50_000,
    }

    key = page.context["form"]["key"].value()
    again = forge(teller, url, amount="500", reason=REASON, key=key)
    assert again.status_code == 302
    assert meera.balance() == 0


@pytest.mark.parametrize("direction", ["deposit", "withdraw"])
def test_no_cash_moves_on_a_frozen_account(direction, teller, reena):
    operations.freeze(reena.account, reason="r", origin=teller.origin)
    page = fill_in(teller, cash_page(direction, reena.account), amount="1")
    assert errors(page) == {"__all__": ["Refused: the account is not active."]}
    assert reena.balance() == 500_000


def test_a_deposit_beyond_what_the_books_can_hold_is_refused_in_plain_words(
    teller, make_customer, monkeypatch
):
    person = make_customer("reena", currency="KWD")
    monkeypatch.setattr("accounts.money.MAX_BALANCE_MINOR", 500_100)
    page = fill_in(teller, cash_page("deposit", person.account), amount="0.101")
    assert errors(page) == {
        "__all__": ["Refused: that is more KWD in cash than the bank’s books can hold."]
    }
    assert person.balance() == 500_000
    assert fill_in(teller, cash_page("deposit", person.account), amount="0.1").status_code == 302


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        *(("amount", typed) for typed in ["", "0", "-5", "1.234", "1e3", "5 0", "９", "9" * 14]),
        ("reference", "x" * 141),
        ("reference", "a\u202eb"),
        *(("reason", typed) for typed in ["", "   ", "x" * 201, "a\u202eb", "line\nbreak"]),
        ("key", "approval:7"),
        ("key", ""),
    ],
)
@pytest.mark.parametrize("direction", ["deposit", "withdraw"])
def test_a_wrong_field_moves_nothing(direction, field, typed, teller, reena, books):
    before = books()
    page = fill_in(teller, cash_page(direction, reena.account), **{"amount": "10", field: typed})
    assert page.status_code == 200
    assert list(errors(page)) == [field]
    assert books() == before


@pytest.mark.parametrize("direction", ["deposit", "withdraw"])
@pytest.mark.parametrize(
    ("role", "expected"), [("teller", 200), ("manager", 200), ("auditor", 403), ("admin", 403)]
)
def test_cash_is_for_those_with_the_permission(direction, role, expected, request, reena, books):
    person = request.getfixturevalue(role)
    url = cash_page(direction, reena.account)
    before = books()
    assert person.browser.get(url).status_code == expected
    assert forge(person, url).status_code == expected  # without fields: nothing to carry out
    if expected == 403:
        assert forge(person, url, amount="10", reason="r", key="a" * 32).status_code == 403
    page = person.browser.get(account_page(reena.account)).text  # an administrator's is refused
    assert (f'href="{url}"' in page) == (expected == 200)
    assert books() == before


@pytest.mark.parametrize("direction", ["deposit", "withdraw"])
def test_customers_strangers_and_forms_without_token_move_no_cash(
    direction, teller, reena, rahul, books
):
    url = cash_page(direction, rahul.account)
    form = {"amount": "10", "reason": "r", "key": "a" * 32}
    before = books()
    assert forge(reena, url, **form).status_code == 302
    assert Client().post(url, form).status_code == 302
    assert teller.browser.post(url, form).status_code == 403
    assert books() == before


@pytest.mark.parametrize("direction", ["deposit", "withdraw"])
def test_nobody_pays_themself(direction, reena, books):
    User.objects.filter(pk=reena.user.pk).update(is_staff=True)
    reena.user.groups.add(Group.objects.get(name="manager"))
    reena.user.refresh_from_db()
    url = cash_page(direction, reena.account)
    before = books()
    assert reena.browser.get(url).status_code == 403
    assert forge(reena, url, amount="10", reason="r", key="a" * 32).status_code == 403
    assert url not in reena.browser.get(account_page(reena.account)).text
    assert books() == before


@pytest.mark.parametrize("direction", ["deposit", "withdraw"])
def test_there_is_no_cash_for_the_banks_own_accounts_or_for_none(direction, manager, reena):
    house = operations.cash_account("INR")
    assert manager.browser.get(cash_page(direction, house)).status_code == 404
    nowhere = cash_page(direction, house).replace(str(house.pk), "987654321")
    assert manager.browser.get(nowhere).status_code == 404


# --- Read-only for everybody ------------------------------------------------------------------


@pytest.fixture
def one_of_each(reena, rahul, manager):
    """One row of every model in the back office, at least."""
    tell(rahul)
    dispute(reena.send(rahul, "25.00", reference="Lunch"), rahul)
    approvals.ask_for_limit(reena.account, 2_000_000, reason="r", origin=reena.origin)
    return {
        model: model._base_manager.order_by("-pk").first() for model in [*READ_ONLY, User, Group]
    }


def tell(person):
    """Let a program of the customer be told of what is received."""
    url, events = "https://shop.example", ["transfer.received"]
    webhooks.create(person.customer, url, events, origin=person.origin)


def dispute(sent, receiver):
    """Let the receiver say that nothing came."""
    path = f"/transfers/{sent.json()['id']}/receipt"
    assert receiver.api.post(path, {"received_amount": "0"}).status_code == 200


def _columns(row):
    return type(row)._base_manager.filter(pk=row.pk).values().get()


@pytest.mark.parametrize("model", READ_ONLY)
@pytest.mark.parametrize("role", ["teller", "manager", "auditor", "admin"])
def test_no_forged_form_changes_what_is_read_only(model, role, request, one_of_each, books):
    person = request.getfixturevalue(role)
    row = one_of_each[model]
    before, columns, rows = books(), _columns(row), model._base_manager.count()
    fields = dict.fromkeys(columns, "1") | {"balance_minor": "999999999", "post": "yes"}

    assert forge(person, page_of(model, "change", row.pk), **fields).status_code == 403
    assert forge(person, page_of(model, "delete", row.pk), **fields).status_code == 403
    assert forge(person, page_of(model, "add"), **fields).status_code == 403
    assert person.browser.get(page_of(model, "add")).status_code == 403
    assert person.browser.get(page_of(model, "delete", row.pk)).status_code == 403
    bulk = {"action": "delete_selected", "_selected_action": [row.pk], "index": "0"}
    forge(person, page_of(model, "changelist"), **(fields | bulk))

    assert (books(), _columns(row), model._base_manager.count()) == (before, columns, rows)


def test_not_even_djangos_own_permissions_open_what_is_read_only(make_staff, one_of_each, books):

    clerk = make_staff("clerk")
    clerk.user.user_permissions.set(Permission.objects.all())
    before = books()
    for model in READ_ONLY:
        row = one_of_each[model]
        assert clerk.browser.get(page_of(model, "change", row.pk)).status_code == 200
        for url in (page_of(model, "change", row.pk), page_of(model, "delete", row.pk)):
            assert forge(clerk, url, balance_minor="1", post="yes").status_code == 403
    assert books() == before


def test_every_model_about_money_is_on_the_list_of_the_read_only():
    assert set(django_admin.site._registry) == {*READ_ONLY, User, Group}


# --- Every page -------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["auditor", "chief"])
def test_every_list_and_page_can_be_read(role, request, one_of_each):
    browser = request.getfixturevalue(role).browser
    assert browser.get(reverse("admin:index")).status_code == 200
    for model, row in one_of_each.items():
        for url in (page_of(model, "changelist"), page_of(model, "change", row.pk)):
            page = browser.get(url)
            assert page.status_code == 200
            assert "style=" not in page.text.replace("style-src", "")
            assert "<script>" not in page.text
            assert "/history/" not in page.text or model in (User, Group)


@pytest.mark.parametrize(
    ("role", "hidden"),
    [
        ("teller", {ApiToken, AuditLog, User, Group, WebhookDelivery, WebhookEndpoint}),
        ("manager", {User, Group}),
        ("auditor", set()),
    ],
)
def test_each_role_reads_what_its_permissions_name(role, hidden, request, one_of_each):
    browser = request.getfixturevalue(role).browser
    for model, row in one_of_each.items():
        expected = 403 if model in hidden else 200
        assert browser.get(page_of(model, "changelist")).status_code == expected
        assert browser.get(page_of(model, "change", row.pk)).status_code == expected


@pytest.mark.parametrize("model", READ_ONLY)
def test_an_unknown_row_is_not_found(model, chief):
    for key in ("987654321", "x", "9" * 40):
        assert chief.browser.get(page_of(model, "change", key)).status_code == 404


@pytest.mark.parametrize("model", READ_ONLY)
def test_what_is_read_only_has_no_history_but_the_audit_log(model, admin, teller, one_of_each):
    url = page_of(model, "history", one_of_each[model].pk)
    for person in (admin, teller):
        assert person.browser.get(url).status_code == 404
        assert forge(person, url).status_code == 404


@pytest.mark.parametrize("model", READ_ONLY)
def test_a_list_asks_as_much_for_many_rows_as_for_few(model, chief, make_customer, one_of_each):
    browser = chief.browser

    def queries():
        with CaptureQueriesContext(connection) as asked:
            assert browser.get(page_of(model, "changelist")).status_code == 200
        return len(asked)

    few, rows = queries(), model._base_manager.count()
    people = [make_customer(name) for name in ("anita", "meera", "kavita", "vikram")]
    for person in people:
        tell(person)
    for person in people:
        receiver = people[0] if person != people[0] else people[1]
        dispute(person.send(receiver, "1.00"), receiver)
        approvals.ask_for_limit(person.account, 2_000_000, reason="r", origin=person.origin)
    assert model._base_manager.count() >= rows + 4
    assert queries() == few


@pytest.mark.parametrize("name", ["account", "transfer"])
def test_a_page_asks_as_much_for_a_long_history_as_for_a_short_one(
    name, chief, reena, rahul, anita
):
    reena.send(rahul, "1.00")
    urls = {
        "account": account_page(reena.account),
        "transfer": page_of(Transfer, "change", Transfer.objects.last().pk),
    }
    browser = chief.browser

    def queries():
        with CaptureQueriesContext(connection) as asked:
            assert browser.get(urls[name]).status_code == 200
        return len(asked)

    few = queries()
    for _ in range(3):
        reena.send(anita, "1.00")
        rahul.send(reena, "1.00")
    assert queries() == few


def test_an_account_page_shows_the_ten_latest_entries(manager, reena, rahul):
    for pence in range(1, 13):
        reena.send(rahul, f"0.{pence:02d}", reference=f"no-{pence}-")
    page = manager.browser.get(account_page(reena.account)).text
    assert [pence for pence in range(1, 13) if f"no-{pence}-" in page] == list(range(3, 13))


# --- Finding ----------------------------------------------------------------------------------


def found(person, model, **query):
    page = person.browser.get(page_of(model, "changelist"), query)
    assert page.status_code == 200
    return list(page.context["cl"].result_list)


def transfer_of(answer):
    body = answer.json()
    return Transfer.objects.get(public_id=body.get("id") or body["transfer_id"])


def test_transfers_are_found_by_id_request_account_and_name(teller, reena, rahul, anita):
    wanted = transfer_of(reena.send(rahul, "5"))
    other = transfer_of(anita.send(reena, "5"))
    number = rahul.account.number
    spaced = f"{number[:4]} {number[4:8]} {number[8:]}"

    for term in (wanted.public_id, wanted.request_id):
        assert found(teller, Transfer, q=term) == [wanted]
    for term in (number, spaced, "rahul"):
        assert [one for one in found(teller, Transfer, q=term) if one.kind == "PAYMENT"] == [wanted]
    payments = found(teller, Transfer, q="reena", kind__exact="PAYMENT")
    assert payments == [other, wanted]
    assert found(teller, Transfer, q="nobody") == []


def test_transfers_are_filtered_by_outcome(teller, reena, rahul, meera):
    paid = transfer_of(reena.send(rahul, "5"))
    poor = transfer_of(meera.send(rahul, "900"))
    over = transfer_of(meera.send(rahul, "150"))
    rahul.api.post(f"/transfers/{paid.public_id}/receipt", {"received_amount": "4.00"})

    assert found(teller, Transfer, status__exact="REJECTED") == [over, poor]
    assert found(teller, Transfer, failure_code="insufficient_funds") == [poor]
    assert found(teller, Transfer, failure_code="daily_limit_exceeded") == [over]
    assert found(teller, Transfer, receipt_status__exact="DISPUTED") == [paid]
    assert paid not in found(teller, Transfer, kind__exact="CASH")


def test_transfers_and_entries_are_filtered_by_the_banks_day(teller, reena, rahul, monkeypatch):
    now = clock.now()
    today = bank_day.of(now)
    sent = {}
    for days in (0, 1, 6, 7, 40):
        with monkeypatch.context() as patch:
            patch.setattr(clock, "now", lambda days=days: now - dt.timedelta(days=days))
            sent[days] = transfer_of(reena.send(rahul, "1"))

    def ages(period):
        mine = {one.pk for one in found(teller, Transfer, period=period, kind__exact="PAYMENT")}
        entries = found(teller, LedgerEntry, period=period)
        assert mine == {one.transfer_id for one in entries} & {one.pk for one in sent.values()}
        return {days for days, one in sent.items() if one.pk in mine}

    assert ages("today") == {0}
    assert ages("yesterday") == {1}
    assert ages("week") == {0, 1, 6}
    assert ages("month") == {days for days in sent if days < today.day}
    assert ages("no such period") == set(sent)


def test_entries_are_found_by_account_and_transfer(teller, reena, rahul):
    transfer = transfer_of(reena.send(rahul, "5"))
    both = found(teller, LedgerEntry, q=transfer.public_id)
    assert {(one.account_id, one.amount_minor) for one in both} == {
        (reena.account.pk, -500),
        (rahul.account.pk, 500),
    }
    own = found(teller, LedgerEntry, account__id__exact=reena.account.pk)
    assert [one.sequence for one in own] == [2, 1]


# --- What a transfer's page says --------------------------------------------------------------


def test_a_transfer_page_leads_to_accounts_entries_and_audit(manager, reena, rahul):
    transfer = transfer_of(reena.send(rahul, "25.00", reference="Lunch"))
    page = manager.browser.get(page_of(Transfer, "change", transfer.pk)).text
    urls = [account_page(reena.account), account_page(rahul.account)]
    urls += [page_of(LedgerEntry, "change", one.pk) for one in transfer.entries.all()]
    rows = AuditLog.objects.filter(object_id=transfer.public_id)
    urls += [page_of(AuditLog, "change", one.pk) for one in rows]
    urls.append(page_of(AuditLog, "changelist") + f"?q={transfer.request_id}")
    for url in urls:
        assert f'href="{url}"' in page
        assert manager.browser.get(url).status_code == 200
    assert "₹25.00" in page
    assert "Lunch" in page


def test_a_refused_transfer_shows_the_rule_the_numbers_and_the_request(manager, meera, rahul):
    transfer = transfer_of(meera.send(rahul, "150"))
    page = manager.browser.get(page_of(Transfer, "change", transfer.pk)).text
    assert "daily_limit_exceeded" in page
    assert "limit ₹100.00, remaining ₹100.00, used ₹0.00" in page
    assert transfer.request_id in page
    assert "No money has moved." in page
