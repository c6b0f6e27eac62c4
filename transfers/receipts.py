"""[6] The receiver's end: whoever was credited says whether that is what was sent."""

from collections.abc import Sequence
from functools import partial

from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts import operations, rows, transactions
from accounts.models import Account
from audit.models import Action
from audit.operations import Origin
from transfers import outbox
from transfers.models import Dispute, LedgerEntry, Transfer


class ReceiptNotPossible(Exception):
    """The transfer is not completed, or its receipt was given with another amount."""


def credit_of(transfer: Transfer) -> LedgerEntry:
    """Return the receiver's own ledger entry: what really arrived, whatever the transfer says."""
    if "credit" not in vars(transfer):
        load_credits([transfer])
    return transfer.credit


def load_credits(transfers: Sequence[Transfer]) -> None:
    """Read at once what `credit_of` returns for each of these completed transfers."""
    if not transfers:
        return
    found = rows.query(
        LedgerEntry,
        f"SELECT {rows.columns(LedgerEntry)} FROM ledger_entries "
        f"{rows.forced('one_entry_per_transfer_and_account')} "
        f"WHERE transfer_id IN {rows.places(len(transfers))}",
        [one.pk for one in transfers],
    )
    entries = {(one.transfer_id, one.account_id): one for one in found}
    for one in transfers:
        one.credit = entries[one.pk, one.to_account_id]


def give(transfer: Transfer, received_minor: int, *, origin: Origin) -> Transfer:
    """Record that the receiver found `received_minor` on the account, and return the transfer.

    Equal to the amount credited confirms it, anything else disputes it. Saying the same again
    changes nothing. Raises ReceiptNotPossible. Who may ask is for the caller to check.
    """
    return transactions.run(partial(_give, transfer, received_minor, origin))


def _give(transfer: Transfer, received_minor: int, origin: Origin) -> Transfer:
    # Accounts are locked before anything else.
    receiver = Account.objects.locked([transfer.to_account_id])[transfer.to_account_id]
    transfer = Transfer.objects.with_parties().get(pk=transfer.pk)
    if transfer.status != Transfer.Status.COMPLETED:
        raise ReceiptNotPossible(gettext_noop("Only a completed transfer has a receipt."))
    if transfer.receipt_status != Transfer.Receipt.UNCONFIRMED:
        if transfer.received_minor != received_minor:
            raise ReceiptNotPossible(
                gettext_noop("This receipt was already given with another amount.")
            )
        return transfer
    credited_minor = credit_of(transfer).amount_minor
    confirmed = received_minor == credited_minor
    transfer.receipt_status = Transfer.Receipt.CONFIRMED if confirmed else Transfer.Receipt.DISPUTED
    transfer.received_minor = received_minor
    transfer.confirmed_at = timezone.now() if confirmed else None
    transfer.save(update_fields=["receipt_status", "received_minor", "confirmed_at"])
    if not confirmed:
        Dispute.objects.create(transfer=transfer, opened_at=timezone.now())
    operations.write(
        receiver,
        {},
        Action.RECEIPT_CONFIRMED if confirmed else Action.RECEIPT_DISPUTED,
        origin,
        object_type="transfer",
        object_id=transfer.public_id,
        received_minor=received_minor,
        credited_minor=credited_minor,
    )
    outbox.write(outbox.of_receipt(transfer, credited_minor), timezone.now())
    return transfer
