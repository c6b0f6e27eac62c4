"""What the database holds after a run, read with plain SQL into plain numbers."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Booked:
    """A row of `transfers`."""

    pk: int
    id: str
    caller: int
    key_hash: str
    sender: int
    receiver: int
    amount: int
    status: str
    failure_code: str | None
    failure_details: dict
    kind: str
    day: object


@dataclass(slots=True)
class AccountBook:
    """A row of `accounts` and all its entries in order: (sequence, transfer, amount, balance)."""

    balance: int
    sequence: int
    kind: str
    currency: str
    limit: int
    entries: list[tuple] = field(default_factory=list)


class Books:
    """The database after the run, as plain numbers, read by `load` with plain SQL."""

    def __init__(self, accounts, transfers, usage, audited):
        self.accounts: dict[int, AccountBook] = accounts
        self.transfers: list[Booked] = transfers
        self.usage: dict[tuple, int] = usage
        self.audited: Counter = audited  # (transfer's id, action, account) of every audit row
        self.by_key = defaultdict(list)
        for transfer in transfers:
            self.by_key[transfer.caller, transfer.key_hash].append(transfer)

    @classmethod
    def load(cls, cursor) -> "Books":
        """Read everything through a database cursor."""

        def rows(sql: str) -> list[tuple]:
            cursor.execute(sql)
            return cursor.fetchall()

        accounts = {
            pk: AccountBook(*columns)
            for pk, *columns in rows(
                "SELECT id, balance_minor, entry_sequence, kind, currency, daily_limit_minor "
                "FROM accounts"
            )
        }
        for account, *entry in rows(
            "SELECT account_id, sequence, transfer_id, amount_minor, balance_after_minor "
            "FROM ledger_entries ORDER BY account_id, sequence"
        ):
            accounts[account].entries.append(tuple(entry))
        transfers = [
            Booked(*columns[:9], json.loads(columns[9]), *columns[10:])
            for columns in rows(
                "SELECT id, public_id, caller_id, key_hash, from_account_id, to_account_id, "
                "amount_minor, status, failure_code, failure_details, kind, bank_date "
                "FROM transfers ORDER BY id"
            )
        ]
        usage = {
            (account, day): used
            for account, day, used in rows(
                "SELECT account_id, bank_date, used_minor FROM account_daily_usage"
            )
        }
        audited = Counter(
            rows("SELECT object_id, action, account_id FROM audit_logs WHERE action LIKE 'tran%'")
        )
        return cls(accounts, transfers, usage, audited)
