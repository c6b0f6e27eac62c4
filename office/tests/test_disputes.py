"""Disputes: a queue that fills by itself, notes that stay, and two ways out."""

import pytest
from django.db import Error, transaction
from django.urls import reverse

from accounts.tests.back_office import errors, fill_in, forge
from audit.models import Action
from office import approvals
from transfers.models import Dispute, DisputeNote, Transfer

QUEUE = "/admin/transfers/dispute/"


@pytest.fixture
def dispute(reena, rahul):
    sent = reena.send(rahul, "100.00").json()["id"]
    rahul.api.post(f"/transfers/{sent}/receipt", {"received_amount": "90.00"})
    return Dispute.objects.select_related("transfer").get()


def page_of(dispute, what="explain"):
    return reverse(f"admin:office_{what}", args=[dispute.pk])


def shown(person, **query):
    return set(person.browser.get(QUEUE, query).context["cl"].result_list)


def test_a_disputed_receipt_is_in_the_queue_with_both_sides_facts(dispute, teller, reena, rahul):
    assert shown(teller) == {dispute}
    page = teller.browser.get(reverse("admin:transfers_dispute_change", args=[dispute.pk])).text
    for fact in ("₹100.00", "₹90.00", "Reena", "Rahul", rahul.account.masked_number, "₹3,100.00"):
        assert fact in page
    assert f"Dispute of {dispute.transfer.public_id}" in page
    assert f"Dispute of {dispute.transfer_id}" not in page


def test_a_confirmed_receipt_is_no_dispute(reena, rahul):
    sent = reena.send(rahul, "100.00").json()["id"]
    rahul.api.post(f"/transfers/{sent}/receipt", {"received_amount": "100.00"})
    assert not Dispute.objects.exists()


def test_notes_are_added_and_never_changed(dispute, teller, audited):
    for text in ("Called Rahul", "Called Reena"):
        fill_in(teller, page_of(dispute, "note"), text=text)
    page = teller.browser.get(reverse("admin:transfers_dispute_change", args=[dispute.pk])).text
    assert page.index("Called Rahul") < page.index("Called Reena")
    for change in (
        "UPDATE dispute_notes SET text = 'x'",
        "DELETE FROM dispute_notes",
    ):
        with pytest.raises(Error, match="append-only"), transaction.atomic():
            transaction.get_connection().cursor().execute(change)
    rows = audited(Action.DISPUTE_NOTED)
    assert [row.actor_id for row in rows] == [teller.user.pk] * 2
    assert "Called" not in str([row.details for row in rows])  # words may be personal


def test_a_dispute_is_resolved_by_an_explanation(dispute, manager, books, audited):
    before = books()
    assert list(errors(fill_in(manager, page_of(dispute), text=""))) == ["text"]
    fill_in(manager, page_of(dispute), text="Rahul looked at the wrong line")

    dispute.refresh_from_db()
    assert (dispute.resolution, dispute.resolved_by) == ("EXPLAINED", manager.user)
    assert DisputeNote.objects.get().text == "Rahul looked at the wrong line"
    assert books() == before
    assert shown(manager) == set()
    assert shown(manager, state="EXPLAINED") == shown(manager, state="all") == {dispute}
    [row] = audited(Action.DISPUTE_RESOLVED)
    assert (row.actor_id, row.object_id) == (manager.user.pk, dispute.transfer.public_id)
    assert row.details == {"resolution": "EXPLAINED"}
    again = fill_in(manager, page_of(dispute), text="Again")
    assert errors(again) == {"__all__": ["This dispute was resolved before."]}
    assert DisputeNote.objects.count() == 1


def test_an_approved_reversal_resolves_the_dispute_in_the_same_moment(
    dispute, teller, manager, reena
):
    transfer = Transfer.objects.with_parties().get(pk=dispute.transfer_id)
    wish = approvals.ask_to_reverse(transfer, 1_000, key="k", reason="r", origin=teller.origin)
    dispute.refresh_from_db()
    assert dispute.resolution is None
    approvals.approve(wish, answer="", origin=manager.origin)
    dispute.refresh_from_db()
    assert (dispute.resolution, dispute.resolved_by) == ("REVERSED", manager.user)
    assert reena.balance() == 491_000


def test_a_reversal_that_fails_leaves_the_dispute_open(dispute, teller, manager, rahul, anita):
    transfer = Transfer.objects.with_parties().get(pk=dispute.transfer_id)
    wish = approvals.ask_to_reverse(transfer, 10_000, key="k", reason="r", origin=teller.origin)
    rahul.send(anita, "3100.00")
    assert approvals.approve(wish, answer="", origin=manager.origin).status == "FAILED"
    dispute.refresh_from_db()
    assert dispute.resolution is None


def test_staff_on_either_side_keep_out(dispute, rahul, teller):
    rahul.user.is_staff = True
    rahul.user.save()
    rahul.user.groups.set(teller.user.groups.all())
    for what in ("note", "explain"):
        assert forge(rahul, page_of(dispute, what), text="All mine").status_code == 403
    assert not DisputeNote.objects.exists()


def test_a_dispute_is_found_by_transfer_account_and_name(dispute, teller, rahul, anita):
    for term in (dispute.transfer.public_id, rahul.account.number, "rahul"):
        assert shown(teller, q=term) == {dispute}
    assert shown(teller, q="anita") == set()


def test_the_database_knows_no_half_resolved_dispute(dispute):
    with pytest.raises(Error, match="dispute_is_open_or_resolved"), transaction.atomic():
        Dispute.objects.filter(pk=dispute.pk).update(resolution="EXPLAINED")
