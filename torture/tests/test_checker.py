"""Every rule of the checker, by a small history that breaks it and nothing else before it.

The bank: the accounts 1 and 2 are a circle of one customer, 3 and 4 belong to people, 9 is the
bank's cash. Amounts are minor units, times are seconds.
"""

import hashlib
from collections import Counter
from dataclasses import replace

import pytest

from torture.bank import Cast, Member
from torture.books import AccountBook, Booked, Books
from torture.checker import Checker
from torture.history import History

OPENING, LIMIT = 1_000, 5_000
CASH = 9
OWNER = {1: 1, 2: 1, 3: 3, 4: 4}  # the user who owns each account
DAY = "2026-11-22"


class World:
    """A bank that keeps right books of what is sent, and clients that write down what they see."""

    def __init__(self):
        members = [
            Member(pk, f"account-{pk}", "customer", OWNER[pk], "token", OPENING, LIMIT)
            for pk in OWNER
        ]
        self.accounts = {
            pk: AccountBook(0, 0, "HOUSE" if pk == CASH else "CUSTOMER", "INR", LIMIT)
            for pk in [*OWNER, CASH]
        }
        self.transfers, self.usage, self.audited, self.records = [], Counter(), Counter(), []
        for pk in OWNER:
            self.book(CASH, pk, OPENING, caller=99, key=f"opening {pk}", kind="CASH")
        self.cast = Cast(members, circle=2, last_opening=len(self.transfers))

    def book(self, sender, receiver, amount, *, caller, key, kind="PAYMENT", refusal=None):
        """Write a transfer into the books as the bank should."""
        pk = len(self.transfers) + 1
        code, details = refusal or (None, {})
        self.transfers.append(
            Booked(
                pk=pk,
                id=f"transfer-{pk}",
                caller=caller,
                key_hash=hashlib.sha256(key.encode()).hexdigest(),
                sender=sender,
                receiver=receiver,
                amount=amount,
                status="REJECTED" if refusal else "COMPLETED",
                failure_code=code,
                failure_details=details,
                kind=kind,
                day=DAY,
            )
        )
        if refusal:
            self.audited[f"transfer-{pk}", "transfer.refused", sender] += 1
            return
        for account, signed in ((sender, -amount), (receiver, amount)):
            book = self.accounts[account]
            book.balance += signed
            book.sequence += 1
            book.entries.append((book.sequence, pk, signed, book.balance))
            self.audited[f"transfer-{pk}", "transfer.completed", account] += 1
        if kind == "PAYMENT":
            self.usage[sender, DAY] += amount

    def saw(self, sender, receiver, amount, *, key, at, status=201, took=1, **told):
        """Write down one attempt of a client, and its answer about the last transfer."""
        record = {
            "kind": "order",
            "key": key,
            "from": sender - 1,
            "to": receiver - 1,
            "amount": amount,
            "t0": at,
            "t1": at + took,
            "status": status,
            "code": None,
            "id": f"transfer-{len(self.transfers)}" if status else None,
            "body": "the body",
            "replayed": False,
        }
        self.records.append(record | told)

    def send(self, sender, receiver, amount, *, key, at, **told):
        """One client sends and is told the truth."""
        self.book(sender, receiver, amount, caller=OWNER[sender], key=key)
        self.saw(sender, receiver, amount, key=key, at=at, **told)

    def read(self, kind, at, **seen):
        """Write down what a client read, in a tenth of a second."""
        self.records.append({"kind": kind, "t0": at, "t1": at + 0.1, "status": 200, **seen})

    def rules_broken(self) -> set[str]:
        """Return the names of the rules that the checker finds broken."""
        books = Books(self.accounts, self.transfers, self.usage, self.audited)
        checker = Checker(History(self.records), books, self.cast)
        return {violation.rule for violation in checker.violations()}


@pytest.fixture
def world():
    """Two transfers in the circle and one between people, one after the other."""
    world = World()
    world.send(1, 2, 100, key="a", at=1)
    world.send(2, 1, 30, key="b", at=3)
    world.send(3, 4, 500, key="c", at=5)
    world.read("balances", 7, balances={"0": 930, "1": 1_070})
    world.read("version", 7, account=3, sequence=2, balance=1_500)
    return world


def test_a_right_history_breaks_no_rule(world):
    refused = ("insufficient_funds", {"available_minor": 500})
    world.book(3, 4, 600, caller=3, key="d", refusal=refused)
    world.saw(3, 4, 600, key="d", at=8, status=402)
    world.read("limits", 9, account=2, limit=[LIMIT, 500, 4_500])
    assert world.rules_broken() == set()


def test_an_unknown_outcome_may_be_either_until_there_is_a_verdict(world):
    world.saw(4, 3, 10, key="e", at=8, status=None)
    world.saw(4, 3, 10, key="e", at=9, status=503)
    assert world.rules_broken() == {"verdict"}  # nobody ever told what became of it
    world.book(4, 3, 10, caller=4, key="e")
    world.saw(4, 3, 10, key="e", at=10)
    assert world.rules_broken() == set()


def test_an_acknowledged_transfer_that_is_not_in_the_books_is_lost(world):
    world.saw(4, 3, 10, key="e", at=8, id="transfer-77")
    assert world.rules_broken() == {"lost"}


@pytest.mark.parametrize("member", ["amount", "to", "id"])
def test_an_answer_that_differs_from_the_books_is_found(world, member):
    world.records[0][member] = 3
    assert "lost" in world.rules_broken()


def test_a_transfer_that_happened_twice_is_found(world):
    world.book(1, 2, 100, caller=1, key="a' with a new key")
    world.records.pop(3)  # the read of the circle
    assert world.rules_broken() == {"unordered"}


def test_two_transfers_under_one_key_are_found(world):
    world.book(1, 2, 100, caller=1, key="a")
    assert {"key", "lost"} <= world.rules_broken()


def test_an_order_that_had_to_be_refused_and_was_not_is_found(world):
    world.send(4, 3, 10, key="bad", at=8, kind="bad")
    assert world.rules_broken() == {"answers", "unordered"}


def test_two_different_answers_under_one_key_are_found(world):
    world.saw(3, 4, 500, key="c", at=8, body="another body", replayed=True)
    assert world.rules_broken() == {"verdict"}


def test_one_order_carried_out_twice_is_found_even_if_the_books_show_one(world):
    world.saw(3, 4, 500, key="c", at=8)
    assert world.rules_broken() == {"verdict"}


def test_an_internal_error_is_never_right(world):
    world.saw(3, 4, 500, key="c", at=8, status=500)
    assert world.rules_broken() == {"answers"}


def test_a_balance_that_is_not_its_entries_is_found(world):
    world.accounts[4].balance += 1
    assert world.rules_broken() == {"balance", "total"}


def test_a_gap_in_an_accounts_entries_is_found(world):
    sequence, *rest = world.accounts[4].entries[-1]
    world.accounts[4].entries[-1] = (sequence + 1, *rest)
    assert "entries" in world.rules_broken()


def test_a_balance_below_zero_is_found_even_if_it_was_only_for_a_moment(world):
    world.send(4, 3, 2_000, key="d", at=8)
    world.send(3, 4, 2_000, key="e", at=10)
    assert world.rules_broken() == {"negative"}


def test_money_that_moved_without_its_transfer_is_found(world):
    world.transfers.pop()
    assert "moved" in world.rules_broken()


def test_half_a_transfer_is_found(world):
    book = world.accounts[4]
    book.entries.pop()
    book.balance, book.sequence = OPENING, 1
    world.records.pop()  # the read of that entry
    assert world.rules_broken() == {"moved", "total"}


def test_a_limit_that_was_passed_is_found(world):
    world.accounts[3].limit = 499
    assert world.rules_broken() == {"limit"}


def test_usage_that_was_not_counted_is_found(world):
    world.usage[3, DAY] -= 1
    assert world.rules_broken() == {"usage"}


@pytest.mark.parametrize("copies", [0, 2])
def test_an_audit_row_too_few_or_too_many_is_found(world, copies):
    world.audited["transfer-7", "transfer.completed", 3] = copies
    if not copies:
        del world.audited["transfer-7", "transfer.completed", 3]
    assert world.rules_broken() == {"audit"}


def test_an_audit_row_of_a_transfer_that_is_not_there_is_found(world):
    world.audited["transfer-99", "transfer.completed", 3] = 1
    assert world.rules_broken() == {"audit"}


@pytest.mark.parametrize(
    "refusal",
    [
        ("insufficient_funds", {"available_minor": 600}),  # there was enough
        ("insufficient_funds", {"available_minor": 333}),  # it never had that
        ("daily_limit_exceeded", {"limit_minor": LIMIT, "used_minor": 0}),
    ],
)
def test_a_refusal_for_what_was_not_so_is_found(world, refusal):
    world.book(3, 4, 600, caller=3, key="d", refusal=refusal)
    status = 402 if refusal[0] == "insufficient_funds" else 429
    world.saw(3, 4, 600, key="d", at=8, status=status)
    assert world.rules_broken() == {"refusal"}


def test_a_read_in_which_the_sum_is_wrong_is_found(world):
    world.read("balances", 9, balances={"0": 930, "1": 1_071})
    assert world.rules_broken() == {"read"}


def test_a_read_of_what_was_before_an_acknowledged_transfer_is_found(world):
    world.read("balances", 9, balances={"0": 1_000, "1": 1_000})
    assert world.rules_broken() == {"read"}


def test_a_read_of_what_only_happens_later_is_found(world):
    world.read("version", 4, account=3, sequence=2, balance=1_500)
    assert world.rules_broken() == {"read"}


def test_a_read_that_overlaps_a_transfer_may_see_it_or_not(world):
    world.read("version", 5.5, account=3, sequence=2, balance=1_500)
    world.read("version", 5.5, account=3, sequence=1, balance=1_000)
    assert world.rules_broken() == set()


def test_a_version_with_another_balance_is_found(world):
    world.read("version", 9, account=3, sequence=2, balance=1_499)
    assert world.rules_broken() == {"read"}


def test_a_transfer_that_reads_otherwise_than_it_was_answered_is_found(world):
    world.read("transfer", 9, told=["transfer-7", "PENDING", 500], wanted=["transfer-7", "x", 500])
    assert world.rules_broken() == {"read"}


def test_limits_that_do_not_add_up_are_found(world):
    world.read("limits", 9, account=2, limit=[LIMIT, 500, 4_501])
    assert world.rules_broken() == {"read"}


def test_entries_in_another_order_than_real_time_are_found():
    world = World()
    world.send(3, 4, 10, key="later", at=5)
    world.send(3, 4, 10, key="earlier", at=1)
    assert world.rules_broken() == {"order"}


def test_the_story_of_a_violation_holds_what_shows_it(world):
    world.saw(4, 3, 10, key="e", at=8, id="transfer-77")
    books = Books(world.accounts, world.transfers, world.usage, world.audited)
    (violation,) = Checker(History(world.records), books, world.cast).violations()
    assert violation.story == [world.records[-1]]


def test_a_transfer_row_that_was_changed_afterwards_is_found(world):
    world.transfers[-1] = replace(world.transfers[-1], amount=501)
    assert {"lost", "moved", "usage"} == world.rules_broken()
