"""`POST /transfers/{id}/receipt`: the receiver says what arrived."""

import datetime as dt
from dataclasses import replace

import pytest
from django.utils import timezone

from accounts import operations
from transfers import receipts
from transfers.models import Transfer

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
def sent(reena, rahul) -> dict:
    """25.00 from Reena to Rahul, as Reena was answered."""
    return reena.send(rahul, "25.00").json()


def give(person, transfer_id, amount, **headers):
    body = {"received_amount": amount}
    return person.api.post(f"/transfers/{transfer_id}/receipt", body, **headers)


def stored(sent) -> tuple:
    rows = Transfer.objects.values_list("receipt_status", "received_minor")
    return rows.get(public_id=sent["id"])


def assert_not_possible(response):
    assert response.status_code == 409
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "receipt_not_possible"


# --- What the receiver may say ----------------------------------------------------------------


def test_the_amount_that_arrived_confirms_the_transfer(rahul, sent, monkeypatch):
    moment = dt.datetime(2026, 3, 31, 10, 0, tzinfo=dt.UTC)
    monkeypatch.setattr(timezone, "now", lambda: moment)
    response = give(rahul, sent["id"], "25.00")
    assert response.status_code == 200
    assert response.json() == {
        **sent,
        "receipt": {
            "status": "CONFIRMED",
            "confirmed_at": "2026-03-31T10:00:00.000000Z",
            "credited_amount": "25.00",
            "balance_after": "3025.00",
            "matches": True,
        },
    }


@pytest.mark.parametrize("amount", ["24.99", "25.01", "0", "0.00", "1000000000000"])
def test_any_other_amount_disputes_it(amount, rahul, sent):
    response = give(rahul, sent["id"], amount)
    assert response.status_code == 200
    assert response.json()["receipt"] == {
        "status": "DISPUTED",
        "confirmed_at": None,
        "credited_amount": "25.00",
        "balance_after": "3025.00",
        "matches": True,
    }


def test_the_sender_sees_the_receipt_and_nothing_of_the_receivers_account(reena, rahul, sent):
    confirmed_at = give(rahul, sent["id"], "25.00").json()["receipt"]["confirmed_at"]
    receipt = reena.api.get(f"/transfers/{sent['id']}").json()["receipt"]
    assert receipt == {"status": "CONFIRMED", "confirmed_at": confirmed_at}


def test_a_dispute_is_shown_to_staff(rahul, auditor, sent):
    give(rahul, sent["id"], "0")
    assert auditor.api.get(f"/transfers/{sent['id']}").json()["receipt"]["status"] == "DISPUTED"


@pytest.mark.parametrize("amount", ["25.00", "24.00", "0"])
def test_a_receipt_moves_no_money(amount, rahul, sent, books):
    before = books()
    give(rahul, sent["id"], amount)
    after = books()
    assert before.pop("receipts") != after.pop("receipts")
    assert before == after


@pytest.mark.parametrize("raw", ["25", "25.0", "25.00", '"25"', '"25.0"', '"25.00"'])
def test_the_amount_may_be_a_string_or_a_number(raw, rahul, sent):
    body = f'{{"received_amount": {raw}}}'.encode()
    response = rahul.api.post(f"/transfers/{sent['id']}/receipt", raw=body)
    assert response.json()["receipt"]["status"] == "CONFIRMED"


@pytest.mark.parametrize(
    ("currency", "amount", "too_fine"), [("JPY", "25", "25.0"), ("KWD", "0.005", "0.0050")]
)
def test_the_amount_is_in_the_transfers_currency(currency, amount, too_fine, make_customer):
    sender, receiver = (make_customer(one, currency=currency) for one in ("asha", "bina"))
    sent = sender.send(receiver, amount).json()
    assert give(receiver, sent["id"], too_fine).status_code == 400
    assert give(receiver, sent["id"], amount).json()["receipt"]["status"] == "CONFIRMED"


def test_what_arrived_is_read_from_the_receivers_entry_and_not_from_the_transfer(rahul, sent):
    Transfer.objects.filter(public_id=sent["id"]).update(amount_minor=9_900)
    receipt = give(rahul, sent["id"], "99.00").json()["receipt"]
    assert (receipt["status"], receipt["credited_amount"]) == ("DISPUTED", "25.00")


def test_between_ones_own_accounts_one_is_the_receiver_too(reena, teller):
    own = operations.open_account(
        reena.customer, name="Travel", currency="INR", daily_limit_minor=0, origin=teller.origin
    )
    sent = reena.send(replace(reena, account=own), "25.00").json()
    assert give(reena, sent["id"], "25.00").json()["receipt"]["status"] == "CONFIRMED"


# --- Again ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("amount", "again"), [("25.00", "25"), ("24.00", "24.0"), ("0", "0.00")])
def test_the_same_amount_again_is_answered_the_same(amount, again, rahul, sent, books, audited):
    first = give(rahul, sent["id"], amount)
    before = books()
    second = give(rahul, sent["id"], again)
    assert (second.status_code, second.content) == (200, first.content)
    assert books() == before
    assert len(audited("receipt.confirmed") + audited("receipt.disputed")) == 1


@pytest.mark.parametrize(
    ("amount", "other"), [("25.00", "24.00"), ("24.00", "25.00"), ("24.00", "23.00"), ("0", "25")]
)
def test_another_amount_afterwards_answers_409(amount, other, rahul, sent, books):
    give(rahul, sent["id"], amount)
    before, kept = books(), stored(sent)
    assert_not_possible(give(rahul, sent["id"], other))
    assert (books(), stored(sent)) == (before, kept)


# --- When there is nothing to say -------------------------------------------------------------


def test_a_refused_transfer_does_not_exist_for_its_receiver(reena, rahul, books):
    refused = reena.send(rahul, "999999.00").json()["transfer_id"]
    before = books()
    response = give(rahul, refused, "999999.00")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert books() == before


def test_a_refused_transfer_between_ones_own_accounts_answers_409(reena, teller, books):
    own = operations.open_account(
        reena.customer, name="Travel", currency="INR", daily_limit_minor=0, origin=teller.origin
    )
    refused = reena.send(replace(reena, account=own), "999999.00").json()["transfer_id"]
    before = books()
    assert_not_possible(give(reena, refused, "0"))
    assert books() == before


@pytest.mark.parametrize("status", ["PENDING", "CANCELLED"])
def test_a_transfer_that_is_not_completed_answers_409(status, rahul, sent, books):
    Transfer.objects.filter(public_id=sent["id"]).update(status=status, completed_at=None)
    before = books()
    assert_not_possible(give(rahul, sent["id"], "25.00"))
    assert books() == before


# --- Who may not ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "status", "code"),
    [
        ("reena", 403, "permission_denied"),
        ("anita", 404, "not_found"),
        ("teller", 403, "permission_denied"),
        ("manager", 403, "permission_denied"),
        ("auditor", 403, "permission_denied"),
        ("admin", 404, "not_found"),
    ],
)
def test_only_the_receiver_gives_a_receipt(who, status, code, sent, books, request):
    person = request.getfixturevalue(who)
    before = books()
    response = give(person, sent["id"], "25.00")
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert books() == before


def test_nobody_gives_a_receipt_without_credentials(stranger, sent, books):
    before = books()
    path = f"/transfers/{sent['id']}/receipt"
    assert stranger.post(path, {"received_amount": "25.00"}).status_code == 401
    assert books() == before


def test_a_stranger_cannot_tell_the_transfer_from_none(anita, sent):
    foreign, unknown = (
        give(anita, one, "25.00", X_Request_ID="same") for one in (sent["id"], UNKNOWN_ID)
    )
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.content == unknown.content


# --- What is not read -------------------------------------------------------------------------

WRONG_BODIES = {
    "{}": ["received_amount"],
    '{"received_amount": null}': ["received_amount"],
    '{"received_amount": true}': ["received_amount"],
    '{"received_amount": []}': ["received_amount"],
    '{"received_amount": ""}': ["received_amount"],
    '{"received_amount": "-25.00"}': ["received_amount"],
    '{"received_amount": -0}': ["received_amount"],
    '{"received_amount": "25.001"}': ["received_amount"],
    '{"received_amount": 25.001}': ["received_amount"],
    '{"received_amount": 1e2}': ["received_amount"],
    '{"received_amount": "２５"}': ["received_amount"],
    '{"received_amount": "1000000000000.01"}': ["received_amount"],
    '{"received_amount": "25.00", "status": "CONFIRMED"}': ["status"],
    '{"received_amount": "25.00", "received_amount": "25.00"}': [],
    '{"received_amount": NaN}': [],
    '{"received_amount": 01}': [],
    '["25.00"]': [],
    "": [],
}


def test_a_receipt_of_the_wrong_form_answers_400(rahul, sent, books, subtests):
    before = books()
    for raw, fields in WRONG_BODIES.items():
        with subtests.test(raw):
            response = rahul.api.post(f"/transfers/{sent['id']}/receipt", raw=raw.encode())
            body = response.json()
            assert response.status_code == 400
            assert body["code"] == ("validation_error" if fields else "malformed_request")
            assert [one["field"] for one in body.get("errors", [])] == fields
            assert books() == before


# --- What is written down ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "action", "received"),
    [
        ("25.00", "receipt.confirmed", 2_500),
        ("24.00", "receipt.disputed", 2_400),
        ("0", "receipt.disputed", 0),
    ],
)
def test_a_receipt_is_audited(amount, action, received, rahul, sent, audited):
    give(rahul, sent["id"], amount, X_Request_ID="mine")
    (row,) = audited("receipt.confirmed") + audited("receipt.disputed")
    assert row.action == action
    assert (row.actor_id, row.request_id, row.ip) == (rahul.user.pk, "mine", "127.0.0.1")
    assert row.account_id == rahul.account.pk
    assert (row.object_type, row.object_id) == ("transfer", sent["id"])
    assert row.details == {"received_minor": received, "credited_minor": 2_500}


def test_if_the_audit_cannot_be_written_there_is_no_receipt(rahul, sent, books, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError

    before = books()
    monkeypatch.setattr(receipts.operations, "write", broken)
    assert give(rahul, sent["id"], "25.00").status_code == 500
    assert books() == before
