"""A day in the back office, in a real browser: what takes two people, and what stays away."""

import re

import pytest
from django.contrib.auth.models import User

from accounts.models import Account
from office import approvals
from tests.browser.conftest import DESKTOP, barriers
from transfers.models import Dispute, Transfer

OURS = "office-search|class=.bar|figures|found|waiting|notes|period|revealed|loud|export|id_"
INBOX = "/admin/office/approvalrequest/"


@pytest.fixture
def at_the_desk(open_browser, teller, manager):
    """A window each for the teller and the manager."""
    return open_browser(teller), open_browser(manager)


def account_page(person) -> str:
    return f"/admin/accounts/account/{person.account.pk}/change/"


def press(page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def follow(page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()


def approve_the_newest(manager) -> None:
    """Open the inbox, the newest request in it, and approve that."""
    manager.goto(INBOX)
    manager.locator("#result_list tbody th a").first.click()
    follow(manager, "Approve")
    press(manager, "Approve and do it")
    assert "Approved and done." in manager.inner_text(".messagelist")


def test_two_people_raise_a_limit(at_the_desk, meera):
    teller, manager = at_the_desk
    teller.goto(account_page(meera))
    follow(teller, "Change daily limit")
    teller.fill("#id_daily_limit", "500.00")
    teller.fill("#id_reason", "Moves house this month")
    press(teller, "Change limit")
    assert "waits for somebody else" in teller.inner_text(".messagelist")
    assert "Moves house this month" in teller.inner_text(".waiting")
    assert Account.objects.get(pk=meera.account.pk).daily_limit_minor == 10_000

    approve_the_newest(manager)
    manager.goto(account_page(meera))
    assert "₹500.00" in manager.inner_text(".figures")


def test_half_a_transfer_is_sent_back(at_the_desk, reena, rahul):
    teller, manager = at_the_desk
    sent = Transfer.objects.get(public_id=reena.send(rahul, "100.00").json()["id"])
    teller.goto("/admin/")
    teller.fill("#office-search", sent.public_id)
    press(teller, "Search")
    teller.locator(".found a").first.click()
    follow(teller, "Reverse")
    assert teller.input_value("#id_amount") == "100.00"
    teller.fill("#id_amount", "50.00")
    teller.fill("#id_reason", "Half of it was paid before")
    press(teller, "Ask to reverse")

    approve_the_newest(manager)
    assert (reena.balance(), rahul.balance()) == (495_000, 305_000)
    manager.goto(f"/admin/transfers/transfer/{sent.pk}/change/")
    assert "₹50.00" in manager.inner_text(".field-reversed_amount")
    manager.locator(".field-undone_by a").click()
    assert sent.public_id in manager.inner_text(".field-undoes")


def test_a_dispute_is_resolved(at_the_desk, reena, rahul):
    teller, manager = at_the_desk
    sent = reena.send(rahul, "100.00").json()["id"]
    rahul.api.post(f"/transfers/{sent}/receipt", {"received_amount": "90.00"})
    teller.goto("/admin/")
    follow(teller, "Open disputes")
    teller.locator("#result_list tbody th a").first.click()
    assert "₹90.00" in teller.inner_text(".figures")
    follow(teller, "Add note")
    teller.fill("#id_text", "Called Rahul: he looked at the fee")
    press(teller, "Add note")
    follow(teller, "Resolve by explanation")
    teller.fill("#id_text", "It was his own bank's fee")
    press(teller, "Resolve")
    assert Dispute.objects.get().resolution == "EXPLAINED"
    assert "Called Rahul" in teller.inner_text("#content")
    manager.goto("/admin/transfers/dispute/")
    assert "0 disputes" in manager.inner_text("#changelist")


def test_an_account_frozen_while_the_customer_is_about_to_send_pays_nothing(
    at_the_desk, open_browser, reena, rahul
):
    teller, _ = at_the_desk
    customer = open_browser(reena)
    customer.goto("/send")
    customer.fill("[name=to_account_number]", rahul.account.number)
    customer.fill("[name=amount]", "10")
    customer.fill("[name=payee_name]", "Rahul")
    press(customer, "Continue")
    send = customer.get_by_role("button", name=re.compile("Send ₹10.00"))
    send.wait_for()

    teller.goto(account_page(reena))
    follow(teller, "Freeze")
    teller.fill("#id_reason", "Card stolen")
    press(teller, "Freeze")

    send.click()
    customer.locator("main").get_by_text(re.compile("not active|No money left")).first.wait_for()
    assert (reena.balance(), rahul.balance()) == (500_000, 300_000)


def test_personal_data_is_revealed_for_a_reason_and_the_auditor_sees_that(
    at_the_desk, open_browser, auditor, reena
):
    type(reena.user).objects.filter(pk=reena.user.pk).update(email="reena@example.com")
    teller, _ = at_the_desk
    teller.goto("/admin/")
    teller.fill("#office-search", "reena")
    press(teller, "Search")
    teller.locator(".found a").first.click()
    assert "r•••@•••" in teller.inner_text("#content")
    follow(teller, "Reveal personal data")
    press(teller, "Reveal")
    assert "This field is required" in teller.inner_text("#content")
    teller.fill("#id_reason", "Calls about a lost card")
    press(teller, "Reveal")
    assert "reena@example.com" in teller.inner_text(".revealed")
    assert reena.account.number in teller.inner_text(".revealed")
    follow(teller, "Done")
    assert "reena@example.com" not in teller.content()

    desk = open_browser(auditor)
    desk.goto("/admin/audit/auditlog/?action__exact=customer.revealed")
    assert "Calls about a lost card" in desk.inner_text("#result_list")
    assert "teller" in desk.inner_text("#result_list")


def test_a_list_is_narrowed_from_one_day_to_another(at_the_desk, reena, rahul):
    reena.send(rahul, "10.00")
    teller, _ = at_the_desk
    day = Transfer.objects.latest("pk").bank_date
    teller.goto("/admin/transfers/transfer/?kind__exact=PAYMENT")
    teller.fill("#period-since", str(day))
    teller.fill("#period-until", str(day))
    press(teller, "Show")
    assert teller.locator("#result_list tbody tr").count() == 1
    teller.fill("#period-until", "2020-01-01")
    press(teller, "Show")
    assert "The last day is before the first." in teller.inner_text("#changelist")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_of_the_office_has_a_barrier_of_ours(open_browser, chief, reena, rahul, scheme):
    """Django's own frame is not ours to judge: what stands in it is."""
    approvals.ask_for_limit(reena.account, 2_000_000, reason="r", origin=reena.origin)
    sent = reena.send(rahul, "100.00").json()["id"]
    rahul.api.post(f"/transfers/{sent}/receipt", {"received_amount": "90.00"})
    dispute, customer = Dispute.objects.get(), f"/admin/accounts/customer/{reena.customer.pk}"
    colleague = User.objects.create_user("colleague", is_staff=True)
    # axe itself tries out inline styles, which the policy would rightly refuse.
    page = open_browser(chief, DESKTOP, color_scheme=scheme, bypass_csp=True)
    for path in (
        *("/admin/", INBOX, "/admin/search/?q=reena"),
        *(f"/admin/transfers/dispute/{dispute.pk}/{one}/" for one in ("change", "note", "explain")),
        *(f"{customer}/{one}/" for one in ("change", "update", "close", "reveal")),
        *("/admin/transfers/transfer/", "/admin/transfers/ledgerentry/?since=none"),
        f"/admin/auth/user/{colleague.pk}/change/",
        f"/admin/second-factor/{colleague.pk}/remove/",
    ):
        page.goto(path)
        ours = [one for one in barriers(page) if re.search(OURS, one)]
        assert ours == [], path
    page.goto(f"{customer}/reveal/")
    page.fill("#id_reason", "To look at the page")
    press(page, "Reveal")
    assert [one for one in barriers(page) if re.search(OURS, one)] == []
