"""Every event there is, brought about as people do it and delivered to a program that listens."""

import json

import pytest
from django.core.management import call_command
from django.urls import reverse

from accounts.tests.back_office import fill_in
from accounts.tests.browsing import submit, visit
from office.models import ApprovalRequest
from transfers.models import Transfer
from transfers.outbox import EventType
from transfers.tests.receiver import is_signed


@pytest.fixture
def told(receiver):
    """Return a function that delivers what waits and returns the types and data of it."""

    def told():
        call_command("dispatch", once=True, verbosity=0)
        messages = [json.loads(body) for _, body in receiver.messages]
        receiver.messages.clear()
        return [(one["type"], one["data"]) for one in messages]

    return told


def listen(person, receiver) -> str:
    """Have the person told everything; return the secret."""
    return person.api.post("/webhooks", {"url": receiver.url}).json()["secret"]


def test_every_type_of_event_is_told_to_whom_it_concerns(
    reena, rahul, teller, manager, receiver, told
):
    secret = listen(reena, receiver)
    paid = reena.send(rahul, "25.00").json()["id"]
    also = reena.send(rahul, "1.00").json()["id"]
    reena.send(rahul, "9000.00")
    rahul.send(reena, "2.00")
    rahul.api.post(f"/transfers/{paid}/receipt", {"received_amount": "25.00"})
    rahul.api.post(f"/transfers/{also}/receipt", {"received_amount": "0"})
    browser, limit = reena.browser, f"/limits/{reena.account.public_id}"
    submit(browser, limit, visit(browser, limit), limit="700")
    original = Transfer.objects.get(public_id=paid)
    fill_in(teller, reverse("admin:office_reverse", args=[original.pk]), amount="5.00")
    fill_in(manager, reverse("admin:office_approve", args=[ApprovalRequest.objects.get().pk]))
    call_command("dispatch", once=True, verbosity=0)
    assert all(is_signed(headers, body, secret) for headers, body in receiver.messages)

    events = dict.fromkeys(receiver.events)
    messages = told()
    assert list(events) == [
        *("transfer.completed", "transfer.refused", "transfer.received"),
        *("receipt.confirmed", "receipt.disputed", "limit.changed", "transfer.reversed"),
    ]
    assert set(events) == set(EventType.values)
    facts = [data for _, data in messages]
    assert facts[2]["failure_code"] == "insufficient_funds"
    assert (facts[4]["credited_amount"], facts[4]["received_amount"]) == ("25.00", "25.00")
    assert (facts[5]["credited_amount"], facts[5]["received_amount"]) == ("1.00", "0.00")
    assert facts[6]["daily_limit"] == "700.00"
    assert (facts[7]["entry_amount"], facts[7]["balance_after"]) == ("5.00", "4981.00")


def test_a_reversal_is_told_to_both_sides_once_it_is_approved_and_not_before(
    reena, rahul, teller, manager, receiver, told
):
    original = Transfer.objects.get(public_id=reena.send(rahul, "25.00").json()["id"])
    for person in (reena, rahul):
        listen(person, receiver)
    fill_in(teller, reverse("admin:office_reverse", args=[original.pk]), amount="10.00")
    assert told() == []

    fill_in(manager, reverse("admin:office_approve", args=[ApprovalRequest.objects.get().pk]))

    found = told()
    [back] = Transfer.objects.filter(kind=Transfer.Kind.REVERSAL)
    assert {kind for kind, _ in found} == {"transfer.reversed"}
    assert {data["transfer_id"] for _, data in found} == {back.public_id}
    assert {data["account_id"]: data["entry_amount"] for _, data in found} == {
        rahul.account.public_id: "-10.00",
        reena.account.public_id: "10.00",
    }
    assert (reena.balance(), rahul.balance()) == (498_500, 301_500)
