"""What an administrator of the database can do to history, by SQL and with all the time needed.

No trigger, no foreign key and no code of the bank stands in the way. Some know the key of the tags
as well, as who has taken over a server does; nobody can change the seals that were exported.
"""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection

from audit import append_only, chain, keys, seals
from audit.models import FIRST_LINK, AuditLog, Seal, SealedHead
from conftest import APPEND_ONLY_TABLES


@dataclass(frozen=True)
class Names:
    """What the SQL speaks of: keys of the database, and the account numbers for the reports."""

    reena: int
    rahul: int
    reena_number: str
    rahul_number: str
    rent: str  # Reena's payment to Rahul, which he has confirmed


@dataclass(frozen=True)
class Manipulation:
    """One way to rewrite history, and what its discovery must name."""

    what: str
    do: Callable[[Names], None]
    named: str

    def __str__(self):
        return self.what


def sql(*statements: str) -> Callable[[Names], None]:
    """Return what runs these statements, each of which must change something."""

    def run(names: Names) -> None:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement.format(**vars(names)))
                assert cursor.rowcount > 0, "nothing was changed"

    return run


@contextmanager
def as_administrator():
    """Take down the triggers and foreign keys while the block runs; yield a cursor."""
    for table in APPEND_ONLY_TABLES:
        append_only.unprotect(table)
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        yield cursor
    for table in APPEND_ONLY_TABLES:
        append_only.protect(table)


# --- Whole chains -----------------------------------------------------------------------------


def rechained(account_id: int, key_of: Callable[[int], bytes]) -> None:
    """Tag and link all rows of the chain anew, and move its end there."""
    previous = FIRST_LINK
    for number, row in enumerate(_rows(account_id), 1):
        row.sequence = number
        tag = chain.tag(key_of(row.epoch), chain.content(row))
        previous = chain.link(previous, tag)
        _run(
            "UPDATE audit_logs SET sequence = %s, tag = %s, link = %s WHERE id = %s",
            *(number, tag, previous, row.pk),
        )
    end = len(_rows(account_id)), previous, account_id
    _run("UPDATE accounts SET audit_sequence = %s, audit_head = %s WHERE id = %s", *end)


def relinked(account_id: int) -> None:
    """Link all rows of the chain anew, tags as they are: that needs no key."""
    previous = FIRST_LINK
    for row in _rows(account_id):
        previous = chain.link(previous, row.tag)
        _run("UPDATE audit_logs SET link = %s WHERE id = %s", previous, row.pk)
    _run("UPDATE accounts SET audit_head = %s WHERE id = %s", previous, account_id)


def another_amount(names: Names) -> None:
    """Make the rent 1.00 everywhere but in the audit log."""
    sql(
        "UPDATE transfers SET amount_minor = 100 WHERE public_id = '{rent}'",
        "UPDATE ledger_entries SET amount_minor = 100 * SIGN(amount_minor) "
        "WHERE transfer_id = (SELECT id FROM transfers WHERE public_id = '{rent}')",
    )(names)


def rewritten(key_of: Callable[[int], bytes]) -> Callable[[Names], None]:
    """Return what changes a limit in the log, and then the whole chain to fit."""

    def run(names: Names) -> None:
        _another_limit(names)
        rechained(names.reena, key_of)

    return run


def and_its_seal(names: Names) -> None:
    """Rewrite a chain with the key of its tags, and the seals over it with a key of one's own."""
    rewritten(keys.of)(names)
    for head in SealedHead.objects.filter(account_id=names.reena):
        row = AuditLog.objects.get(account_id=names.reena, sequence=head.sequence)
        _run("UPDATE audit_sealed_heads SET link = %s WHERE id = %s", row.link, head.pk)
    previous = FIRST_LINK
    for seal in Seal.objects.order_by("number"):
        _, levels = seals.tree(seal)
        seal.previous, seal.root = previous, levels[-1][0].hex()
        previous = seals.digest(seal)
        _run(
            "UPDATE audit_seals SET previous = %s, root = %s WHERE number = %s",
            *(seal.previous, seal.root, seal.number),
        )


def put_back(names: Names) -> None:
    """Restore everything about an account as it was in an older dump: rows, end, seals."""
    gone = AuditLog.objects.filter(account_id=names.reena).latest("sequence")
    before = AuditLog.objects.get(account_id=names.reena, sequence=gone.sequence - 1)
    _run("DELETE FROM audit_logs WHERE id = %s", gone.pk)
    _run(
        "UPDATE accounts SET audit_sequence = %s, audit_head = %s, daily_limit_minor = 1000000 "
        "WHERE id = %s",
        *(before.sequence, before.link, names.reena),
    )
    last = Seal.objects.latest("number")
    _run("DELETE FROM audit_sealed_heads WHERE seal_id = %s", last.number)
    _run("DELETE FROM audit_seals WHERE number = %s", last.number)


def _another_limit(names: Names) -> None:
    row = AuditLog.objects.get(account_id=names.reena, action="account.limit_changed")
    told = str(row.details).replace("'", '"').replace("900000", "900001")
    _run("UPDATE audit_logs SET details = %s WHERE id = %s", told, row.pk)
    _run("UPDATE accounts SET daily_limit_minor = 900001 WHERE id = %s", names.reena)


def _rows(account_id: int) -> list[AuditLog]:
    return list(AuditLog.objects.filter(account_id=account_id).order_by("sequence"))


def _run(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        assert cursor.rowcount > 0, "nothing was changed"


def _of_another_bank(epoch: int) -> bytes:
    return bytes(32)


# --- The list ---------------------------------------------------------------------------------

COLUMNS = (
    "account_id, created_at, action, actor_id, object_type, object_id, request_id, ip, details, "
    "epoch, tag, link"
)
ONE = "account_id = {reena} AND sequence = 3"  # the row of the rent in Reena's chain

MANIPULATIONS = [
    Manipulation(
        "an audit row is edited",
        sql(f"UPDATE audit_logs SET request_id = 'other' WHERE {ONE}"),
        "account {reena_number}, audit row 3 is not as it was written",
    ),
    Manipulation(
        "who did it is edited",
        sql(f"UPDATE audit_logs SET actor_id = actor_id + 1 WHERE {ONE}"),
        "account {reena_number}, audit row 3 is not as it was written",
    ),
    Manipulation(
        "an amount in the details is edited",
        sql(f"UPDATE audit_logs SET details = REPLACE(details, '10000', '10001') WHERE {ONE}"),
        "account {reena_number}, audit row 3 is not as it was written",
    ),
    Manipulation(
        "a time is edited",
        sql(f"UPDATE audit_logs SET created_at = '2026-01-01 00:00:00.000001' WHERE {ONE}"),
        "account {reena_number}, audit row 3 is not as it was written",
    ),
    Manipulation(
        "a row is deleted",
        sql(f"DELETE FROM audit_logs WHERE {ONE}"),
        "account {reena_number}, audit row 3 is missing",
    ),
    Manipulation(
        "a row is deleted and the others move up",
        sql(
            f"DELETE FROM audit_logs WHERE {ONE}",
            "UPDATE audit_logs SET sequence = 3 WHERE account_id = {reena} AND sequence = 4",
            "UPDATE audit_logs SET sequence = 4 WHERE account_id = {reena} AND sequence = 5",
            "UPDATE audit_logs SET sequence = 5 WHERE account_id = {reena} AND sequence = 6",
            "UPDATE accounts SET audit_sequence = 5 WHERE id = {reena}",
        ),
        "account {reena_number}, audit row 3 is not as it was written",
    ),
    Manipulation(
        "a row is inserted at the end",
        sql(
            f"INSERT INTO audit_logs (sequence, {COLUMNS}) SELECT 7, {COLUMNS} FROM "
            f"(SELECT * FROM audit_logs) AS old WHERE {ONE}",
        ),
        "account {reena_number}, audit row 7 is not as it was written",
    ),
    Manipulation(
        "a row is inserted outside the chain",
        sql(
            f"INSERT INTO audit_logs ({COLUMNS}) SELECT {COLUMNS} FROM "
            f"(SELECT * FROM audit_logs) AS old WHERE {ONE}",
        ),
        "is about an account and in no chain",
    ),
    Manipulation(
        "two rows change places",
        sql(
            f"UPDATE audit_logs SET sequence = 99 WHERE {ONE}",
            "UPDATE audit_logs SET sequence = 3 WHERE account_id = {reena} AND sequence = 4",
            "UPDATE audit_logs SET sequence = 4 WHERE account_id = {reena} AND sequence = 99",
        ),
        "account {reena_number}, audit row 3 is not as it was written",
    ),
    Manipulation(
        "a row moves to another account",
        sql("UPDATE audit_logs SET account_id = {rahul}, sequence = 99 WHERE " + ONE),
        "account {reena_number}, audit row 3 is missing",
    ),
    Manipulation(
        "the rows of two accounts change places",
        sql(
            "UPDATE audit_logs SET account_id = 0 WHERE account_id = {reena}",
            "UPDATE audit_logs SET account_id = {reena} WHERE account_id = {rahul}",
            "UPDATE audit_logs SET account_id = {rahul} WHERE account_id = 0",
        ),
        "account {reena_number}, audit row 1 is not as it was written",
    ),
    Manipulation(
        "the end of a chain is cut off",
        sql("DELETE FROM audit_logs WHERE account_id = {reena} AND sequence > 4"),
        "account {reena_number}, audit row 5 is missing",
    ),
    Manipulation(
        "the end is cut off and the account told so",
        sql(
            "DELETE FROM audit_logs WHERE account_id = {rahul} AND sequence = 5",
            "UPDATE accounts SET audit_sequence = 4, audit_head = (SELECT link FROM audit_logs "
            "WHERE account_id = {rahul} AND sequence = 4) WHERE id = {rahul}",
        ),
        "account {rahul_number}, audit row 5 is in seal 2 and gone",
    ),
    Manipulation(
        "only the end of a chain is edited",
        sql(f"UPDATE accounts SET audit_head = '{'ab' * 32}' WHERE id = {{rahul}}"),
        "account {rahul_number}, audit row 5 is not where the account's chain ends",
    ),
    Manipulation(
        "all audit rows are deleted",
        sql("DELETE FROM audit_logs WHERE id > 0"),
        "audit row 1 is missing",
    ),
    Manipulation(
        "links are made anew, without the key",
        lambda names: (
            sql(f"UPDATE audit_logs SET request_id = 'other' WHERE {ONE}")(names),
            relinked(names.reena),
        ),
        "account {reena_number}, audit row 3 is not as it was written",
    ),
    Manipulation(
        "a chain is rewritten with a key of one's own",
        rewritten(_of_another_bank),
        "account {reena_number}, audit row 1 is not as it was written",
    ),
    Manipulation(
        "a chain is rewritten with the bank's key, after a seal",
        rewritten(keys.of),
        "account {reena_number}, audit row 5 is not the one in seal 1",
    ),
    Manipulation(
        "a chain and the seals over it are rewritten with the bank's key",
        and_its_seal,
        "seal 1 is not signed by the bank",
    ),
    Manipulation(
        "an older dump is put back, seals and all",
        put_back,
        "seal 2 is in ",
    ),
    Manipulation(
        "a seal is edited",
        sql(f"UPDATE audit_seals SET root = '{'ab' * 32}' WHERE number = 1"),
        "seal 1 is not over the chains that are stored with it",
    ),
    Manipulation(
        "a seal is deleted",
        sql(
            "DELETE FROM audit_sealed_heads WHERE seal_id = 1",
            "DELETE FROM audit_seals WHERE number = 1",
        ),
        "seal 1 is missing",
    ),
    Manipulation(
        "an account is deleted with its entries and its chain",
        sql(
            "DELETE FROM audit_logs WHERE account_id = {rahul}",
            "DELETE FROM ledger_entries WHERE account_id = {rahul}",
            "DELETE FROM accounts WHERE id = {rahul}",
        ),
        "no such account",
    ),
    Manipulation(
        "only a balance is edited",
        sql("UPDATE accounts SET balance_minor = balance_minor + 1 WHERE id = {reena}"),
        "account {reena_number}: the balance is",
    ),
    Manipulation(
        "only the entries are edited, with the balance",
        sql(
            "UPDATE ledger_entries SET amount_minor = amount_minor + 1, balance_after_minor = "
            "balance_after_minor + 1 WHERE account_id = {rahul} AND sequence = 2",
            "UPDATE accounts SET balance_minor = balance_minor + 1 WHERE id = {rahul}",
        ),
        "transfer {rent}: its entries are not what it moved",
    ),
    Manipulation(
        "transfer and entries are edited, the audit log is not",
        another_amount,
        "transfer {rent}",
    ),
    Manipulation(
        "only the usage is edited",
        sql("UPDATE account_daily_usage SET used_minor = 1 WHERE account_id = {reena}"),
        "1 stands there, 10000 was sent",
    ),
    Manipulation(
        "only the limit is edited",
        sql("UPDATE accounts SET daily_limit_minor = 100000000 WHERE id = {reena}"),
        "account {reena_number}: its daily_limit_minor is 100000000",
    ),
    Manipulation(
        "a sign-in is edited",
        sql("UPDATE audit_logs SET ip = '10.0.0.1' WHERE action = 'sign_in.succeeded'"),
        "is not as it was written",
    ),
]
