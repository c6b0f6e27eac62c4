"""What a page shows of the ledger, for pages of apps that know nothing of transfers."""

from django import template

from accounts.models import Account
from transfers.models import LedgerEntry, Transfer

register = template.Library()

LATEST = 10


@register.inclusion_tag("admin/transfers/entries.html")
def latest_entries(account: Account) -> dict:
    """Show the account's latest ledger entries, newest first."""
    entries = (
        LedgerEntry.objects.filter(account=account)
        .select_related("transfer__from_account__customer", "transfer__to_account__customer")
        .order_by("-sequence")[:LATEST]
    )
    return {"account": account, "lines": [_line(entry, entry.transfer) for entry in entries]}


@register.inclusion_tag("admin/transfers/entries.html")
def entries_of(transfer: Transfer) -> dict:
    """Show what the transfer did to its two accounts. Load it with its parties."""
    entries = LedgerEntry.objects.filter(transfer=transfer).order_by("pk")
    return {"lines": [_line(entry, transfer) for entry in entries]}


def _line(entry: LedgerEntry, transfer: Transfer) -> dict:
    sides = [transfer.from_account, transfer.to_account]
    own, other = sides if entry.account_id == transfer.from_account_id else reversed(sides)
    return {"entry": entry, "transfer": transfer, "account": own, "other": other}
