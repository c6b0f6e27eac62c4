"""The only code that moves money.

`post` carries out orders inside one database transaction: lock the accounts, decide each order
over what is locked, write everything, commit. A refusal is an outcome like a payment and is
written in the same transaction. The steps of one transfer are numbered as the bank's process
numbers them:

    [1] receive and validate the input      smartbank.strict_json, transfers.serializers
    [2] business validation                 `decide`
    [3] one atomic database transaction     `post`, `_Book.write`
    [4] audit log                           `_audit_rows`, in that same transaction
    [5] answer success or failure           transfers.api
    [6] the receiver checks what arrived    transfers.receipts
"""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from functools import partial
from operator import attrgetter

from django.db import connection
from django.utils import timezone

from accounts import bank_day, callers, money, rows, transactions
from accounts.models import Account, AccountDailyUsage
from audit import instances
from audit.models import Action, AuditLog
from audit.operations import row
from transfers import notices, outbox
from transfers.models import LedgerEntry, Transfer
from transfers.orders import NOT_ADMITTED, Order, Outcome, Refusal, refusal_of

MAX_ORDERS = 400  # two accounts each stay well below the 1,000 ids that one lock may name


def post(orders: Sequence[Order], *, lock_seconds: int | None = None, **running) -> list[Outcome]:
    """Carry out the orders, in turn, and return their outcomes once they are committed.

    Each order gets its own verdict; one refusal does not stop the others. An order whose key was
    used before moves nothing: it gets the first outcome again, or idempotency_key_reused if it
    orders something else. One whose API token does not count any more is NOT_ADMITTED.
    Raises transactions.Busy if the database comes to no verdict: then either nothing was done, or
    posting the same orders again tells. `lock_seconds` bounds the wait for the accounts, `running`
    says how long all is tried again, and what else transactions.run takes.
    """
    if len(orders) > MAX_ORDERS:
        raise ValueError(f"At most {MAX_ORDERS} orders in one transaction.")
    if not orders:
        return []
    return transactions.run(partial(carry_out, orders, lock_seconds), **running)


def carry_out(orders: Sequence[Order], lock_seconds: int | None = None) -> list[Outcome]:
    """[3] Do what `post` promises once, inside the transaction that is open: for `post` itself, and
    for work that must be one fact with what it moves. The lock comes first: nothing is read before
    it, unless the caller holds the locks already.
    """
    accounts, used, known, admitted = _read_under_lock(orders, lock_seconds)
    now = timezone.now()  # once, and after waiting for the lock: midnight may have passed
    in_use = callers.unless_locked([token for (token, *_), is_due in admitted.items() if is_due])
    book = _Book(accounts, now, used, in_use)

    outcomes = []
    for order in orders:
        earlier = known.get((order.caller_id, order.key_hash))
        if not (order.is_admitted(admitted) or order.made(earlier)):
            outcome = NOT_ADMITTED
        else:
            outcome = _replay(order, earlier, accounts) if earlier else book.settle(order)
        if outcome.transfer:
            known[order.caller_id, order.key_hash] = outcome.transfer
        outcomes.append(outcome)
    book.write()
    return outcomes


def _read_under_lock(orders: Sequence[Order], lock_seconds: int | None) -> list:
    """Lock the accounts and return them, what was sent from them on which day, the transfers there
    are under the orders' keys, and whose tokens count. READ COMMITTED shows behind the lock what
    whoever held it before us has committed."""
    named = {account for order in orders for account in order.accounts}
    return rows.run(
        Account.objects.lock(named, lock_seconds),
        _used_since(bank_day.of(timezone.now()), orders),
        _transfers_under_keys(orders),
        callers.admitted({order.token_id for order in orders} - {None}),
    )


def decide(
    order: Order, sender: Account | None, receiver: Account | None, used_minor: int
) -> Refusal | None:
    """[2] Return why the order must be refused, or None. Pure: it looks at nothing else.

    If several refusals apply the first in this order is given, so an answer never depends on
    chance. `used_minor` is what the customer has sent from the account today.
    """
    by_customer = order.kind == Transfer.Kind.PAYMENT
    if not _is_meant(sender, order.from_name) or (
        by_customer and sender.customer_id != order.customer_id
    ):
        return Refusal("account_not_found", {"field": "from_account_id"})
    if not _is_meant(receiver, order.to_name) or (
        by_customer and receiver.kind == Account.Kind.HOUSE
    ):
        return Refusal("account_not_found", {"field": "to_account_id"})
    if sender.id == receiver.id:
        return Refusal("same_account")
    if not order.currency == sender.currency == receiver.currency:
        return Refusal("currency_mismatch")
    for side, account in (("from", sender), ("to", receiver)):
        if account.status != Account.Status.ACTIVE:
            return Refusal("account_not_active", {"side": side})
    if order.amount_minor > _spendable(sender):
        return Refusal("insufficient_funds", {"available_minor": sender.available_minor})
    if by_customer and used_minor + order.amount_minor > sender.daily_limit_minor:
        remaining = max(0, sender.daily_limit_minor - used_minor)
        return Refusal(
            "daily_limit_exceeded",
            {
                "limit_minor": sender.daily_limit_minor,
                "used_minor": used_minor,
                "remaining_minor": remaining,
            },
        )
    return None


def _is_meant(account: Account | None, name: str | None) -> bool:
    """Return whether the account is there and bears the name that it was found by: that may have
    been remembered (accounts.directory), and the account is what it is under the lock."""
    return account is not None and account.bears(name)


def _spendable(account: Account) -> int:
    """Return what may leave the account. The bank's own go below zero: theirs is the other side
    of every deposit, and is bounded only so that no balance outgrows its column."""
    overdraft = money.MAX_BALANCE_MINOR if account.kind == Account.Kind.HOUSE else 0
    return account.available_minor + overdraft


def _replay(order: Order, earlier: Transfer, accounts: dict[int, Account]) -> Outcome:
    """Return the first outcome under this key again, if the order is the same."""
    if order.fingerprint != earlier.fingerprint:
        return Outcome(None, Refusal("idempotency_key_reused"))
    earlier.from_account = accounts[earlier.from_account_id]
    earlier.to_account = accounts[earlier.to_account_id]
    return Outcome(earlier, refusal_of(earlier), replayed=not order.made(earlier))


class _Book:
    """The locked accounts while orders are settled in turn: each sees what those before it did.

    Settling changes nothing outside this object; `write` then writes everything, each table with
    one statement, however many orders there were.
    """

    def __init__(
        self,
        accounts: dict[int, Account],
        now: dt.datetime,
        used: dict[tuple[int, dt.date], int],
        tokens: Sequence[int],
    ):
        self.accounts = accounts
        self.now = now
        self.today = bank_day.of(now)
        self.used = Counter({key: sent for (key, day), sent in used.items() if day == self.today})
        self.has_usage = set(self.used)
        self.tokens = tokens  # whose use is to be noted
        self.spent: Counter[int] = Counter()
        self.moved: Counter[int] = Counter()
        self.transfers: list[Transfer] = []
        self.entries: list[LedgerEntry] = []
        self.audit: list[AuditLog] = []
        self.news: list[outbox.Event] = []
        self.concerned: set[int] = set()  # accounts whose chains of audit rows have grown

    def settle(self, order: Order) -> Outcome:
        """Decide the order and note down what it changes."""
        sender = self.accounts.get(order.from_account_id)
        receiver = self.accounts.get(order.to_account_id)
        used = self.used[sender.id] if sender else 0
        refusal = decide(order, sender, receiver, used)
        transfer = None
        if not refusal or refusal.is_recorded:
            transfer = self._transfer(order, sender, receiver, refusal)
            self.transfers.append(transfer)
        entries = []
        if not refusal:
            entries = [
                self._move(transfer, sender, -order.amount_minor),
                self._move(transfer, receiver, order.amount_minor),
            ]
            if order.kind == Transfer.Kind.PAYMENT:
                self.used[sender.id] += order.amount_minor
                self.spent[sender.id] += order.amount_minor
        outcome = Outcome(transfer, refusal)
        self.entries += entries
        audit = _audit_rows(order, outcome, sender, entries, self.now)
        self.audit += audit
        self.concerned |= {row.account_id for row in audit} - {None}
        self.news += outbox.of_transfer(outcome.transfer, entries)
        return outcome

    def _transfer(self, order, sender, receiver, refusal) -> Transfer:
        status = Transfer.Status.REJECTED if refusal else Transfer.Status.COMPLETED
        return instances.new(
            Transfer,
            {"from_account": sender, "to_account": receiver},
            public_id=order.transfer_id,
            kind=order.kind,
            from_account_id=sender.id,
            to_account_id=receiver.id,
            amount_minor=order.amount_minor,
            currency=order.currency,
            reference=order.reference,
            status=status,
            failure_code=refusal.code if refusal else None,
            failure_details=refusal.details if refusal else {},
            caller_id=order.caller_id,
            key_hash=order.key_hash,
            fingerprint=order.fingerprint,
            request_id=order.origin.request_id,
            bank_date=self.today,
            created_at=self.now,
            completed_at=None if refusal else self.now,
            reverses_id=order.reverses_id,
        )

    def _move(self, transfer: Transfer, account: Account, amount_minor: int) -> LedgerEntry:
        account.balance_minor += amount_minor
        account.entry_sequence += 1
        self.moved[account.id] += amount_minor
        return instances.new(
            LedgerEntry,
            {"account": account, "transfer": transfer},
            account_id=account.id,
            transfer_id=None,  # known once the transfer is written
            sequence=account.entry_sequence,
            amount_minor=amount_minor,
            balance_after_minor=account.balance_minor,
            bank_date=self.today,
            created_at=self.now,
        )

    def write(self) -> None:
        """Write what was settled. Balances change by a difference, never to an absolute value."""
        rows.insert(self.transfers)
        _know_their_keys(self.transfers)
        for entry in self.entries:
            entry.transfer_id = entry.transfer.id
        touched = rows.run(
            *self._accounts(),
            *rows.insertion(self.entries),
            *self._usage(),
            *rows.insertion(self.audit),
            *callers.note_use(self.tokens, self.now),
        )
        if self.concerned and touched[0] != len(self.concerned):  # no assert: -O must not drop it
            raise RuntimeError("A locked account was not updated.")
        outbox.write(self.news, self.now)
        notices.write(self.entries, self.now)

    def _accounts(self) -> list[rows.Statement]:
        """[3] The balances, and where the accounts' chains of audit rows end now."""
        if not self.concerned:
            return []
        ends = {key: self.accounts[key].chain_end for key in self.concerned}
        changes = [
            (f"{name} = {{}}", {key: end[name] for key, end in ends.items()})
            for name in Account.CHAIN_END
        ]
        if self.moved:  # a refusal alone moves nothing
            entries = Counter(entry.account_id for entry in self.entries)
            still = dict.fromkeys(ends, 0)
            changes += [
                ("balance_minor = balance_minor + {}", {**still, **self.moved}),
                ("entry_sequence = entry_sequence + {}", {**still, **entries}),
            ]
        return [_update("accounts", "PRIMARY", "id", changes)]

    def _usage(self) -> list[rows.Statement]:
        """[3] What was sent, against today's limits. Only the holder of an account's lock writes
        its usage, so a row that was missing under the lock is still missing."""
        there = {key: spent for key, spent in self.spent.items() if key in self.has_usage}
        missing = [
            AccountDailyUsage(account_id=key, bank_date=self.today, used_minor=spent)
            for key, spent in self.spent.items()
            if key not in self.has_usage
        ]
        statements = rows.insertion(missing)
        if there:
            changes = [("used_minor = used_minor + {}", there)]
            index = "one_usage_per_account_and_day"
            statements.append(
                _update("account_daily_usage", index, "account_id", changes, self.today)
            )
        return statements


def _used_since(day: dt.date, orders: Sequence[Order]) -> rows.Statement:
    """Ask what customers have sent from each account to be debited, on this bank day and later."""
    listed, senders = rows.among({order.from_account_id for order in orders} - {None})
    return rows.Statement(
        "SELECT account_id, bank_date, used_minor FROM account_daily_usage "
        f"{rows.forced('one_usage_per_account_and_day')} "
        f"WHERE account_id IN {listed} AND bank_date >= %s",
        [*senders, day],
        lambda cursor: {(key, day): used for key, day, used in cursor.fetchall()},
    )


def _transfers_under_keys(orders: Sequence[Order]) -> rows.Statement:
    """Ask for the transfers already stored under the orders' keys: by caller and key."""
    wanted = {(order.caller_id, order.key_hash) for order in orders}
    read = rows.reading(Transfer)
    return rows.Statement(
        f"SELECT {rows.columns(Transfer)} FROM transfers "
        f"{rows.forced('one_transfer_per_caller_and_key')} "
        f"WHERE {' OR '.join(['caller_id = %s AND key_hash = %s'] * len(wanted))}",
        [value for pair in wanted for value in pair],
        lambda cursor: {(one.caller_id, one.key_hash): one for one in read(cursor)},
    )


def _update(
    table: str,
    index: str,
    key: str,
    changes: list[tuple[str, dict[int, object]]],
    day: dt.date | None = None,
) -> rows.Statement:
    """Change rows found by their keys, all with one statement; its answer is how many there were.

    A change is SQL with {} for "the value that belongs to this row's key", and those values.
    """
    keys = sorted(changes[0][1])
    choice = _choice(key, keys)
    assignments = ", ".join([assignment.format(choice) for assignment, _ in changes])
    values = [by_key[row_key] for _, by_key in changes for row_key in keys]
    condition = f"{key} IN {rows.places(len(keys))}" + (" AND bank_date = %s" if day else "")
    return rows.Statement(
        f"UPDATE {table} {rows.forced(index)} SET {assignments} WHERE {condition}",
        [*values, *keys, *([day] if day else [])],
        attrgetter("rowcount"),
    )


def _choice(key: str, keys: list[int]) -> str:
    """Return SQL for the value, out of one for each of these sorted keys, that belongs to a row's
    key. It halves them, so that many rows cost each hardly more than few."""
    if len(keys) == 1:
        return "%s"
    middle = len(keys) // 2
    less, more = _choice(key, keys[:middle]), _choice(key, keys[middle:])
    return f"CASE WHEN {key} < {keys[middle]:d} THEN {less} ELSE {more} END"


def _know_their_keys(transfers: list[Transfer]) -> None:
    """Read back the keys of inserted rows where the server cannot return them (MySQL)."""
    if not transfers or transfers[0].pk:
        return
    ids = [transfer.public_id for transfer in transfers]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT public_id, id FROM transfers {rows.forced('public_id')} "
            f"WHERE public_id IN {rows.places(len(ids))}",
            ids,
        )
        keys = dict(cursor.fetchall())
    for transfer in transfers:
        transfer.pk = keys[transfer.public_id]


def _audit_rows(
    order: Order,
    outcome: Outcome,
    sender: Account | None,
    entries: list[LedgerEntry],
    now: dt.datetime,
) -> list[AuditLog]:
    """[4] Return one row per account concerned: both if money moved, else the caller's own. Each
    is the next of its account's chain."""
    facts = {
        "amount_minor": order.amount_minor,
        "currency": order.currency,
        "kind": order.kind,
        **order.audit_details,
    }
    if refusal := outcome.refusal:
        facts |= {"code": refusal.code, **refusal.details}
    write = partial(row, origin=order.origin, created_at=now, **facts)

    if outcome.transfer is None:  # of the accounts named, the one that was the matter
        end = "to" if refusal.details.get("field") == "to_account_id" else "from"
        named = {"object_type": "account", "object_id": order.audit_details.get(end, "")}
        is_own = sender is not None and sender.customer_id == order.customer_id
        return [write(Action.TRANSFER_NOT_ACCEPTED, account=sender if is_own else None, **named)]

    named = {"object_type": "transfer", "object_id": outcome.transfer.public_id}
    if refusal:
        return [write(Action.TRANSFER_REFUSED, account=sender, **named)]
    return [
        write(
            Action.TRANSFER_COMPLETED,
            account=entry.account,
            before={"balance_minor": entry.balance_after_minor - entry.amount_minor},
            after={"balance_minor": entry.balance_after_minor},
            **named,
        )
        for entry in entries
    ]
