"""Nonsense by the thousand: whatever is sent, the bank answers as its contract says, never breaks,
and moves money only when a second reader (second_reader.py) understands the same order.

nonsense.py draws what is sent. Where the second reader understands an order, the bank must, too.
"""

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode

import pytest
from django.db import connection
from django.test import Client
from hypothesis import strategies as st

from accounts import models as stored
from accounts import operations
from conftest import PASSWORD, Api
from tests import nonsense
from tests import second_reader as reader
from tests.nonsense import ACCOUNTS, CASH, NOBODY, RAHUL, REENA, Sent, written
from transfers import cash
from transfers.models import Transfer

pytestmark = pytest.mark.django_db(transaction=True)

PLENTY = 10**18
# Every code of the contract, with its status.
CODES = {
    "malformed_request": 400,
    "validation_error": 400,
    "not_authenticated": 401,
    "insufficient_funds": 402,
    "permission_denied": 403,
    "not_found": 404,
    "account_not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "account_not_active": 409,
    "idempotency_in_progress": 409,
    "receipt_not_possible": 409,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
    "same_account": 422,
    "currency_mismatch": 422,
    "idempotency_key_reused": 422,
    "daily_limit_exceeded": 429,
    "throttled": 429,
    "busy": 503,
}
MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}
MORE_MEMBERS = {"validation_error": {"errors"}, "account_not_found": {"field"}}
UNREAD = {400, 413, 415}  # what is refused before anybody has looked at the bank's books


@dataclass
class Bank:
    """Two rich customers, what they were answered, and a way to see whether anything moved."""

    reena: Api
    rahul: Api
    browser: Client
    customers: dict[str, str]
    number: int = 0
    answers: Counter = field(default_factory=Counter)

    def picture(self) -> tuple:
        """Return everything about money, in little: if it is equal, nothing moved."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT (SELECT MAX(id) FROM transfers), (SELECT MAX(id) FROM ledger_entries),"
                " (SELECT SUM(used_minor) FROM account_daily_usage)"
            )
            return *cursor.fetchone(), self.balances()

    def balances(self) -> dict[str, tuple[int, int]]:
        """Return balance and number of entries by account."""
        rows = stored.Account.objects.values_list("public_id", "balance_minor", "entry_sequence")
        return {id: (balance, entries) for id, balance, entries in rows}

    def audited(self) -> int:
        """Return how the audit log ends."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT MAX(id) FROM audit_logs")
            return cursor.fetchone()[0]

    def answered(self, answer) -> None:
        """Count the answer."""
        self.number += 1
        code = ""
        if answer["Content-Type"] == "application/problem+json":
            code = " " + json.loads(answer.content)["code"]
        self.answers[f"{answer.status_code}{code}"] += 1


@pytest.fixture
def bank(make_customer, teller, settings) -> Bank:
    """Reena and Rahul with plenty of money in three currencies, under known ids and numbers."""
    settings.SIGN_IN_FAILURES = 10**9
    people = {name: make_customer(name, balance=0, limit=9 * PLENTY) for name in ("reena", "rahul")}
    for known in [*REENA, *RAHUL]:
        account = people[known.owner].account
        if known.currency != "INR":
            account = operations.open_account(
                people[known.owner].customer,
                name="Savings",
                currency=known.currency,
                daily_limit_minor=9 * PLENTY,
                origin=teller.origin,
            )
        cash.deposit(account, PLENTY, reference="", key=known.id, origin=teller.origin)
        make_known(account, known)
    make_known(operations.cash_account("INR"), CASH)
    browser = Client(raise_request_exception=False)
    browser.force_login(people["reena"].user)
    customers = {name: person.customer.public_id for name, person in people.items()}
    return Bank(people["reena"].api, people["rahul"].api, browser, customers)


def make_known(account: stored.Account, known: reader.Account) -> None:
    names = {"public_id": known.id, "number": known.number}
    stored.Account.objects.filter(pk=account.pk).update(**names)


# --- What every answer must be --------------------------------------------------------------------


def assert_answered(answer, statuses: set[int], sent) -> dict:
    """Check the status and, of a problem, its form; return the JSON."""
    body = answer.content.decode()
    assert answer.status_code in statuses, f"{sent}: {answer.status_code} {body[:300]}"
    if answer.status_code < 400:
        return json.loads(body)
    assert answer["Content-Type"] == "application/problem+json", f"{sent}: {answer['Content-Type']}"
    problem = json.loads(body)
    code = problem["code"]
    assert problem["status"] == answer.status_code == CODES[code], f"{sent}: {body}"
    assert problem["type"] == f"/problems/{code}"
    assert problem["title"] and problem["detail"]
    assert problem.keys() == MEMBERS | MORE_MEMBERS.get(code, set()), f"{sent}: {body}"
    assert problem["request_id"] == answer["X-Request-ID"]
    for error in problem.get("errors", []):
        assert error.keys() == {"field", "code", "detail"}, f"{sent}: {body}"
    assert ("WWW-Authenticate" in answer) == (answer.status_code == 401)
    return problem


def assert_moved(bank: Bank, before: tuple, order: reader.Order, id: str, sent) -> None:
    """Check that this order was carried out, once, and nothing else."""
    transfers, entries, used, balances = before
    for account, minor in ((order.payer, -order.minor), (order.payee, order.minor)):
        balance, sequence = balances[account.id]
        balances = {**balances, account.id: (balance + minor, sequence + 1)}
    after = transfers + 1, entries + 2, (used or 0) + order.minor, balances
    assert bank.picture() == after, f"{sent}: understood as {order}"
    kept = Transfer.objects.select_related("from_account", "to_account").get(public_id=id)
    assert (
        *(kept.pk, kept.from_account.public_id, kept.to_account.public_id, kept.amount_minor),
        *(kept.currency, kept.reference, kept.status),
    ) == (
        *(transfers + 1, order.payer.id, order.payee.id, order.minor),
        *(order.currency, order.reference, "COMPLETED"),
    ), f"{sent}: understood as {order}"


# --- POST /transfers ------------------------------------------------------------------------------


def read_order(sent: Sent) -> reader.Order:
    """Return what the second reader makes of it. Raises Unreadable."""
    return sent.read_by(lambda raw: reader.order(raw, "reena", ACCOUNTS))


def check_order(bank: Bank, sent: Sent) -> None:
    """Send one order, twice if it has a key, and judge the answers and what moved."""
    if sent.key is not None and reader.is_key(sent.key):  # its own, so that it is no replay yet
        sent = replace(sent, key=f"{bank.number} {sent.key}")
    before, audited = bank.picture(), bank.audited()
    answer = sent.post(bank.reena, "/transfers")
    bank.answered(answer)
    try:
        order = read_order(sent)
    except reader.Unreadable:
        assert_answered(answer, UNREAD, sent)
        written_now = bank.picture(), bank.audited()
        assert written_now == (before, audited), f"{sent}: refused, and yet something was written"
        return
    status, code = reader.verdict(order, "reena")
    body = assert_answered(answer, {status}, sent)
    if code:
        assert body["code"] == code, f"{sent}: {body}"
        assert bank.picture() == before, f"{sent}: refused, and yet something moved"
        return
    assert body["amount"] == written(order.minor, order.currency), f"{sent}: {body}"
    assert_moved(bank, before, order, body["id"], sent)
    if sent.key is not None:
        before = bank.picture()
        again = sent.post(bank.reena, "/transfers")
        assert (again.status_code, again.content) == (201, answer.content), f"{sent}"
        assert again["Idempotent-Replayed"] == "true"
        assert bank.picture() == before, f"{sent}: a replay moved something"


def test_a_spoilt_order_is_refused_or_understood_as_the_second_reader_does(bank, by_chance):
    chance = by_chance(350)

    @chance.given(nonsense.orders(), nonsense.tricks())
    def check(sent):
        check_order(bank, sent)

    check()
    chance.report(f"{bank.number} orders", bank.answers)
    met = {"201", "400 malformed_request", "400 validation_error", "404 account_not_found"}
    met |= {"415 unsupported_media_type", "422 same_account", "422 currency_mismatch"}
    assert bank.answers.keys() >= met  # else this is a test of less than it says


def test_a_good_order_is_always_taken(bank, by_chance):
    chance = by_chance(100)

    @chance.given(nonsense.good_orders())
    def check(sent):
        assert reader.verdict(read_order(sent), "reena") == (201, None)
        check_order(bank, sent)

    check()
    chance.report(f"{bank.number} good orders", bank.answers)


# --- POST /transfers/{id}/receipt -----------------------------------------------------------------

ASKED_BY = {"receiver": 200, "sender": 403, "receiver of nothing": 404}


def read_receipt(sent: Sent) -> int:
    """Return the minor units of KWD that the second reader finds. Raises Unreadable."""
    said = sent.read_by(reader.members)
    if said.keys() != {"received_amount"}:
        raise reader.Unreadable("other members")
    return reader.amount(said["received_amount"], "KWD", smallest=0)


def test_a_spoilt_receipt_is_refused_or_understood_as_the_second_reader_does(bank, by_chance):
    chance = by_chance(150)
    order = {"from_account_id": REENA[2].id, "to_account_id": RAHUL[2].id, "amount": "1.25"}
    unsaid = []  # such transfers, of which Rahul has said nothing so far

    @chance.given(st.tuples(nonsense.receipts(), st.sampled_from(["receiver", *ASKED_BY])))
    def check(said):
        sent, by = said
        id = unsaid.pop() if unsaid else bank.reena.post("/transfers", order).json()["id"]
        client = bank.reena if by == "sender" else bank.rahul
        path = f"/transfers/{NOBODY.id if by == 'receiver of nothing' else id}/receipt"
        before, audited = bank.picture(), bank.audited()
        answer = sent.post(client, path)
        bank.answered(answer)
        try:
            minor = read_receipt(sent)
        except reader.Unreadable:
            minor = None
            assert_answered(answer, {*UNREAD, ASKED_BY[by]} - {200}, sent)
        else:
            assert_answered(answer, {ASKED_BY[by]}, sent)
        assert bank.picture() == before, f"{sent}: a receipt moved money"

        kept = Transfer.objects.get(public_id=id)
        taken = by == "receiver" and minor is not None
        status = ("CONFIRMED" if minor == 1_250 else "DISPUTED") if taken else "UNCONFIRMED"
        expected = status, minor if taken else None, audited + taken
        assert (kept.receipt_status, kept.received_minor, bank.audited()) == expected, f"{sent}"
        if not taken:
            unsaid.append(id)
            return
        assert answer.json()["receipt"]["status"] == status, f"{sent}"
        again, other = sent.post(client, path), client.post(path, {"received_amount": "7"})
        assert (again.status_code, again.content) == (200, answer.content), f"{sent}"
        assert_answered(other, {200 if minor == 7_000 else 409}, sent)

    check()
    chance.report(f"{bank.number} receipts", bank.answers)
    assert bank.answers.keys() >= {"200", "403 permission_denied", "404 not_found"}


# --- POST /auth/token -----------------------------------------------------------------------------


def test_spoilt_credentials_open_nothing(bank, by_chance, stranger):
    chance = by_chance(120)

    @chance.given(nonsense.credentials())
    def check(sent):
        answer = sent.post(stranger, "/auth/token")
        bank.answered(answer)
        try:
            said = sent.read_by(reader.members)
        except reader.Unreadable:
            assert_answered(answer, UNREAD, sent)
            return
        if said == {"username": "reena", "password": PASSWORD}:
            assert assert_answered(answer, {200}, sent).keys() == {"token", "expires_at"}
        else:
            assert_answered(answer, {400, 401}, sent)

    check()
    chance.report(f"{bank.number} sign-ins", bank.answers)
    assert bank.answers.keys() >= {"200", "401 not_authenticated"}


# --- The form on /send ----------------------------------------------------------------------------


def send_form(bank: Bank, sent):
    """Send a form with a key that was never used, if it has its field; return the answer."""
    key = f"00000000-0000-4000-9000-{bank.number + 1:012}"
    raw = sent.raw.replace(nonsense.NEW_KEY.encode(), key.encode())
    answer = bank.browser.generic("POST", "/send", raw, sent.content_type)
    bank.answered(answer)
    return answer


def read_form(typed: nonsense.Typed) -> reader.Order:
    """Return what the second reader makes of it. Raises Unreadable."""
    fields = dict(typed.pairs)  # of a field that is there twice, the last counts
    if typed.content_type.endswith("latin-1") or fields.get("idempotency_key") != nonsense.NEW_KEY:
        raise reader.Unreadable("not in UTF-8, or without its key")
    return reader.typed_order(fields, "reena", ACCOUNTS)


def test_a_spoilt_form_is_refused_or_understood_as_the_second_reader_does(bank, by_chance):
    chance = by_chance(180)

    @chance.given(nonsense.forms(), nonsense.typed_tricks())
    def check(typed):
        before, audited = bank.picture(), bank.audited()
        answer = send_form(bank, typed)
        try:
            order = read_form(typed)
        except reader.Unreadable:
            assert answer.status_code == 400, f"{typed}: {answer.status_code}"
            written_now = bank.picture(), bank.audited()
            assert written_now == (before, audited), f"{typed}: refused, and yet it was written"
            return
        status, _ = reader.verdict(order, "reena")
        expected = 303 if status == 201 else status
        assert answer.status_code == expected, f"{typed}: {answer.status_code} for {order}"
        if status == 201:
            assert_moved(bank, before, order, answer["Location"].rpartition("/")[2], typed)
        else:
            assert bank.picture() == before, f"{typed}: refused, and yet something moved"

    check()
    chance.report(f"{bank.number} forms", bank.answers)
    assert bank.answers.keys() >= {"303", "400", "404", "422"}


def test_a_broken_form_breaks_nothing(bank, by_chance):
    chance = by_chance(150)

    @chance.given(nonsense.broken_forms())
    def check(sent):
        before = bank.picture()
        answer = send_form(bank, sent)
        assert answer.status_code in {303, 400, 404, 413, 422}, f"{sent}: {answer.status_code}"
        if answer.status_code != 303:
            assert bank.picture() == before, f"{sent}: refused, and yet something moved"
            return
        # Which bytes are broken is not known here; but what was understood must stand in them.
        kept = Transfer.objects.latest("pk")
        payer, payee = (
            next(known for known in ACCOUNTS if known.id == account.public_id)
            for account in (kept.from_account, kept.to_account)
        )
        amount = written(kept.amount_minor, kept.currency).removesuffix(".00")
        for name in (payer.id, payee.number, amount):
            assert name.encode() in sent.raw, f"{sent}: understood as {name}"
        order = reader.Order(payer, payee, kept.amount_minor, kept.currency, kept.reference)
        assert_moved(bank, before, order, kept.public_id, sent)

    check()
    chance.report(f"{bank.number} broken forms", bank.answers)
    assert bank.answers.keys() >= {"303", "400"}


# --- Everything that is read ----------------------------------------------------------------------


@dataclass
class Asking:
    """Reena, reading: her own ids, foreign ones, and cursors that her lists have given."""

    bank: Bank
    own: dict[str, str]
    foreign: dict[str, str]
    cursors: dict[str, str] = field(default_factory=dict)

    def id_of(self, read: nonsense.Read, whose: str) -> str:
        """Return the id that stands in the path."""
        kind, _ = nonsense.PATHS[read.path]
        ids = {nonsense.OWN: self.own.get(kind), nonsense.FOREIGN: self.foreign.get(kind)}
        return ids.get(whose) or (read.strange_id if whose == nonsense.STRANGE else NOBODY.id)

    def get(self, read: nonsense.Read, whose: str):
        """Send it and return the answer."""
        cursor = self.cursors.get(read.path, "none")
        other = "A" if cursor[-3] != "A" else "B"
        known = {nonsense.CURSOR: cursor, nonsense.SPOILT_CURSOR: cursor[:-3] + other + cursor[-2:]}
        said = urlencode([(name, known.get(text, text)) for name, text in read.parameters])
        path = read.path.format(quote(self.id_of(read, whose), safe=""))
        return self.bank.reena.get(f"{path}?{said}")


@pytest.fixture
def asking(bank) -> Asking:
    """Reena with two transfers in each direction, to be read in pages."""
    for payer, payee in [(REENA, RAHUL), (RAHUL, REENA)] * 2:
        client = bank.reena if payer is REENA else bank.rahul
        order = {"from_account_id": payer[0].id, "to_account_id": payee[0].id, "amount": "1"}
        transfer = client.post("/transfers", order).json()["id"]
    rahuls = Transfer.objects.get(to_account__public_id=RAHUL[1].id).public_id
    asking = Asking(
        bank,
        {"customer": bank.customers["reena"], "account": REENA[0].id, "transfer": transfer},
        {"customer": bank.customers["rahul"], "account": RAHUL[0].id, "transfer": rahuls},
    )
    for path, (_, known) in nonsense.PATHS.items():
        if "cursor" in known:
            first = nonsense.Read(path, nonsense.OWN, "", [("limit", "1")])
            following = asking.get(first, nonsense.OWN).json()["next"]
            cursor = following.partition("cursor=")[2].partition("&")[0]
            asking.cursors[path] = cursor.replace("%3A", ":")
    return asking


def statuses_of(read: nonsense.Read) -> set[int]:
    """Return how the bank may answer; an unlucky read may be refused for one of two reasons."""
    kind, known = nonsense.PATHS[read.path]
    told = [(name, text) for name, text in read.parameters if name in known]
    last = dict(told)
    right = [nonsense.is_right(name, text) for name, text in told]
    right.append(len(last) == len(told))
    if all(right) and {"since", "until"} <= last.keys():
        right.append(last["since"] <= last["until"])

    found = {200}
    if kind and read.whose != nonsense.OWN:
        is_id = read.whose != nonsense.STRANGE or reader.is_id(read.strange_id)
        found = {404} if is_id else {400, 404}
    if last.get("account_id") not in [None, *(account.id for account in REENA)]:
        found = {404}
    if all(right):
        return found
    return {400, *found} if False not in right else {400, *found - {200}}


def test_whatever_is_asked_is_answered_or_refused(asking, by_chance):
    chance, bank = by_chance(350), asking.bank
    before = bank.picture(), bank.audited()

    @chance.given(nonsense.reads, nonsense.single_parameters())
    def check(read):
        answer = asking.get(read, read.whose)
        bank.answered(answer)
        body = assert_answered(answer, statuses_of(read), read)
        kind, known = nonsense.PATHS[read.path]
        if answer.status_code == 200 and "limit" in known:
            assert body.keys() == {"next", "previous", "results"}, f"{read}"
        if kind and read.whose == nonsense.FOREIGN:  # as if it did not exist
            other = asking.get(read, nonsense.NOBODYS).json()
            assert {**body, "request_id": ""} == {**other, "request_id": ""}, f"{read}"

    check()
    assert (bank.picture(), bank.audited()) == before
    chance.report(f"{bank.number} reads", bank.answers)
    assert bank.answers.keys() >= {"200", "400 validation_error", "404 not_found"}
