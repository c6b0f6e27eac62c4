"""Disputes: what staff find out about a receipt that does not fit, and how they resolve it.

Everything here locks the receiver's account first, as giving the receipt did: the audit rows are
of that account. Money only ever goes back by an approved reversal, which resolves the dispute in
the same transaction (effects).
"""

from django.utils import timezone

from accounts import operations
from accounts.models import Account
from audit.models import Action
from audit.operations import Origin
from transfers.models import Dispute, DisputeNote


class NotPossible(Exception):
    """What was asked for cannot be, or not by this person; the message says why."""


def note(dispute: Dispute, text: str, *, origin: Origin) -> DisputeNote:
    """Add what was found out. Notes are never changed, and may be added after the end as well."""
    receiver = dispute.transfer.to_account_id
    return operations.once(receiver, lambda locked: _write_note(dispute, locked, text, origin))


def explain(dispute: Dispute, text: str, *, origin: Origin) -> Dispute:
    """Resolve it with an explanation, which becomes its last note. Raises NotPossible if it was
    resolved before."""
    receiver = dispute.transfer.to_account_id
    return operations.once(receiver, lambda locked: _explain(dispute, locked, text, origin))


def _explain(dispute: Dispute, receiver: Account, text: str, origin: Origin) -> Dispute:
    if Dispute.objects.get(pk=dispute.pk).resolution:
        raise NotPossible("This dispute was resolved before.")
    _write_note(dispute, receiver, text, origin)
    return resolve(dispute, receiver, Dispute.Resolution.EXPLAINED, origin)


def resolve(dispute: Dispute, receiver: Account, resolution: str, origin: Origin) -> Dispute:
    """Resolve it in the open transaction, which has locked the receiver's account."""
    dispute.resolution, dispute.resolved_at = resolution, timezone.now()
    dispute.resolved_by_id = origin.actor_id
    dispute.save(update_fields=["resolution", "resolved_at", "resolved_by"])
    _record(Action.DISPUTE_RESOLVED, dispute, receiver, origin, resolution=resolution)
    return dispute


def _write_note(dispute: Dispute, receiver: Account, text: str, origin: Origin) -> DisputeNote:
    written = DisputeNote.objects.create(
        dispute=dispute, author_id=origin.actor_id, written_at=timezone.now(), text=text
    )
    _record(Action.DISPUTE_NOTED, dispute, receiver, origin, note=written.pk)
    return written


def _record(action: str, dispute: Dispute, receiver: Account, origin: Origin, **details) -> None:
    """Audit it at the transfer. The words of a note stay out of the log: they may be personal."""
    named = {"object_type": "transfer", "object_id": dispute.transfer.public_id}
    operations.write(receiver, {}, action, origin, **named, **details)
