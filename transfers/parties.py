"""Loading what a list of transfers or entries names, by keys alone.

A join leaves the order of its tables to statistics, and after a crash those may say that a table
is empty, so that the whole of it is read for every page. Keys are looked up one by one.
"""

from collections.abc import Iterable, Sequence

from accounts import rows
from accounts.models import Account, Customer
from audit.instances import relate
from transfers.models import LedgerEntry, Transfer


def of_transfers(transfers: Iterable[Transfer]) -> None:
    """Load both accounts of each transfer with their customers, and the transfer it takes back."""
    transfers = list(transfers)
    ends = [
        one for transfer in transfers for one in (transfer.from_account_id, transfer.to_account_id)
    ]
    accounts = rows.by_key(Account, ends)
    customers = rows.by_key(Customer, [one.customer_id for one in accounts.values()])
    reversed_ones = rows.by_key(Transfer, [one.reverses_id for one in transfers])
    for account in accounts.values():
        relate(account, customer=customers.get(account.customer_id))
    for transfer in transfers:
        relate(
            transfer,
            from_account=accounts[transfer.from_account_id],
            to_account=accounts[transfer.to_account_id],
            reverses=reversed_ones.get(transfer.reverses_id),
        )


def of_entries(entries: Sequence[LedgerEntry]) -> None:
    """Load the transfer of each entry with its parties."""
    transfers = rows.by_key(Transfer, [entry.transfer_id for entry in entries])
    of_transfers(transfers.values())
    for entry in entries:
        relate(entry, transfer=transfers[entry.transfer_id])
