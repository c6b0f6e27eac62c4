"""The verdict: what the clients were told, held against what the database holds.

It trusts nothing of the application: the database is read with plain SQL into plain numbers, and
every rule is stated once, here, apart from the code that has to keep it. Times are seconds of a
clock that all clients share; amounts are minor units. An account's *version* is the sequence of its
newest entry.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from torture.books import Books
from torture.history import BEFORE, NO_VERDICT, SOMETIME, VERDICTS, History, span
from torture.timeline import Timeline

REFUSAL_OF_STATUS = {402: "insufficient_funds", 429: "daily_limit_exceeded"}


@dataclass(frozen=True)
class Violation:
    """Something that must never be: which rule, one sentence, and the shortest story of it."""

    rule: str
    sentence: str
    story: list = field(default_factory=list)


class Checker:
    """Holds a history against the books of the bank that `cast` describes."""

    def __init__(self, history: History, books: Books, cast):
        self.history = history
        self.books = books
        self.cast = cast
        self.member = {one.pk: index for index, one in enumerate(cast.members)}
        self.circle_total = sum(one.balance for one in cast.members[: cast.circle])
        self.intents = {self._name_of(key): key for key in history.by_key}
        self.timelines = self._timelines()

    def violations(self) -> Iterator[Violation]:
        """Yield everything that is wrong."""
        yield from self._answers_are_of_the_right_kind()
        yield from self._every_intent_has_one_verdict()
        yield from self._every_verdict_is_booked()
        yield from self._nothing_is_booked_that_nobody_ordered()
        yield from self._balances_are_their_entries()
        yield from self._transfers_are_their_entries()
        yield from self._limits_were_kept()
        yield from self._every_transfer_is_audited()
        yield from self._refusals_were_true()
        yield from self._reads_show_one_history()
        yield from self._real_time_is_respected()

    # What the clients were told

    def _answers_are_of_the_right_kind(self) -> Iterator[Violation]:
        for record in self.history.records:
            status = record["status"]
            if status == 500 or status not in NO_VERDICT | VERDICTS[record["kind"]]:
                yield Violation(
                    "answers", f"A request of the kind '{record['kind']}' got {status}.", [record]
                )

    def _every_intent_has_one_verdict(self) -> Iterator[Violation]:
        for key in self.history.by_key:
            attempts = self.history.orders(key)
            verdicts = [one for one in attempts if one["status"] not in NO_VERDICT]
            if attempts and not verdicts:
                yield Violation("verdict", f"The intent {key} never got a verdict.", attempts)
            told = {(one["status"], one["id"], one["body"]) for one in verdicts}
            if len(told) > 1:
                yield Violation("verdict", f"The intent {key} got different answers.", verdicts)
            firsts = [one for one in verdicts if not one["replayed"]]
            if len(firsts) > 1:
                yield Violation("verdict", f"The intent {key} was carried out twice.", firsts)

    def _every_verdict_is_booked(self) -> Iterator[Violation]:
        for name, key in self.intents.items():
            booked = self.books.by_key.get(name, [])
            if len(booked) > 1:
                yield Violation("key", f"Two transfers have the key {key}.", booked)
            for record in self.history.orders(key):
                if record["status"] in NO_VERDICT:
                    continue
                wanted = self._as_told(record)
                found = [
                    (one.id, one.status, one.failure_code, one.sender, one.receiver, one.amount)
                    for one in booked
                ]
                if found != [wanted]:
                    sentence = f"What {key} was answered is not what the database holds."
                    yield Violation("lost", sentence, [record, *booked])
                    break

    def _as_told(self, record: dict) -> tuple:
        code = REFUSAL_OF_STATUS.get(record["status"])
        return (
            record["id"],
            "REJECTED" if code else "COMPLETED",
            code,
            self.cast.members[record["from"]].pk,
            self.cast.members[record["to"]].pk,
            record["amount"],
        )

    def _nothing_is_booked_that_nobody_ordered(self) -> Iterator[Violation]:
        for name, booked in self.books.by_key.items():
            if booked[0].pk > self.cast.last_opening and (
                name not in self.intents or not self.history.orders(self.intents[name])
            ):
                yield Violation("unordered", "A transfer was booked that nobody ordered.", booked)

    # The books themselves

    def _balances_are_their_entries(self) -> Iterator[Violation]:
        totals = Counter()
        for pk, account in self.books.accounts.items():
            totals[account.currency] += account.balance
            balance = 0
            for number, (sequence, _, amount, after) in enumerate(account.entries, start=1):
                balance += amount
                if (sequence, after) != (number, balance):
                    yield Violation(
                        "entries",
                        f"Entry {sequence} of account {pk} does not follow from those before it.",
                        account.entries[max(0, number - 3) : number],
                    )
                    break
                if balance < 0 and account.kind == "CUSTOMER":
                    yield Violation(
                        "negative",
                        f"Account {pk} went below zero.",
                        account.entries[number - 2 : number],
                    )
            if (account.balance, account.sequence) != (balance, len(account.entries)):
                yield Violation(
                    "balance",
                    f"Account {pk} has {account.balance} at version {account.sequence}; its "
                    f"entries say {balance} at {len(account.entries)}.",
                    account.entries[-2:],
                )
        for currency, total in totals.items():
            if total:
                yield Violation("total", f"All balances in {currency} together are {total}, not 0.")

    def _transfers_are_their_entries(self) -> Iterator[Violation]:
        moved = defaultdict(list)
        for pk, account in self.books.accounts.items():
            for _, transfer, amount, _ in account.entries:
                moved[transfer].append((pk, amount))
        for one in self.books.transfers:
            wanted = [(one.sender, -one.amount), (one.receiver, one.amount)]
            if sorted(moved.pop(one.pk, [])) != (
                sorted(wanted) if one.status == "COMPLETED" else []
            ):
                yield Violation("moved", f"The entries of {one.id} are not what it moved.", [one])
        for transfer, entries in moved.items():
            yield Violation("moved", f"Entries belong to no transfer ({transfer}).", entries)

    def _limits_were_kept(self) -> Iterator[Violation]:
        sent = Counter()
        for one in self.books.transfers:
            if one.kind == "PAYMENT" and one.status == "COMPLETED":
                sent[one.sender, one.day] += one.amount
        for name in sent.keys() | self.books.usage.keys():
            used = self.books.usage.get(name, 0)
            limit = self.books.accounts[name[0]].limit
            if sent[name] != used:
                sentence = f"Account {name[0]} sent {sent[name]} on {name[1]}; {used} is counted."
                yield Violation("usage", sentence)
            if sent[name] > limit:
                sentence = f"Account {name[0]} sent {sent[name]} of {limit} on {name[1]}."
                yield Violation("limit", sentence)

    def _every_transfer_is_audited(self) -> Iterator[Violation]:
        left = Counter(self.books.audited)
        for name in list(left):
            if name[1] == "transfer.not_accepted":
                del left[name]
        for one in self.books.transfers:
            wanted = (
                [
                    (one.id, "transfer.completed", one.sender),
                    (one.id, "transfer.completed", one.receiver),
                ]
                if one.status == "COMPLETED"
                else [(one.id, "transfer.refused", one.sender)]
            )
            if any(left.pop(name, 0) != 1 for name in wanted):
                yield Violation(
                    "audit", f"Transfer {one.id} is not audited as it should be.", [one]
                )
        for name in left:
            yield Violation("audit", "An audit row tells of a transfer that is not there.", [name])

    def _refusals_were_true(self) -> Iterator[Violation]:
        for name, booked in self.books.by_key.items():
            one = booked[0]
            details = one.failure_details
            if one.failure_code == "daily_limit_exceeded":
                is_true = details["used_minor"] + one.amount > details["limit_minor"]
            elif one.failure_code == "insufficient_funds":
                attempts = self.history.orders(self.intents.get(name, ""))
                invoked, told = span(attempts)
                had = self.timelines[one.sender].balances_between(invoked, told)
                available = details["available_minor"]
                is_true = available < one.amount and available in had
            else:
                continue
            if not is_true:
                yield Violation("refusal", f"{one.id} was refused for what was not so.", [one])

    # What the clients read meanwhile

    def _reads_show_one_history(self) -> Iterator[Violation]:
        for record in self.history.reads:
            if record["status"] != 200:
                continue
            wrong = {
                "balances": self._wrong_balances,
                "version": self._wrong_version,
                "transfer": _wrong_transfer,
                "limits": self._wrong_limits,
            }[record["kind"]](record)
            if wrong:
                yield Violation("read", wrong, [record])

    def _wrong_balances(self, record: dict) -> str | None:
        balances = {int(index): balance for index, balance in record["balances"].items()}
        if sum(balances.values()) != self.circle_total or len(balances) != self.cast.circle:
            return f"The circle has {sum(balances.values())}, not {self.circle_total}."
        for index, balance in balances.items():
            timeline = self.timelines[self.cast.members[index].pk]
            if balance not in timeline.balances_between(record["t0"], record["t1"]):
                return f"Account {index} was read with {balance}, which it did not have then."
        return None

    def _wrong_version(self, record: dict) -> str | None:
        timeline = self.timelines[self.cast.members[record["account"]].pk]
        oldest, newest = timeline.versions_between(record["t0"], record["t1"])
        sequence = record["sequence"]
        if not oldest <= sequence <= newest:
            return f"Version {sequence} was read where only {oldest} to {newest} can be."
        if timeline.balance_at(sequence) != record["balance"]:
            return f"Version {sequence} was read with {record['balance']}, which it never had."
        return None

    def _wrong_limits(self, record: dict) -> str | None:
        limit, used, remaining = record["limit"]
        if limit != self.cast.members[record["account"]].limit or used + remaining != limit:
            return f"The limit was read as {limit}, {used} used and {remaining} left."
        return None

    # The order of things

    def _real_time_is_respected(self) -> Iterator[Violation]:
        """If one transfer was answered before another began, their entries are in that order."""
        for pk, timeline in self.timelines.items():
            for later in timeline.out_of_order():
                yield Violation(
                    "order",
                    f"An entry of account {pk} comes before one that was answered earlier.",
                    [*self.books.accounts[pk].entries[later - 2 : later + 1]],
                )

    def _name_of(self, key: str) -> tuple[int, str]:
        sender = self.cast.members[self.history.by_key[key][0]["from"]]
        return sender.user_pk, hashlib.sha256(key.encode()).hexdigest()

    def _timelines(self) -> dict[int, Timeline]:
        spans = {
            one.pk: BEFORE if one.pk <= self.cast.last_opening else SOMETIME
            for one in self.books.transfers
        }
        for name, key in self.intents.items():
            for one in self.books.by_key.get(name, []):
                spans[one.pk] = span(self.history.orders(key))
        return {pk: Timeline(book.entries, spans) for pk, book in self.books.accounts.items()}


def _wrong_transfer(record: dict) -> str | None:
    if record["told"] != record["wanted"]:
        return f"A transfer was read as {record['told']}, not {record['wanted']}."
    return None
