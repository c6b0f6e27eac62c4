"""What staff do about disputes."""

from django.shortcuts import get_object_or_404
from django.urls import reverse

from accounts import money
from accounts.staff_views import Operation
from office import disputes
from office.staff_forms import NoteForm
from transfers.models import Dispute


class DisputeOperation(Operation):
    """Something written about a dispute, by staff who are on neither side of it."""

    permission = "transfers.resolve_dispute"
    form_class = NoteForm
    refusals = (*Operation.refusals, disputes.NotPossible)

    def find(self, dispute_id: int) -> Dispute:
        """Return the dispute with both sides."""
        return get_object_or_404(with_sides(), pk=dispute_id)

    def is_for(self, user):
        """Return whether neither side is this person's own."""
        return user.pk not in owners_of(self.subject)

    def facts(self):
        """Return what was sent and what the receiver says."""
        return facts_of(self.subject)

    def page(self):
        """Return the dispute's page."""
        return reverse("admin:transfers_dispute_change", args=[self.subject.pk])


class Note(DisputeOperation):
    """Adds a note."""

    title = "Add note"
    button = "Add note"
    explanation = "Notes are for staff and stay for good."

    def carry_out(self, data, origin):
        """Write it."""
        disputes.note(self.subject, data["text"], origin=origin)
        return "The note is added."


class Explain(DisputeOperation):
    """Resolves a dispute by saying why the amount is right."""

    title = "Resolve by explanation"
    button = "Resolve"
    explanation = "No money moves. What you write becomes the last note."

    def carry_out(self, data, origin):
        """Resolve it."""
        disputes.explain(self.subject, data["text"], origin=origin)
        return "The dispute is resolved."


def with_sides():
    """Return the disputes with everybody concerned, in one query."""
    return Dispute.objects.select_related(
        "transfer__from_account__customer", "transfer__to_account__customer", "resolved_by"
    )


def owners_of(dispute: Dispute) -> set[int]:
    """Return the users on both sides."""
    sides = (dispute.transfer.from_account, dispute.transfer.to_account)
    return {one.customer.user_id for one in sides if one.customer}


def facts_of(dispute: Dispute) -> list[tuple[str, str]]:
    """Return both sides' facts."""
    transfer = dispute.transfer
    return [
        ("Sent", money.display(transfer.amount_minor, transfer.currency)),
        ("The receiver says", money.display(transfer.received_minor, transfer.currency)),
        ("From", transfer.from_account.owner_name),
        ("To", transfer.to_account.owner_name),
        ("Sent back", money.display(transfer.reversed_minor, transfer.currency)),
    ]
