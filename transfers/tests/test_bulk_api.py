"""`POST /transfers/bulk`: many payments in one call, each as it would be alone, or all or none."""

import json
from contextlib import contextmanager
from unittest.mock import Mock

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from accounts import operations, transactions
from accounts.models import AccountQuerySet
from transfers import bulk, bulk_api, payments
from transfers.models import Transfer

pytestmark = pytest.mark.django_db


@pytest.fixture
def item(reena, rahul):
    """Return a function that makes one of the transfers: from Reena to Rahul."""

    def make(amount="1.00", key="a", **members) -> dict:
        return {**reena.order(rahul, amount), "idempotency_key": key, **members}

    return make


@pytest.fixture
def send(reena):
    """Return a function that sends a bulk as Reena."""

    def post(transfers, **members):
        return reena.api.post("/transfers/bulk", {"transfers": transfers, **members})

    return post


def codes(answer) -> list:
    """Return the status of each result, with the problem's code if it is one."""
    assert answer.status_code == 200, answer.content
    return [
        one["status"] if "transfer" in one else (one["status"], one["problem"]["code"])
        for one in answer.json()["results"]
    ]


def test_each_gets_its_own_result_in_the_order_of_the_call(send, item, reena, rahul):
    answer = send(
        [
            item("1.00", "a"),
            item("5000.01", "b"),
            item("2.000", "c"),
            item("3.00", "d", from_account_id=rahul.account.public_id),
            {"amount": "1.00"},
            "nonsense",
            item("4.00", "e"),
        ]
    )
    assert codes(answer) == [
        201,
        (402, "insufficient_funds"),
        (400, "validation_error"),
        (404, "account_not_found"),
        (400, "validation_error"),
        (400, "validation_error"),
        201,
    ]
    assert (reena.balance(), rahul.balance()) == (499_500, 300_500)
    assert [one.amount_minor for one in Transfer.objects.filter(kind="PAYMENT")] == [
        100,
        500_001,
        400,
    ]


def test_a_result_is_what_a_call_of_its_own_would_have_answered(send, item, reena, rahul):
    [done, refused] = send([item("1.00", "a"), item("9000.00", "b")]).json()["results"]
    alone = reena.send(rahul, "1.00", key="a")
    assert (alone.status_code, alone.json()) == (done["status"], done["transfer"])
    assert alone.headers["Idempotent-Replayed"] == "true"
    again = reena.send(rahul, "9000.00", key="b")
    assert (again.status_code, again.json()) == (refused["status"], refused["problem"])


def test_the_same_call_again_pays_nobody_twice_and_answers_the_same(send, item, reena):
    transfers = [item("1.00", "a"), item("9000.00", "b"), item("2.00", "c")]
    first, second = send(transfers), send(transfers)
    assert first.json() == second.json()
    assert reena.balance() == 499_700


def test_a_key_twice_in_one_call_pays_once(send, item, reena):
    answer = send([item("1.00", "a"), item("1.00", "a"), item("2.00", "a")])
    assert codes(answer) == [201, 201, (422, "idempotency_key_reused")]
    first, second, _ = answer.json()["results"]
    assert first == second
    assert reena.balance() == 499_900


def test_each_sees_what_the_ones_before_it_left(send, item, meera, rahul):
    order = meera.order(rahul, "60.00")
    answer = meera.api.post(
        "/transfers/bulk",
        {"transfers": [{**order, "idempotency_key": "a"}, {**order, "idempotency_key": "b"}]},
    )
    assert codes(answer) == [201, (429, "daily_limit_exceeded")]
    assert meera.balance() == 44_000


# --- In which order, which a chunk of one tells -------------------------------------------------


@pytest.fixture
def turns(monkeypatch, reena, rahul, anita):
    """Send payments of these amounts in small chunks, to Rahul and Anita by turns, and return the
    answer with the amounts in the order in which they were written."""

    def pay(*amounts, keys="abcdefgh", sender=reena, chunk=1):
        monkeypatch.setattr(bulk, "CHUNK", chunk)
        transfers = [
            {**sender.order(to, amount), "idempotency_key": key}
            for amount, key, to in zip(amounts, keys, [rahul, anita] * 4, strict=False)
        ]
        answer = sender.api.post("/transfers/bulk", {"transfers": transfers})
        written = Transfer.objects.filter(kind="PAYMENT").order_by("pk")
        return answer, [one.amount_minor for one in written]

    return pay


def test_payments_that_take_nothing_from_each_other_go_by_receiver(turns):
    answer, written = turns("1.00", "2.00", "3.00", "4.00")
    assert codes(answer) == [201] * 4
    amounts = [one["transfer"]["amount"] for one in answer.json()["results"]]
    assert amounts == ["1.00", "2.00", "3.00", "4.00"]
    assert written in ([100, 300, 200, 400], [200, 400, 100, 300])


def test_those_of_one_chunk_stay_in_the_order_of_the_call(turns):
    answer, written = turns("1.00", "2.00", "3.00", "4.00", "5.00", chunk=4)
    assert codes(answer) == [201] * 5
    assert written in ([100, 200, 300, 500, 400], [100, 200, 300, 400, 500])


def test_if_the_money_does_not_last_the_first_are_paid(turns, reena):
    answer, written = turns("2000.00", "2000.00", "1000.01", "0.50")
    assert codes(answer) == [201, 201, (402, "insufficient_funds"), 201]
    assert written == [200_000, 200_000, 100_001, 50]
    assert reena.balance() == 99_950


def test_money_that_lasts_to_the_last_paisa_lasts(turns, reena):
    answer, written = turns("1000.00", "2000.00", "500.00", "1500.00")
    assert codes(answer) == [201] * 4
    assert written in ([100_000, 50_000, 200_000, 150_000], [200_000, 150_000, 100_000, 50_000])
    assert reena.balance() == 0


def test_if_the_daily_limit_does_not_last_the_first_are_paid(turns, meera, rahul):
    assert meera.send(rahul, "10.00").status_code == 201
    answer, written = turns("40.00", "30.00", "20.01", "5.00", sender=meera)
    assert codes(answer) == [201, 201, (429, "daily_limit_exceeded"), 201]
    assert written == [1_000, 4_000, 3_000, 2_001, 500]


def test_of_two_receivers_under_one_key_the_first_is_paid(turns, rahul, anita):
    before = rahul.balance(), anita.balance()
    answer, written = turns("1.00", "1.00", "3.00", "2.00", "2.00", keys="aacbb")
    reused = (422, "idempotency_key_reused")
    assert codes(answer) == [201, reused, 201, 201, reused]
    assert written == [100, 300, 200]
    assert (rahul.balance(), anita.balance()) == (before[0] + 400, before[1] + 200)


def test_a_customer_who_pays_into_another_own_account_sees_the_receivers_view(
    send, item, reena, rahul, teller
):
    other = operations.open_account(
        reena.customer, name="B", currency="INR", daily_limit_minor=0, origin=teller.origin
    )
    own = {"from_account_id": reena.account.public_id, "to_account_id": other.public_id}
    items = [{**own, "amount": "1.00", "idempotency_key": f"{number}"} for number in range(3)]
    send([{**own, "amount": "0.01", "idempotency_key": "the first, which looks them up"}])
    with CaptureQueriesContext(connection) as few:
        results = send(items).json()["results"]
    assert [one["transfer"]["receipt"]["balance_after"] for one in results] == [
        "1.01",
        "2.01",
        "3.01",
    ]
    with CaptureQueriesContext(connection) as many:
        send(
            [
                {**one, "idempotency_key": f"more {one['idempotency_key']} {n}"}
                for one in items
                for n in range(5)
            ]
        )
    assert len(many) == len(few)


# --- All or none ------------------------------------------------------------------------------


def test_all_or_none_carries_out_all(send, item, reena):
    answer = send([item("1.00", "a"), item("2.00", "b")], atomic=True)
    assert codes(answer) == [201, 201]
    assert reena.balance() == 499_700


def test_all_or_none_refuses_all_reports_every_refusal_and_keeps_nothing(
    send, item, books, audited
):
    before = books()
    answer = send(
        [
            item("4000.00", "a"),
            item("1000.01", "b"),
            item("1.00", "c"),
            item("1000.00", "d", to_account_id="01890a5d-ac96-774b-bcce-b302099a8057"),
        ],
        atomic=True,
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "bulk_refused")
    assert [
        (one["index"], one["status"], one["problem"]["code"]) for one in answer.json()["refusals"]
    ] == [(1, 402, "insufficient_funds"), (3, 404, "account_not_found")]
    assert "transfer_id" not in answer.json()["refusals"][0]["problem"]
    assert books() == before
    [row] = audited("transfer.not_accepted")
    assert (row.object_type, row.details) == (
        "bulk",
        {"code": "bulk_refused", "orders": 4, "refused": 2},
    )
    assert codes(send([item("4000.00", "a"), item("1000.00", "b")], atomic=True)) == [201, 201]


def test_all_or_none_refuses_all_for_one_that_cannot_be_read(send, item, books):
    before = books()
    answer = send([item("1.00", "a"), item("1.000", "b"), {"amount": "1.00"}], atomic=True)
    assert answer.status_code == 422
    assert [one["index"] for one in answer.json()["refusals"]] == [2]
    assert books() == before


def test_all_or_none_again_answers_the_same_and_pays_nobody_twice(send, item, reena):
    transfers = [item("1.00", "a"), item("2.00", "b")]
    assert send(transfers, atomic=True).json() == send(transfers, atomic=True).json()
    assert reena.balance() == 499_700


# --- What is refused whole --------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"transfers": []},
        {"transfers": {}},
        {"transfers": "all"},
        {"transfers": [{}], "atomic": "yes"},
        {"transfers": [{}], "atomic": 1},
        {"transfers": [{}], "atomic": None},
        {"transfers": [{}], "other": 1},
        {"transfers": [{}] * (bulk.MOST + 1)},
        {"transfers": [{}] * (bulk.MOST_AT_ONCE + 1), "atomic": True},
    ],
    ids=lambda body: json.dumps(body)[:40],
)
def test_a_call_of_another_form_is_answered_400_and_moves_nothing(body, reena, books):
    before = books()
    answer = reena.api.post("/transfers/bulk", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert books() == before


@pytest.mark.parametrize("key", [None, "", 7, "ä", "x" * 256])
def test_each_needs_a_key_of_the_right_form(send, item, key, reena):
    assert codes(send([item("1.00", key)])) == [(400, "validation_error")]
    assert reena.balance() == 500_000


def test_it_takes_4_mib_and_no_byte_more(reena):
    most = settings.BODY_BYTES["/transfers/bulk"]
    fits = b'{"transfers": []}'.ljust(most)
    assert reena.api.post("/transfers/bulk", raw=fits).status_code == 400
    answer = reena.api.post("/transfers/bulk", raw=fits + b" ")
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


def test_staff_moves_nobodys_money_with_it(manager, item):
    answer = manager.api.post("/transfers/bulk", {"transfers": [item()]})
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


# --- A database that comes to no verdict ------------------------------------------------------


@contextmanager
def giving_up_at_chunk(number: int, monkeypatch):
    """Let the accounts of one chunk never be locked while the block runs."""
    lock, calls = AccountQuerySet.lock, []

    def failing(self, ids, seconds=None):
        calls.append(ids)
        if len(calls) == number:
            raise OperationalError(1205, "Lock wait timeout exceeded")
        return lock(self, ids, seconds)

    with monkeypatch.context() as patch:
        patch.setattr(transactions, "MAX_ATTEMPTS", 1)
        patch.setattr(AccountQuerySet, "lock", failing)
        yield


@pytest.mark.django_db(transaction=True)
def test_when_the_database_gives_up_what_was_paid_stays_and_a_repetition_completes_it(
    monkeypatch, send, item, reena
):
    monkeypatch.setattr(bulk, "CHUNK", 2)
    transfers = [item("1.00", f"key {number}") for number in range(6)]
    with giving_up_at_chunk(2, monkeypatch):
        assert codes(send(transfers)) == [201, 201, *[(503, "busy")] * 4]
    assert reena.balance() == 499_800
    assert codes(send(transfers)) == [201] * 6
    assert reena.balance() == 499_400
    call_command("reconcile")


@pytest.mark.django_db(transaction=True)
def test_by_receiver_too_each_learns_what_became_of_its_own(turns, monkeypatch, rahul, anita):
    before = rahul.balance(), anita.balance()
    with giving_up_at_chunk(3, monkeypatch):
        answer, written = turns("1.00", "2.00", "3.00", "4.00")
    busy = (503, "busy")
    assert (codes(answer), written) in (
        ([201, busy, 201, busy], [100, 300]),
        ([busy, 201, busy, 201], [200, 400]),
    )
    paid = [one["transfer"]["amount"] for one in answer.json()["results"] if "transfer" in one]
    assert paid in (["1.00", "3.00"], ["2.00", "4.00"])
    assert sum([rahul.balance(), anita.balance()]) - sum(before) == sum(written)


@pytest.mark.django_db(transaction=True)
def test_a_connection_lost_while_the_order_is_looked_for_costs_nobody_a_payment(turns, monkeypatch):
    lasts, calls = bulk._lasts_for_all, []

    def lost_once(user, wishes):
        calls.append(wishes)
        if len(calls) == 1:
            raise OperationalError(2013, "Lost connection to server during query")
        return lasts(user, wishes)

    monkeypatch.setattr(bulk, "_lasts_for_all", lost_once)
    answer, written = turns("1.00", "2.00", "3.00")
    assert (codes(answer), sorted(written), len(calls)) == ([201] * 3, [100, 200, 300], 2)


def test_what_is_not_begun_in_time_is_busy_and_is_logged_once(
    send, item, reena, books, monkeypatch, caplog
):
    before = books()
    monkeypatch.setattr(bulk_api, "SECONDS", -1)
    transfers = [item("1.00", f"key {number}") for number in range(3)]
    assert codes(send(transfers)) == [(503, "busy")] * 3
    assert books() == before
    assert len([one for one in caplog.records if one.levelname == "ERROR"]) == 1
    monkeypatch.undo()
    assert codes(send(transfers)) == [201] * 3


def test_a_database_that_is_away_leaves_the_rest_busy(send, item, reena, books, monkeypatch):
    before = books()
    with monkeypatch.context() as patch:
        patch.setattr(payments, "accounts_of", Mock(side_effect=OperationalError(2002, "away")))
        assert codes(send([item("1.00", "a"), item("1.00", "b")])) == [(503, "busy")] * 2
    assert books() == before
