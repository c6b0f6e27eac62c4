"""Broken banks: the WSGI application under test with one deliberate fault in it.

Only the tests start a server on this module; the environment variable MUTANT names the fault. Where
a constraint of the database would hide the fault (it stands behind the code for that reason), the
constraint is dropped as well, and the docstring says so.
"""

import os
import secrets
from collections import Counter
from dataclasses import replace

from django.db import OperationalError, connection, connections

from smartbank.wsgi import application  # noqa: F401  (gunicorn asks for it)

from accounts import money, transactions  # isort: skip  (the line above makes Django ready)
from accounts.models import Account, AccountQuerySet  # isort: skip
from accounts.rows import Statement, run  # isort: skip
from audit.models import AuditLog  # isort: skip
from smartbank.mysql.base import CursorWrapper as DatabaseCursor  # isort: skip
from transfers import operations  # isort: skip
from transfers.models import LedgerEntry, Transfer  # isort: skip

_lock = AccountQuerySet.lock


def no_lock():
    """Accounts are read without FOR UPDATE."""
    AccountQuerySet.lock = _read


def unsorted_locks():
    """Accounts are locked one by one, in the order in which they are named."""

    def lock(self, ids, seconds):
        shuffled = sorted(ids, key=lambda _: secrets.randbelow(100))
        return _known({key: self.select_for_update().get(pk=key) for key in shuffled})

    AccountQuerySet.lock = lock


def insert_before_lock():
    """A row that refers to the account is inserted before the account is locked."""
    post = operations.carry_out

    def insert_first(orders, seconds):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO account_daily_usage (account_id, bank_date, used_minor) "
                "VALUES (%s, '2000-01-01', 0) ON DUPLICATE KEY UPDATE used_minor = 0",
                [orders[0].from_account_id],
            )
        return post(orders, seconds)

    operations.carry_out = insert_first


def absolute_balance_write():
    """Balances are read before the lock, and written back as a value and not as a difference."""
    lock = AccountQuerySet.lock
    write = operations._Book.write

    def read_then_lock(self, ids, seconds):
        before = {key: account.balance_minor for key, account in self.in_bulk(ids).items()}
        statement = lock(self, ids, seconds)

        def answer(cursor):
            accounts = statement.answer(cursor)
            for key, account in accounts.items():
                account.balance_minor = before[key]
            return accounts

        return statement._replace(answer=answer)

    def write_values(self):
        write(self)
        for key in self.moved:
            value = self.accounts[key].balance_minor
            Account.objects.filter(pk=key).update(balance_minor=value)

    AccountQuerySet.lock = read_then_lock
    operations._Book.write = write_values


def key_outside_the_transaction():
    """The key is stored after the commit, in a transaction of its own."""
    run = transactions.run

    def run_then_store(work, **patience):
        orders = work.args[0]
        unkeyed = [replace(order, key=secrets.token_hex(8)) for order in orders]
        known = [
            Transfer.objects.filter(caller_id=one.caller_id, key_hash=one.key_hash).exists()
            for one in orders
        ]
        if any(known):
            return run(work, **patience)
        outcomes = run(lambda: work.func(unkeyed), **patience)
        for order, outcome in zip(orders, outcomes, strict=True):
            if outcome.transfer:
                row = Transfer.objects.filter(pk=outcome.transfer.pk)
                row.update(key_hash=order.key_hash)
        return outcomes

    _patch_run(run_then_store)


def swallowed_deadlock():
    """Nothing is locked first, and a deadlock at the update of a balance is passed over."""
    AccountQuerySet.lock = _read
    _go_on_after_errors()

    def write(self):
        Transfer.objects.bulk_create(self.transfers)
        entries = Counter(entry.account_id for entry in self.entries)
        for key, amount in self.moved.items():
            try:
                with connection.cursor() as cursor:
                    cursor.execute(
                        "UPDATE accounts SET balance_minor = balance_minor + %s, "
                        "entry_sequence = entry_sequence + %s WHERE id = %s",
                        [amount, entries[key], key],
                    )
            except OperationalError:
                pass
        LedgerEntry.objects.bulk_create(self.entries)
        run(*self._usage())
        for row in self.audit:  # in no chain: else the first lost update would stop an account
            row.sequence = None
        AuditLog.objects.bulk_create(self.audit)

    operations._Book.write = write


def statement_retry():
    """After a lost connection the statement is run again on a new one, and not the transaction.
    Entries need no transfer: else the first packet that is run again would end it."""
    _drop_the_foreign_key()
    _go_on_after_errors()
    wrapper = type(connections["default"])
    create_cursor = wrapper.create_cursor

    class Stubborn:
        def __init__(self, database):
            self.database = database
            self.cursor = create_cursor(database)

        def execute(self, sql, args=None):
            try:
                return self.cursor.execute(sql, args)
            except self.database.Database.OperationalError as error:
                if not transactions.is_lost_connection(error):
                    raise
                in_transaction = not self.database.get_autocommit()
                self.database.connection = self.database.get_new_connection(
                    self.database.get_connection_params()
                )
                self.database.connection.autocommit(not in_transaction)
                self.cursor = create_cursor(self.database)
                return self.cursor.execute(sql, args)

        def __getattr__(self, name):
            return getattr(self.cursor, name)

        def __iter__(self):
            return iter(self.cursor)

    wrapper.create_cursor = lambda self, name=None: Stubborn(self)
    write = operations._Book.write

    def write_in_no_chain(self):  # else the first lost update would stop an account
        for row in self.audit:
            row.sequence = None
        write(self)

    operations._Book.write = write_in_no_chain


def usage_outside_the_lock():
    """What was sent today is read before the lock is there."""
    _look_before_the_lock("_used_since")


def audit_after_commit():
    """The audit rows are written after the commit."""
    run = transactions.run
    rows = {}

    def run_then_audit(work, **patience):
        outcomes = run(work, **patience)
        for outcome in outcomes:
            if outcome.transfer:
                AuditLog.objects.bulk_create(rows.pop(outcome.transfer.public_id, []))
        return outcomes

    write = operations._Book.write

    def keep_for_later(self):
        for row in self.audit:
            rows.setdefault(row.object_id, []).append(row)
        self.audit = []
        write(self)

    operations._Book.write = keep_for_later
    _patch_run(run_then_audit)


def float_amount():
    """Amounts are read as binary floats."""
    parse = money.parse

    def parse_float(text, currency):
        parse(text, currency)  # still refuses what is no amount
        return int(float(text) * 100)

    money.parse = parse_float


def missing_unique_key():
    """Keys are looked up before the lock, and no unique key stands behind that."""
    _drop_the_unique_key()
    _look_before_the_lock("_transfers_under_keys")


def double_apply_on_lost_commit():
    """After a lost reply to COMMIT the order is posted again as if it were another."""
    run = transactions.run

    attempts = Counter()  # alone or with others

    def run_as_new(work, **patience):
        def once():
            orders = []
            for order in work.args[0]:
                attempts[order.transfer_id] += 1
                number = attempts[order.transfer_id]
                orders.append(replace(order, key=f"{order.key}-{number}") if number > 1 else order)
            return work.func(orders)

        return run(once, **patience)

    _patch_run(run_as_new)


def _read(self, ids, seconds=None):
    statement = _lock(self, ids)
    return statement._replace(sql=statement.sql.replace("FOR UPDATE", ""))


def _go_on_after_errors():
    """Take away the backend's guard: after such an error it would have everything rolled back."""
    DatabaseCursor._watched = lambda self, call, *values: call(*values)


def _known(answer) -> Statement:
    """Return a statement whose answer is known before it is asked."""
    return Statement("SELECT 1", [], lambda cursor: cursor.fetchall() and answer)


def _look_before_the_lock(name):
    """Let the look-up called `name` return what was there before the transaction's lock."""
    look = getattr(operations, name)

    def look_first(*values):
        [answer] = run(look(*values))
        return _known(answer)

    setattr(operations, name, look_first)


def _patch_run(run):
    class Patched:
        Busy = transactions.Busy
        patience_ends = staticmethod(transactions.patience_ends)

    Patched.run = staticmethod(run)
    operations.transactions = Patched


def _drop_the_unique_key():
    with connection.cursor() as cursor:
        name = "one_transfer_per_caller_and_key"  # an index of it must stay: queries ask for it
        cursor.execute(f"SHOW INDEX FROM transfers WHERE Key_name='{name}' AND Non_unique=0")
        if cursor.fetchall():
            cursor.execute(
                f"ALTER TABLE transfers DROP INDEX {name}, ADD INDEX {name} (caller_id, key_hash)"
            )
    connection.close()


def _drop_the_foreign_key():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT constraint_name FROM information_schema.key_column_usage WHERE table_schema = "
            "DATABASE() AND table_name = 'ledger_entries' AND referenced_table_name = 'transfers'"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"ALTER TABLE ledger_entries DROP FOREIGN KEY IF EXISTS {name}")
    connection.close()


MUTANTS = {
    mutant.__name__: mutant
    for mutant in (
        no_lock,
        unsorted_locks,
        insert_before_lock,
        absolute_balance_write,
        key_outside_the_transaction,
        swallowed_deadlock,
        statement_retry,
        usage_outside_the_lock,
        audit_after_commit,
        float_amount,
        missing_unique_key,
        double_apply_on_lost_commit,
    )
}
if name := os.environ.get("MUTANT"):
    MUTANTS[name]()
