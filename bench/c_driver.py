"""The yardstick: the statements of one transfer, sent by the C driver and nothing around them.

The same rows are locked, read and written in the same order as `transfers.operations` does it, with
the same durability; but nobody is authenticated, nothing is parsed, no rule is checked. It runs in
processes of its own, several connections each.
"""

import multiprocessing
import random
import secrets
import threading
import time
from dataclasses import dataclass
from functools import partial

import MySQLdb

from accounts import public_ids
from bench.load import Sample

PROCESSES = 2


@dataclass(frozen=True)
class Way:
    """How to reach the database, and between which accounts money is moved."""

    connect: dict
    accounts: list[tuple[int, int]]  # account key, user key


class Yardstick:
    """Processes that wait to be asked for a round."""

    def __init__(self, way: Way, connections: int):
        context = multiprocessing.get_context("spawn")
        self._pipes = []
        self._processes = []
        for number in range(PROCESSES):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(way, connections // PROCESSES, number, theirs), daemon=True
            )
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)
        for pipe in self._pipes:  # ready
            pipe.recv()

    def run(self, seconds: float) -> Sample:
        """Move money for so long and return what came of it."""
        began = time.perf_counter()
        for pipe in self._pipes:
            pipe.send(seconds)
        sample = Sample()
        for pipe in self._pipes:
            latencies = pipe.recv()
            sample.latencies += latencies
            sample.statuses[201] += len(latencies)
        sample.seconds = time.perf_counter() - began
        return sample

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.kill()
            process.join()


def _serve(way: Way, connections: int, number: int, pipe) -> None:
    databases = [MySQLdb.connect(**way.connect) for _ in range(connections)]
    pipe.send("ready")
    while True:
        seconds = pipe.recv()
        ends_at = time.perf_counter() + seconds
        latencies: list[float] = []
        threads = [
            threading.Thread(
                target=_move_money,
                args=(database, way.accounts, random.Random(f"{number} {index}"), ends_at),
                kwargs={"latencies": latencies},
            )
            for index, database in enumerate(databases)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pipe.send(latencies)


def _move_money(database, accounts, chance, ends_at, *, latencies) -> None:
    cursor = database.cursor()
    while (began := time.perf_counter()) < ends_at:
        (sender, user), (receiver, _) = chance.sample(accounts, 2)
        try:
            _transfer(cursor, sender, receiver, user, chance.randint(1, 100))
            database.commit()
        except MySQLdb.OperationalError:
            database.rollback()
            continue
        latencies.append(time.perf_counter() - began)


def _transfer(cursor, sender: int, receiver: int, user: int, amount: int) -> None:
    low, high = sorted((sender, receiver))
    cursor.execute(
        "SELECT * FROM accounts WHERE id IN (%s, %s) ORDER BY id FOR UPDATE", (low, high)
    )
    named = partial(_named, [column[0] for column in cursor.description])
    locked = {row["id"]: row for row in map(named, cursor.fetchall())}
    key, public_id = secrets.token_hex(32), public_ids.new()
    cursor.execute(
        "SELECT used_minor FROM account_daily_usage "
        "WHERE account_id = %s AND bank_date = UTC_DATE()",
        (sender,),
    )
    has_usage = cursor.fetchall()
    cursor.execute("SELECT * FROM transfers WHERE caller_id = %s AND key_hash = %s", (user, key))
    cursor.fetchall()
    cursor.execute(
        "INSERT INTO transfers (public_id, kind, from_account_id, to_account_id, amount_minor, "
        "currency, reference, status, failure_details, caller_id, key_hash, fingerprint, "
        "request_id, bank_date, created_at, completed_at, receipt_status, reversed_minor) "
        "VALUES (%s, 'PAYMENT', %s, %s, %s, 'INR', 'Yardstick', 'COMPLETED', '{}', %s, %s, %s, "
        "%s, UTC_DATE(), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), 'UNCONFIRMED', 0)",
        (public_id, sender, receiver, amount, user, key, key, "bench"),
    )
    transfer = cursor.lastrowid
    cursor.execute(
        "UPDATE accounts SET balance_minor = balance_minor + IF(id = %s, %s, %s), "
        "entry_sequence = entry_sequence + 1, audit_sequence = audit_sequence + 1, "
        "audit_head = %s WHERE id IN (%s, %s)",
        (sender, -amount, amount, key, low, high),
    )
    lines = [(locked[sender], -amount), (locked[receiver], amount)]
    cursor.execute(
        "INSERT INTO ledger_entries (account_id, sequence, transfer_id, amount_minor, "
        "balance_after_minor, bank_date, created_at) VALUES "
        + ", ".join(["(%s, %s, %s, %s, %s, UTC_DATE(), UTC_TIMESTAMP(6))"] * 2),
        [
            value
            for row, moved in lines
            for value in (
                row["id"],
                row["entry_sequence"] + 1,
                transfer,
                moved,
                row["balance_minor"] + moved,
            )
        ],
    )
    cursor.execute(
        "UPDATE account_daily_usage SET used_minor = used_minor + %s "
        "WHERE account_id = %s AND bank_date = UTC_DATE()"
        if has_usage
        else "INSERT INTO account_daily_usage (used_minor, account_id, bank_date) "
        "VALUES (%s, %s, UTC_DATE())",
        (amount, sender),
    )
    cursor.execute(
        "INSERT INTO audit_logs (created_at, action, actor_id, account_id, object_type, object_id, "
        "request_id, ip, details, sequence, epoch, tag, link) VALUES "
        + ", ".join(
            [
                "(UTC_TIMESTAMP(6), 'transfer.completed', %s, %s, 'transfer', %s, %s, NULL, %s, "
                "%s, 1, %s, %s)"
            ]
            * 2
        ),
        [
            value
            for row, moved in lines
            for value in (
                *(user, row["id"], public_id, "bench", f'{{"amount_minor": {moved}}}'),
                *(row["audit_sequence"] + 1, key, key),
            )
        ],
    )


def _named(columns: list[str], row: tuple) -> dict:
    return dict(zip(columns, row, strict=True))
