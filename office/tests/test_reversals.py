"""Money sent back: by a transfer of its own, never more than came, and only by two people."""

from collections import Counter

import pytest
from django.core.management import call_command
from django.db import transaction
from django.urls import reverse

from accounts import operations
from accounts.tests.back_office import errors, fill_in, forge
from audit.models import Action
from office import approvals
from office.models import ApprovalRequest
from transfers.models import Transfer
from transfers.tests.test_concurrency import together


@pytest.fixture
def payment(reena, rahul):
    sent = reena.send(rahul, "100.00").json()["id"]
    return Transfer.objects.with_parties().get(public_id=sent)


@pytest.fixture
def ask(payment, teller):
    def reversal(minor=5_000, original=payment, key="k"):
        return approvals.ask_to_reverse(
            original, minor, key=key, reason="Sent twice", origin=teller.origin
        )

    return reversal


def reverse_page(transfer):
    return reverse("admin:office_reverse", args=[transfer.pk])


def reversed_minor(transfer):
    return Transfer.objects.get(pk=transfer.pk).reversed_minor


def test_half_a_transfer_goes_back_when_a_second_person_approves_it(
    teller, manager, reena, rahul, payment, books, audited
):
    before = books()
    answer = fill_in(teller, reverse_page(payment), amount="50.00", reason="Sent twice")
    assert answer.status_code == 302
    assert books() == before
    [wish] = ApprovalRequest.objects.all()
    page = manager.browser.get(answer.url).text
    assert "Waits for a second person" in page

    fill_in(manager, reverse("admin:office_approve", args=[wish.pk]))

    assert (reena.balance(), rahul.balance()) == (495_000, 305_000)
    [back] = Transfer.objects.filter(kind="REVERSAL")
    assert (back.status, back.amount_minor, back.reverses) == ("COMPLETED", 5_000, payment)
    assert (back.from_account, back.to_account) == (rahul.account, reena.account)
    assert back.approval == wish
    assert [row.details["approval"] for row in audited(Action.TRANSFER_COMPLETED)[-2:]] == [
        wish.public_id,
        wish.public_id,
    ]
    for one, other in ((payment, back), (back, payment)):
        url = reverse("admin:transfers_transfer_change", args=[one.pk])
        link = reverse("admin:transfers_transfer_change", args=[other.pk])
        assert f'href="{link}"' in manager.browser.get(url).text


def test_the_api_tells_both_sides_what_was_sent_back(ask, manager, reena, rahul, payment):
    approvals.approve(ask(), answer="", origin=manager.origin)
    back = Transfer.objects.get(kind="REVERSAL")
    for person in (reena, rahul):
        told = person.api.get(f"/transfers/{payment.public_id}").json()
        assert (told["reverses"], told["reversed_amount"]) == (None, "50.00")
        told = person.api.get(f"/transfers/{back.public_id}").json()
        assert (told["reverses"], told["reversed_amount"]) == (payment.public_id, "0.00")
    limits = reena.api.get(f"/accounts/{reena.account.public_id}/limits").json()
    assert limits["used"] == "100.00"  # a reversal counts nothing


def test_a_replayed_payment_is_answered_as_it_was_before_its_reversal(
    manager, teller, reena, rahul
):
    first = reena.send(rahul, "100.00", key="once")
    sent = Transfer.objects.with_parties().get(public_id=first.json()["id"])
    wish = approvals.ask_to_reverse(sent, 10_000, key="k", reason="r", origin=teller.origin)
    approvals.approve(wish, answer="", origin=manager.origin)
    assert reena.send(rahul, "100.00", key="once").content == first.content


def test_more_than_is_left_is_neither_asked_nor_done(ask, manager, payment, reena):
    with pytest.raises(approvals.NotPossible, match="Only ₹100.00 of the transfer is left"):
        ask(10_001)
    whole, part = ask(10_000, key="whole"), ask(1, key="part")
    assert approvals.approve(whole, answer="", origin=manager.origin).status == "APPROVED"
    failed = approvals.approve(part, answer="", origin=manager.origin)
    assert (failed.status, failed.result) == ("FAILED", None)
    assert failed.answer == "Only ₹0.00 of the transfer is left to be reversed."
    assert (reversed_minor(payment), reena.balance()) == (10_000, 500_000)
    with pytest.raises(Exception, match="reversed_at_most_the_amount"), transaction.atomic():
        Transfer.objects.filter(pk=payment.pk).update(reversed_minor=10_001)


def test_a_receiver_who_has_spent_it_is_a_clear_case_and_no_negative_balance(
    ask, manager, reena, rahul, anita, payment
):
    wish = ask(10_000)
    rahul.send(anita, "3050.00")
    failed = approvals.approve(wish, answer="", origin=manager.origin)

    assert (failed.status, failed.answer) == ("FAILED", "Refused: only ₹50.00 is available.")
    refused = failed.result
    assert (refused.status, refused.failure_code) == ("REJECTED", "insufficient_funds")
    assert refused.reverses == payment
    assert (rahul.balance(), reena.balance(), reversed_minor(payment)) == (5_000, 490_000, 0)
    page = manager.browser.get(reverse("admin:office_approvalrequest_change", args=[wish.pk])).text
    assert "Approved, but not possible" in page
    assert "only ₹50.00 is available" in page


def test_nothing_comes_out_of_a_frozen_account(ask, manager, rahul, teller, payment):
    wish = ask()
    operations.freeze(rahul.account, reason="r", origin=teller.origin)
    failed = approvals.approve(wish, answer="", origin=manager.origin)
    assert (failed.status, failed.answer) == ("FAILED", "Refused: the account is not active.")
    assert (rahul.balance(), reversed_minor(payment)) == (310_000, 0)


def test_what_was_refused_or_is_a_reversal_itself_is_not_reversed(
    ask, manager, reena, rahul, teller
):
    refused = reena.send(rahul, "9999.00").json()["transfer_id"]
    refused = Transfer.objects.with_parties().get(public_id=refused)
    with pytest.raises(approvals.NotPossible, match="Only a completed transfer"):
        ask(1, refused)
    approvals.approve(ask(), answer="", origin=manager.origin)
    back = Transfer.objects.with_parties().get(kind="REVERSAL")
    with pytest.raises(approvals.NotPossible, match="A reversal cannot be reversed"):
        ask(1, back, key="another page")
    page = teller.browser.get(reverse("admin:transfers_transfer_change", args=[back.pk])).text
    assert reverse_page(back) not in page


def test_cash_that_was_miscounted_goes_back_too(ask, manager, reena):
    opening = Transfer.objects.with_parties().get(kind="CASH", to_account=reena.account)
    approvals.approve(ask(1_000, opening), answer="", origin=manager.origin)
    assert (reena.balance(), reversed_minor(opening)) == (489_000, 1_000)


def test_a_page_sent_twice_asks_once_and_a_second_page_for_more(teller, payment):
    url = reverse_page(payment)
    key = teller.browser.get(url).context["form"]["key"].value()
    for _ in range(2):
        assert forge(teller, url, key=key, amount="10", reason="r").status_code == 302
    assert fill_in(teller, url, amount="20").status_code == 302
    assert sorted(ApprovalRequest.objects.values_list("amount_minor", flat=True)) == [1_000, 2_000]


@pytest.mark.parametrize("amount", ["", "0", "-1", "1e2", "100.001", "100.01"])
def test_a_wrong_amount_asks_nothing(amount, teller, payment):
    page = fill_in(teller, reverse_page(payment), amount=amount)
    assert page.status_code == 200
    assert errors(page)
    assert not ApprovalRequest.objects.exists()


def test_staff_on_either_side_neither_ask_nor_decide(make_staff, reena, ask, payment, rahul):
    for person in (reena, rahul):
        with pytest.raises(approvals.NotPossible, match="account of their own"):
            approvals.approve(ask(), answer="", origin=person.origin)
        with pytest.raises(approvals.NotPossible, match="account of their own"):
            approvals.ask_to_reverse(payment, 1, key="o", reason="r", origin=person.origin)


@pytest.mark.row_locks
@pytest.mark.django_db(transaction=True)
def test_of_twenty_racing_approvals_never_more_goes_back_than_came(
    ask, make_staff, reena, rahul, payment
):
    wishes = [ask(3_000, key=f"part {n}") for n in range(20)]
    staff = [make_staff(f"manager{n}", "manager") for n in range(20)]

    statuses = together(
        *[
            lambda n=n: approvals.approve(wishes[n], answer="", origin=staff[n].origin).status
            for n in range(20)
        ]
    )

    assert Counter(statuses) == {"APPROVED": 3, "FAILED": 17}
    assert reversed_minor(payment) == 9_000
    assert (reena.balance(), rahul.balance()) == (499_000, 301_000)
    assert Transfer.objects.filter(kind="REVERSAL").count() == 3
    call_command("reconcile")


@pytest.mark.row_locks
@pytest.mark.django_db(transaction=True)
def test_twenty_racing_approvals_of_one_request_send_it_back_once(ask, make_staff, reena, payment):
    wish = ask(10_000)
    staff = [make_staff(f"manager{n}", "manager") for n in range(20)]

    def approve(n):
        try:
            return approvals.approve(wish, answer="", origin=staff[n].origin).status
        except approvals.NotPossible:
            return "too late"

    results = Counter(together(*[lambda n=n: approve(n) for n in range(20)]))
    assert results == {"APPROVED": 1, "too late": 19}
    assert (reena.balance(), reversed_minor(payment)) == (500_000, 10_000)
    call_command("reconcile")
