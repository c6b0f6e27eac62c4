"""Receipts that anybody can check: what the bank signs about a transfer, and the way from its row
in the audit log to a seal. Nothing of it needs the bank, or trust in its database, to be checked.
"""

from functools import lru_cache

from accounts import money
from accounts.models import Account
from accounts.serializers import utc
from audit import chain, merkle, seals, signatures, verification
from audit.models import FIRST_LINK, Action, AuditLog, Seal, SealedHead
from transfers.models import Transfer

MAX_TAGS = 10_000  # rows between the transfer's and the sealed one, whose tags the proof lists
OUTCOMES = {
    Transfer.Status.COMPLETED: Action.TRANSFER_COMPLETED,
    Transfer.Status.REJECTED: Action.TRANSFER_REFUSED,
}


class ProofNotPossible(Exception):
    """There is nothing to prove it with, or the bank's own records disagree."""


def of(transfer: Transfer, account: Account) -> dict[str, object]:
    """Return the signed receipt of a transfer, by its row in the chain of this account, and the
    way from there to a seal once there is one. Raises ProofNotPossible."""
    row = _row(transfer, account)
    receipt = {
        "transfer_id": transfer.public_id,
        "status": transfer.status,
        "from_account_id": transfer.from_account.public_id,
        "to_account_id": transfer.to_account.public_id,
        "amount": money.format(transfer.amount_minor, transfer.currency),
        "currency": transfer.currency,
        "reference": transfer.reference,
        "failure_code": transfer.failure_code,
        "created_at": utc(transfer.created_at),
        "completed_at": utc(transfer.completed_at),
        "account_id": account.public_id,
        "sequence": row.sequence,
        "previous_link": _link_before(row),
        "tag": row.tag,
        "link": row.link,
    }
    content = chain.encoded("smartbank-receipt-1", *receipt.values())
    return {"receipt": receipt, **signatures.sign(content), "seal": _seal(row)}


def _row(transfer: Transfer, account: Account) -> AuditLog:
    """Return the row of the account's chain that tells of the transfer's outcome, if it is as the
    bank wrote it and tells the same: what somebody slipped into the database is not signed."""
    if transfer.status not in OUTCOMES:
        raise ProofNotPossible("This transfer is not completed.")
    told = AuditLog.objects.filter(object_id=transfer.public_id, action=OUTCOMES[transfer.status])
    rows = {row.account_id: row for row in told}
    concerned = {transfer.from_account_id}
    if transfer.status == Transfer.Status.COMPLETED:
        concerned.add(transfer.to_account_id)
    if rows and all(row.sequence is None for row in rows.values()):
        raise ProofNotPossible("This transfer is older than the proofs of the audit log.")
    facts = (transfer.amount_minor, transfer.currency, transfer.failure_code)
    if rows.keys() != concerned or any(
        verification.wrong_tag(row)
        or facts != tuple(row.details.get(name) for name in ("amount_minor", "currency", "code"))
        for row in rows.values()
    ):
        raise ProofNotPossible("The bank's records of this transfer disagree. Tell the bank.")
    return rows[account.pk]


def _link_before(row: AuditLog) -> str:
    if row.sequence == 1:
        return FIRST_LINK
    return AuditLog.objects.get(account_id=row.account_id, sequence=row.sequence - 1).link


def _seal(row: AuditLog) -> dict[str, object] | None:
    """Return the first seal over the chain at or after this row, with the tags from the row to
    there and the path through the seal's tree. None if there is none, or the next is too far."""
    heads = SealedHead.objects.filter(account_id=row.account_id, sequence__gte=row.sequence)
    head = heads.order_by("sequence").select_related("seal").first()
    if head is None or head.sequence - row.sequence > MAX_TAGS:
        return None
    later = AuditLog.objects.filter(
        account_id=row.account_id, sequence__gt=row.sequence, sequence__lte=head.sequence
    )
    places, levels = _tree(head.seal_id, head.seal.root)
    steps = merkle.path(levels, places[row.account_id])
    return {
        **seals.as_dict(head.seal),
        "account": {
            "account_id": head.public_id,
            "sequence": head.sequence,
            "link": head.link,
        },
        "tags": list(later.order_by("sequence").values_list("tag", flat=True)),
        "path": [{side: sibling.hex()} for side, sibling in steps],
    }


@lru_cache(maxsize=8)
def _tree(number: int, root: str) -> tuple[dict[int, int], list[list[bytes]]]:
    """Return the place of each account under the seal of this number and root, and the levels of
    its tree: they never change, and are asked for again by whoever was sealed with it."""
    heads, levels = seals.tree(Seal(number=number))
    return {head.account_id: place for place, head in enumerate(heads)}, levels
