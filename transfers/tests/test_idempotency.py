"""One key, one transfer: asked again, the very same answer comes again and nothing moves."""

import datetime as dt
import json
import unicodedata
from dataclasses import replace

import pytest
from django.utils import timezone

from accounts import operations, tokens
from accounts.models import Account
from conftest import Api, set_limit
from transfers import cash
from transfers.models import Transfer

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"
NEW_EACH_TIME = {"X-Request-ID", "Retry-After", "Idempotent-Replayed"}


def assert_replayed(again, first):
    """Check that this is the first answer again, to the byte."""
    assert again.status_code == first.status_code
    assert again.content == first.content
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert headers(again) == headers(first)


def headers(response) -> dict:
    return {name: text for name, text in response.items() if name not in NEW_EACH_TIME}


def code_of(response) -> tuple:
    return response.status_code, response.json().get("code")


# --- The same again ---------------------------------------------------------------------------


def test_a_second_post_with_the_same_key_moves_nothing(reena, rahul, books):
    first = reena.send(rahul, "25.00", key="k", reference="Rent")
    before = books()
    again = reena.send(rahul, "25.00", key="k", reference="Rent")
    assert_replayed(again, first)
    assert again["Location"] == first["Location"]
    assert books() == before


def test_a_replay_writes_no_audit_row(reena, rahul, audited):
    for _ in range(3):
        reena.send(rahul, "25.00", key="k")
    assert len(audited("transfer.completed")) == 2 + 4  # two deposits before, by the cast


def test_a_replay_has_a_request_id_of_its_own_in_the_header_only(meera, reena):
    order = meera.order(reena, "500.01")
    first = meera.api.post("/transfers", order, key="k", X_Request_ID="one")
    again = meera.api.post("/transfers", order, key="k", X_Request_ID="two")
    assert_replayed(again, first)
    assert (first["X-Request-ID"], again["X-Request-ID"]) == ("one", "two")
    assert again.json()["request_id"] == "one"


@pytest.mark.parametrize("times", [2, 5])
def test_however_often_it_is_asked_there_is_one_transfer(times, reena, rahul):
    answers = [reena.send(rahul, "25.00", key="k") for _ in range(times)]
    assert len({one.content for one in answers}) == 1
    assert (reena.balance(), rahul.balance()) == (497_500, 302_500)


def test_without_a_key_every_post_is_another_transfer(reena, rahul):
    first, second = (reena.send(rahul, "25.00").json()["id"] for _ in range(2))
    assert first != second
    assert reena.balance() == 495_000


# --- Whatever has happened since --------------------------------------------------------------


@pytest.mark.parametrize("received", ["25.00", "24.00"])
def test_a_success_is_replayed_as_it_was_before_the_receipt(received, reena, rahul):
    first = reena.send(rahul, "25.00", key="k")
    receipt = {"received_amount": received}
    assert rahul.api.post(f"{first['Location']}/receipt", receipt).status_code == 200
    assert_replayed(reena.send(rahul, "25.00", key="k"), first)


def test_a_success_is_replayed_though_the_money_is_spent(reena, rahul):
    first = reena.send(rahul, "25.00", key="k")
    reena.send(rahul, "4975.00")
    assert_replayed(reena.send(rahul, "25.00", key="k"), first)


@pytest.mark.parametrize("status", ["FROZEN", "CLOSED"])
def test_a_success_is_replayed_though_both_accounts_are_stopped(status, reena, rahul):
    first = reena.send(rahul, "25.00", key="k")
    Account.objects.filter(kind="CUSTOMER").update(status=status)
    assert_replayed(reena.send(rahul, "25.00", key="k"), first)


def test_a_payment_to_ones_own_account_is_replayed_with_the_balance_of_then(reena, teller):
    own = operations.open_account(
        reena.customer, name="Travel", currency="INR", daily_limit_minor=0, origin=teller.origin
    )
    travel = replace(reena, account=own)
    first = reena.send(travel, "25.00", key="k")
    reena.send(travel, "1.00")
    reena.api.post(f"{first['Location']}/receipt", {"received_amount": "25.00"})
    assert_replayed(reena.send(travel, "25.00", key="k"), first)


def test_a_402_is_replayed_though_money_has_arrived(meera, reena, teller, books):
    first = meera.send(reena, "500.01", key="k")
    cash.deposit(meera.account, 100_000, reference="", key="d", origin=teller.origin)
    before = books()
    assert_replayed(meera.send(reena, "500.01", key="k"), first)
    assert first.status_code == 402
    assert books() == before


def test_a_429_is_replayed_though_the_limit_was_raised(meera, reena, manager, books):
    first = meera.send(reena, "100.01", key="k")
    set_limit(meera.account, 10**9, reason="r", origin=manager.origin)
    before = books()
    assert_replayed(meera.send(reena, "100.01", key="k"), first)
    assert first.status_code == 429
    assert books() == before
    assert meera.send(reena, "100.01", key="another").status_code == 201


def test_a_429_is_replayed_with_what_is_left_of_its_wait(meera, reena, monkeypatch):
    moment = dt.datetime(2026, 3, 31, 18, 0, tzinfo=dt.UTC)
    monkeypatch.setattr(timezone, "now", lambda: moment)
    first = meera.send(reena, "100.01", key="k")
    moment += dt.timedelta(minutes=20)
    again = meera.send(reena, "100.01", key="k")
    moment += dt.timedelta(days=1)
    late = meera.send(reena, "100.01", key="k")
    assert_replayed(again, first)
    assert_replayed(late, first)
    waits = [int(one["Retry-After"]) for one in (first, again, late)]
    assert waits[0] - waits[1] == 1200
    assert waits[2] == 1


def test_a_409_is_replayed_though_the_account_is_active_again(
    reena, rahul, manager, unfreeze, books
):
    operations.freeze(rahul.account, reason="r", origin=manager.origin)
    first = reena.send(rahul, "25.00", key="k")
    unfreeze(rahul)
    before = books()
    assert_replayed(reena.send(rahul, "25.00", key="k"), first)
    assert code_of(first) == (409, "account_not_active")
    assert books() == before


# --- What is the same, and what is not --------------------------------------------------------


def spellings(reena, rahul) -> dict[str, bytes]:
    """Other ways to write the order of 25.00 with the reference "Café"."""
    order = reena.order(rahul, "25.00", reference="Café")
    by_number = {**order, "to_account_number": rahul.account.number}
    del by_number["to_account_id"]
    decomposed = unicodedata.normalize("NFD", "Café")
    assert decomposed != "Café"
    bodies = {
        "members in another order": json.dumps(dict(reversed(order.items()))),
        "other white space": json.dumps(order, indent=4, separators=(" , ", " : ")) + "\n",
        "letters not escaped": json.dumps(order, ensure_ascii=False),
        "by account number": json.dumps(by_number),
        "currency said": json.dumps({**order, "currency": "INR"}),
        "amount shorter": json.dumps({**order, "amount": "25"}),
        "amount as a number": json.dumps(order).replace('"25.00"', "25.0"),
        "reference decomposed": json.dumps({**order, "reference": decomposed}),
    }
    return {name: body.encode() for name, body in bodies.items()}


@pytest.mark.parametrize("spelling", range(8))
def test_the_same_order_in_another_spelling_is_replayed(spelling, reena, rahul, books):
    first = reena.send(rahul, "25.00", key="k", reference="Café")
    raw = list(spellings(reena, rahul).values())[spelling]
    before = books()
    assert_replayed(reena.api.post("/transfers", raw=raw, key="k"), first)
    assert books() == before


def test_an_empty_reference_and_none_are_the_same(reena, rahul):
    first = reena.send(rahul, "25.00", key="k")
    assert_replayed(reena.send(rahul, "25.00", key="k", reference=""), first)


@pytest.mark.parametrize(
    "change",
    [
        {"amount": "25.01"},
        {"amount": "2500"},
        {"reference": "rent"},
        {"reference": "Rent "},
        {"reference": ""},
        {"currency": "USD"},
        {"to_account_id": UNKNOWN_ID},
        {"from_account_id": UNKNOWN_ID},
        {"to_account_id": "from"},
        {"to_account_id": "anita"},
    ],
)
@pytest.mark.parametrize("first_amount", ["25.00", "25000.00"], ids=["completed", "refused"])
def test_another_order_under_a_used_key_answers_422(
    change, first_amount, reena, rahul, anita, books
):
    order = reena.order(rahul, first_amount, reference="Rent")
    reena.api.post("/transfers", order, key="k")
    names = {"from": reena.account.public_id, "anita": anita.account.public_id}
    changed = order | {name: names.get(value, value) for name, value in change.items()}
    before = books()
    response = reena.api.post("/transfers", changed, key="k")
    assert code_of(response) == (422, "idempotency_key_reused")
    assert "Idempotent-Replayed" not in response
    assert "transfer_id" not in response.json()
    assert books() == before


def test_after_a_422_the_first_order_is_still_replayed(reena, rahul):
    first = reena.send(rahul, "25.00", key="k")
    reena.send(rahul, "26.00", key="k")
    assert_replayed(reena.send(rahul, "25.00", key="k"), first)


@pytest.mark.parametrize("other", ["ABC", "Abc", "abc ", " abc", "abcd", "ab", "a b c", "abc\\"])
def test_keys_that_differ_in_anything_are_different_keys(other, reena, rahul):
    first = reena.send(rahul, "25.00", key="abc")
    second = reena.send(rahul, "25.00", key=other)
    assert second.status_code == 201
    assert "Idempotent-Replayed" not in second
    assert second.json()["id"] != first.json()["id"]


def test_a_key_is_its_callers_own(reena, rahul, anita):
    pairs = [(reena, rahul), (rahul, anita), (anita, reena)]
    answers = [sender.send(receiver, "25.00", key="k") for sender, receiver in pairs]
    assert [one.status_code for one in answers] == [201] * 3
    assert all("Idempotent-Replayed" not in one for one in answers)


def test_a_key_shows_nobody_elses_answer(reena, rahul, books):
    reena.send(rahul, "25.00", key="k")
    before = books()
    response = rahul.api.post("/transfers", reena.order(rahul, "25.00"), key="k")
    assert code_of(response) == (404, "account_not_found")
    assert books() == before


def test_a_caller_is_the_same_with_another_token(reena, rahul, teller):
    first = reena.send(rahul, "25.00", key="k")
    secret, _ = tokens.create(reena.user, origin=teller.origin)
    again = Api(secret).post("/transfers", reena.order(rahul, "25.00"), key="k")
    assert_replayed(again, first)


# --- What consumes no key ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "attempt"),
    [
        (400, {"amount": "-5"}),
        (400, {"amount": "25.001"}),
        (400, {"colour": "blue"}),
        (404, {"to_account_id": UNKNOWN_ID}),
        (404, {"from_account_id": UNKNOWN_ID}),
        (422, {"to_account_id": "from"}),
        (422, {"currency": "USD"}),
    ],
)
def test_what_is_refused_without_a_record_leaves_the_key_free(status, attempt, reena, rahul):
    order = reena.order(rahul, "25.00")
    names = {"from": reena.account.public_id}
    changed = order | {name: names.get(value, value) for name, value in attempt.items()}
    assert reena.api.post("/transfers", changed, key="k").status_code == status
    response = reena.api.post("/transfers", order, key="k")
    assert response.status_code == 201
    assert "Idempotent-Replayed" not in response


@pytest.mark.parametrize(
    ("status", "raw", "content_type", "more"),
    [
        (400, b"{", "application/json", {}),
        (400, b"", "application/json", {}),
        (415, b"a=b", "application/x-www-form-urlencoded", {}),
        (401, b"{}", "application/json", {"Authorization": "Bearer wrong"}),
        (413, b" " * 70_000, "application/json", {}),
    ],
)
def test_what_is_never_read_leaves_the_key_free(status, raw, content_type, more, reena, rahul):
    api = reena.api
    refused = api.post("/transfers", raw=raw, content_type=content_type, key="k", **more)
    assert refused.status_code == status
    assert reena.send(rahul, "25.00", key="k").status_code == 201


def test_what_breaks_leaves_the_key_free(reena, rahul, monkeypatch, books):
    before = books()
    with monkeypatch.context() as patch:
        patch.setattr("transfers.operations.outbox.write", None)  # the last that is written
        assert code_of(reena.send(rahul, "25.00", key="k")) == (500, "internal_error")
    assert books() == before
    assert reena.send(rahul, "25.00", key="k").status_code == 201
    assert reena.balance() == 497_500


# --- The key itself ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["a", " ", "~", "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}\\", "x" * 255, "0", "null", '"quoted"']
)
def test_a_key_has_1_to_255_printable_ascii_characters(key, reena, rahul):
    first = reena.send(rahul, "25.00", key=key)
    assert first.status_code == 201
    assert_replayed(reena.send(rahul, "25.00", key=key), first)


@pytest.mark.parametrize(
    "key",
    [
        *("", "x" * 256, "x" * 10_000),
        *("é", "🙂", "٣", "a\u00a0"),
        *("a\tb", "a\nb", "a\x00", "\x7f", "\x1b[2J"),
    ],
)
def test_any_other_key_answers_400(key, reena, rahul, books):
    before = books()
    response = reena.send(rahul, "25.00", key=key)
    assert code_of(response) == (400, "validation_error")
    assert [one["field"] for one in response.json()["errors"]] == ["Idempotency-Key"]
    assert books() == before


def test_a_key_is_stored_as_its_hash_alone(reena, rahul):
    reena.send(rahul, "25.00", key="canary-key")
    assert "canary" not in str(list(Transfer.objects.values()))
