"""`POST /transfers` and `GET /transfers/{id}`: every outcome, as each side may see it."""

import datetime as dt
import re
from dataclasses import replace

import pytest
from django.utils import timezone

from accounts import operations
from accounts.models import Account
from transfers.models import Transfer

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"
UUID_7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.fixture
def clock(monkeypatch):
    """Return a function that sets the time, in UTC."""

    def set_to(text):
        moment = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
        monkeypatch.setattr(timezone, "now", lambda: moment)

    return set_to


@pytest.fixture
def second(reena, teller):
    """Reena again, with a second, empty account."""
    account = operations.open_account(
        reena.customer, name="Travel", currency="INR", daily_limit_minor=0, origin=teller.origin
    )
    return replace(reena, account=account)


def refusal(response) -> dict:
    """The problem without what is only for people or differs by nature: what a program reads."""
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body.pop("detail")
    assert body.pop("title")
    assert body.pop("request_id") == response["X-Request-ID"]
    assert body.pop("type") == f"/problems/{body['code']}"
    assert body.pop("status") == response.status_code
    return body


# --- Completed --------------------------------------------------------------------------------


def test_a_transfer_is_answered_with_201_its_place_and_its_facts(reena, rahul, clock):
    clock("2026-03-31T10:00:00.123456")
    response = reena.send(rahul, "25.00", reference="Rent, März 🏠")
    body = response.json()
    assert response.status_code == 201
    assert response["Content-Type"] == "application/json"
    assert response["Location"] == f"/transfers/{body['id']}"
    assert "Idempotent-Replayed" not in response
    assert UUID_7.fullmatch(body["id"])
    assert body == {
        "id": body["id"],
        "status": "COMPLETED",
        "from_account_id": reena.account.public_id,
        "to_account_id": rahul.account.public_id,
        "amount": "25.00",
        "currency": "INR",
        "reference": "Rent, März 🏠",
        "failure_code": None,
        "created_at": "2026-03-31T10:00:00.123456Z",
        "completed_at": "2026-03-31T10:00:00.123456Z",
        "receipt": {"status": "UNCONFIRMED", "confirmed_at": None},
        "reverses": None,
        "reversed_amount": "0.00",
    }


def test_the_amount_leaves_one_account_and_arrives_on_the_other(reena, rahul):
    reena.send(rahul, "25.00")
    assert (reena.balance(), rahul.balance()) == (497_500, 302_500)


def test_the_place_that_was_answered_holds_the_very_transfer(reena, rahul):
    response = reena.send(rahul, "25.00")
    again = reena.api.get(response["Location"])
    assert again.status_code == 200
    assert again.content == response.content


@pytest.mark.parametrize("raw", ["25", "25.0", "25.00", '"25"', '"25.0"', '"25.00"'])
def test_an_amount_may_be_a_string_or_a_number(raw, reena, rahul):
    order = reena.order(rahul, "AMOUNT")
    body = str(order).replace("'AMOUNT'", raw).replace("'", '"')
    response = reena.api.post("/transfers", raw=body.encode())
    assert (response.status_code, response.json()["amount"]) == (201, "25.00")
    assert rahul.balance() == 302_500


@pytest.mark.parametrize(
    ("currency", "amount", "answered", "minor"),
    [
        ("JPY", "2500", "2500", 2_500),
        ("JPY", "1", "1", 1),
        ("KWD", "1.25", "1.250", 1_250),
        ("KWD", "0.001", "0.001", 1),
        ("INR", "0.01", "0.01", 1),
        ("INR", "5000", "5000.00", 500_000),
    ],
)
@pytest.mark.parametrize("said", [True, False], ids=["currency said", "currency left out"])
def test_the_currency_may_be_left_out_and_is_then_the_senders(
    currency, amount, answered, minor, said, make_customer
):
    sender = make_customer("asha", currency=currency)
    receiver = make_customer("bina", currency=currency, balance=0)
    members = {"currency": currency} if said else {}
    response = sender.send(receiver, amount, **members)
    assert response.status_code == 201
    assert (response.json()["amount"], response.json()["currency"]) == (answered, currency)
    assert (sender.balance(), receiver.balance()) == (500_000 - minor, minor)


def test_the_receiver_may_be_named_by_account_number(reena, rahul):
    order = reena.order(rahul, "25.00")
    del order["to_account_id"]
    response = reena.api.post("/transfers", {**order, "to_account_number": rahul.account.number})
    assert response.status_code == 201
    assert response.json()["to_account_id"] == rahul.account.public_id


@pytest.mark.parametrize(
    "reference", ["", "x" * 140, "é" * 140, "🙂" * 140, "  two  spaces ", "<b>"]
)
def test_a_reference_is_kept_as_it_was_written(reference, reena, rahul):
    assert reena.send(rahul, "25.00", reference=reference).json()["reference"] == reference


def test_a_reference_is_kept_in_normal_form_c_and_measured_in_it(reena, rahul):
    response = reena.send(rahul, "25.00", reference="e\u0301" * 140)
    assert (response.status_code, response.json()["reference"]) == (201, "é" * 140)


def test_ones_own_two_accounts_are_sender_and_receiver(reena, second):
    body = reena.send(second, "25.00").json()
    assert (body["from_account_id"], body["to_account_id"]) == (
        reena.account.public_id,
        second.account.public_id,
    )
    assert body["receipt"] == {
        "status": "UNCONFIRMED",
        "confirmed_at": None,
        "credited_amount": "25.00",
        "balance_after": "25.00",
        "matches": True,
    }
    assert (reena.balance(), second.balance()) == (497_500, 2_500)


def test_the_whole_balance_may_be_sent(rahul, reena):
    assert rahul.send(reena, "3000.00").status_code == 201
    assert rahul.balance() == 0


def test_exactly_the_limit_may_be_sent_in_a_day(meera, reena):
    assert meera.send(reena, "60.00").status_code == 201
    assert meera.send(reena, "40.00").status_code == 201
    assert meera.send(reena, "0.01").status_code == 429


# --- Refused and recorded ---------------------------------------------------------------------


def recorded(transfer_id: str) -> tuple:
    return Transfer.objects.values_list("status", "failure_code").get(public_id=transfer_id)


def moved(books) -> dict:
    """What of the books shows money: a recorded refusal changes only the number of transfers."""
    return {name: books[name] for name in ("balances", "entries", "usage")}


def test_more_than_there_is_answers_402_with_what_there_is(meera, reena, books):
    before = books()
    response = meera.send(reena, "500.01")
    body = refusal(response)
    assert response.status_code == 402
    assert body == {
        "code": "insufficient_funds",
        "available_balance": "500.00",
        "transfer_id": body["transfer_id"],
    }
    assert recorded(body["transfer_id"]) == ("REJECTED", "insufficient_funds")
    assert "Retry-After" not in response
    assert moved(books()) == moved(before)


def test_what_is_held_cannot_be_sent(reena, rahul):
    Account.objects.filter(pk=reena.account.pk).update(held_minor=499_000)
    assert refusal(reena.send(rahul, "10.01"))["available_balance"] == "10.00"
    assert reena.send(rahul, "10.00").status_code == 201


def test_more_than_the_days_limit_answers_429_with_what_is_left_and_until_when(
    meera, reena, books, clock
):
    clock("2026-03-31T18:00:00.5")
    meera.send(reena, "30.00")
    before = books()
    response = meera.send(reena, "70.01")
    body = refusal(response)
    assert response.status_code == 429
    assert body == {
        "code": "daily_limit_exceeded",
        "remaining": "70.00",
        "resets_at": "2026-03-31T18:30:00.000000Z",
        "transfer_id": body["transfer_id"],
    }
    assert response["Retry-After"] == "1800"
    assert recorded(body["transfer_id"]) == ("REJECTED", "daily_limit_exceeded")
    assert moved(books()) == moved(before)


def test_whoever_waits_as_long_as_retry_after_says_meets_a_fresh_limit(meera, reena, clock):
    clock("2026-03-31T18:29:59.999999")
    meera.send(reena, "100.00")
    assert meera.send(reena, "0.01")["Retry-After"] == "1"
    clock("2026-03-31T18:30:00.999999")
    assert meera.send(reena, "100.00").status_code == 201


@pytest.mark.parametrize("status", ["FROZEN", "CLOSED"])
@pytest.mark.parametrize("side", ["sender", "receiver"])
def test_an_account_that_is_not_active_answers_409(side, status, reena, rahul, books):
    person = reena if side == "sender" else rahul
    Account.objects.filter(pk=person.account.pk).update(status=status)
    before = books()
    response = reena.send(rahul, "25.00")
    body = refusal(response)
    assert response.status_code == 409
    assert body == {"code": "account_not_active", "transfer_id": body["transfer_id"]}
    assert recorded(body["transfer_id"]) == ("REJECTED", "account_not_active")
    assert moved(books()) == moved(before)


def test_a_refused_transfer_can_be_read_by_its_sender(meera, reena):
    refused = meera.send(reena, "500.01", reference="Too much").json()
    response = meera.api.get(f"/transfers/{refused['transfer_id']}")
    body = response.json()
    assert response.status_code == 200
    assert body == {
        "id": refused["transfer_id"],
        "status": "REJECTED",
        "from_account_id": meera.account.public_id,
        "to_account_id": reena.account.public_id,
        "amount": "500.01",
        "currency": "INR",
        "reference": "Too much",
        "failure_code": "insufficient_funds",
        "created_at": body["created_at"],
        "completed_at": None,
        "receipt": {"status": "UNCONFIRMED", "confirmed_at": None},
        "reverses": None,
        "reversed_amount": "0.00",
    }


# --- Refused and not recorded -----------------------------------------------------------------


@pytest.mark.parametrize(
    "named",
    [
        lambda reena, rahul: {"to_account_id": UNKNOWN_ID},
        lambda reena, rahul: {"to_account_number": "000000000098"},
        lambda reena, rahul: {"to_account_id": house().public_id},
        lambda reena, rahul: {"to_account_number": house().number},
    ],
    ids=["unknown id", "unknown number", "the bank's own", "the bank's own by number"],
)
def test_an_account_to_send_to_that_is_no_customers_answers_404(named, reena, rahul, books):
    order = reena.order(rahul, "25.00")
    del order["to_account_id"]
    before = books()
    response = reena.api.post("/transfers", order | named(reena, rahul))
    assert response.status_code == 404
    assert refusal(response) == {"code": "account_not_found", "field": "to_account_id"}
    assert books() == before


def house() -> Account:
    return Account.objects.get(house_role="cash:INR")


def test_an_account_to_send_from_that_is_not_ones_own_answers_404(reena, rahul, anita, books):
    before = books()
    froms = [rahul.account.public_id, UNKNOWN_ID, house().public_id]
    answers = [
        reena.api.post(
            "/transfers",
            {**reena.order(anita, "25.00"), "from_account_id": one},
            X_Request_ID="same",
        )
        for one in froms
    ]
    assert [one.status_code for one in answers] == [404] * 3
    assert refusal(answers[0]) == {"code": "account_not_found", "field": "from_account_id"}
    assert len({one.content for one in answers}) == 1
    assert len({str(dict(one.headers)) for one in answers}) == 1
    assert books() == before


def test_a_foreign_account_betrays_nothing_through_the_currency_either(reena, rahul, make_customer):
    yen = make_customer("kenji", currency="JPY")
    froms = [yen.account.public_id, UNKNOWN_ID]
    answers = [
        reena.api.post(
            "/transfers",
            {"from_account_id": one, "to_account_id": rahul.account.public_id, "amount": "1.5"},
            X_Request_ID="same",
        )
        for one in froms
    ]
    assert [one.status_code for one in answers] == [404, 404]
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize("by", ["to_account_id", "to_account_number"])
def test_sending_to_the_same_account_answers_422(by, reena, books):
    names = {"to_account_id": reena.account.public_id, "to_account_number": reena.account.number}
    before = books()
    response = reena.api.post(
        "/transfers",
        {"from_account_id": reena.account.public_id, by: names[by], "amount": "25.00"},
    )
    assert response.status_code == 422
    assert refusal(response) == {"code": "same_account"}
    assert books() == before


@pytest.mark.parametrize("currency", [None, "INR", "JPY", "USD"])
def test_currencies_that_differ_answer_422(currency, reena, rahul, make_customer, books):
    receiver = make_customer("kenji", currency="JPY") if currency in (None, "INR", "JPY") else rahul
    members = {"currency": currency} if currency else {}
    before = books()
    response = reena.send(receiver, "25", **members)
    assert response.status_code == 422
    assert refusal(response) == {"code": "currency_mismatch"}
    assert books() == before


# --- Which of several -------------------------------------------------------------------------

# In the contract's order; each of them makes an order of Meera's to Reena be refused.
REFUSALS = {
    "from account": lambda order, **cast: order.update(from_account_id=UNKNOWN_ID),
    "to account": lambda order, **cast: order.update(to_account_id=UNKNOWN_ID),
    "same account": lambda order, **cast: order.update(to_account_id=order["from_account_id"]),
    "currency": lambda order, **cast: order.update(currency="USD"),
    "frozen sender": lambda order, sender, **cast: set_status(sender, "FROZEN"),
    "closed receiver": lambda order, receiver, **cast: set_status(receiver, "CLOSED"),
    "funds": lambda order, **cast: order.update(amount="600.00"),
    "limit": lambda order, sender, **cast: Account.objects.filter(pk=sender.account.pk).update(
        daily_limit_minor=1
    ),
}
ANSWERS = {
    "from account": (404, "account_not_found", "from_account_id"),
    "to account": (404, "account_not_found", "to_account_id"),
    "same account": (422, "same_account", None),
    "currency": (422, "currency_mismatch", None),
    "frozen sender": (409, "account_not_active", None),
    "closed receiver": (409, "account_not_active", None),
    "funds": (402, "insufficient_funds", None),
    "limit": (429, "daily_limit_exceeded", None),
}
# A receiver that is unknown cannot also be the sender.
PAIRS = [
    (first, other)
    for place, first in enumerate(REFUSALS)
    for other in list(REFUSALS)[place:]
    if {first, other} != {"to account", "same account"}
]


def set_status(person, status):
    Account.objects.filter(pk=person.account.pk).update(status=status)


@pytest.mark.parametrize(("first", "other"), PAIRS)
def test_of_two_refusals_the_first_in_the_contracts_order_is_given(
    first, other, meera, reena, books
):
    order = meera.order(reena, "25.00")
    for name in (other, first):
        REFUSALS[name](order, sender=meera, receiver=reena)
    before = books()
    body = meera.api.post("/transfers", order).json()
    assert (body["status"], body["code"], body.get("field")) == ANSWERS[first]
    assert moved(books()) == moved(before)


def test_when_everything_is_wrong_the_refusals_come_one_after_the_other(meera, reena):
    fixes = {
        "from account": lambda order: order.update(from_account_id=meera.account.public_id),
        "same account": lambda order: order.update(to_account_id=reena.account.public_id),
        "currency": lambda order: order.pop("currency"),
        "frozen sender": lambda order: set_status(meera, "ACTIVE"),
        "closed receiver": lambda order: set_status(reena, "ACTIVE"),
        "funds": lambda order: order.update(amount="500.00"),
    }
    order = meera.order(reena, "25.00")
    for name in reversed([*fixes, "limit"]):
        REFUSALS[name](order, sender=meera, receiver=reena)
    given = []
    for fix in [*fixes.values(), None]:
        body = meera.api.post("/transfers", order).json()
        given.append((body["status"], body["code"], body.get("field")))
        if fix:
            fix(order)
    assert given == [ANSWERS[name] for name in [*fixes, "limit"]]


def test_a_wrong_form_is_answered_before_any_refusal(meera, reena):
    order = {**meera.order(reena, "-5"), "from_account_id": UNKNOWN_ID}
    assert meera.api.post("/transfers", order).status_code == 400


# --- Who may ----------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["teller", "manager", "auditor", "admin"])
def test_staff_move_no_customers_money(role, reena, rahul, books, request):
    before = books()
    response = request.getfixturevalue(role).api.post("/transfers", reena.order(rahul, "25.00"))
    assert response.status_code == 403
    assert refusal(response) == {"code": "permission_denied"}
    assert books() == before


def test_a_customer_who_is_also_staff_moves_no_money_through_the_api(reena, rahul, books):
    reena.user.is_staff = True
    reena.user.save()
    before = books()
    assert reena.send(rahul, "25.00").status_code == 403
    assert books() == before


def test_without_credentials_nothing_moves(stranger, reena, rahul, books):
    before = books()
    response = stranger.post("/transfers", reena.order(rahul, "25.00"), key="k")
    assert response.status_code == 401
    assert refusal(response) == {"code": "not_authenticated"}
    assert books() == before


# --- Reading one ------------------------------------------------------------------------------


def test_the_receiver_reads_what_arrived_on_its_own_account(reena, rahul):
    sent = reena.send(rahul, "25.00").json()
    body = rahul.api.get(f"/transfers/{sent['id']}").json()
    receipt = {
        "status": "UNCONFIRMED",
        "confirmed_at": None,
        "credited_amount": "25.00",
        "balance_after": "3025.00",
        "matches": True,
    }
    assert body == {**sent, "receipt": receipt}


def test_the_receivers_view_is_read_from_its_entry_and_not_from_the_transfer(reena, rahul):
    sent = reena.send(rahul, "25.00").json()
    Transfer.objects.filter(public_id=sent["id"]).update(amount_minor=9_900)
    receipt = rahul.api.get(f"/transfers/{sent['id']}").json()["receipt"]
    assert (receipt["credited_amount"], receipt["matches"]) == ("25.00", False)


def test_neither_side_is_shown_the_others_balance(reena, rahul):
    sent = reena.send(rahul, "25.00")
    path = f"/transfers/{sent.json()['id']}"
    for person, others in ((reena, "3025.00"), (rahul, "4975.00")):
        assert others not in person.api.get(path).text
    assert "4975.00" not in sent.text


def test_the_balance_after_stays_what_it_was_then(reena, rahul):
    path = f"/transfers/{reena.send(rahul, '25.00').json()['id']}"
    reena.send(rahul, "1.00")
    assert rahul.api.get(path).json()["receipt"]["balance_after"] == "3025.00"


def test_a_stranger_to_a_transfer_is_answered_as_if_it_did_not_exist(reena, rahul, anita):
    sent = reena.send(rahul, "25.00").json()
    answers = [
        anita.api.get(f"/transfers/{one}", X_Request_ID="same") for one in (sent["id"], UNKNOWN_ID)
    ]
    assert [one.status_code for one in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert refusal(answers[0]) == {"code": "not_found"}


def test_a_refused_transfer_does_not_exist_for_its_receiver(meera, reena):
    refused = meera.send(reena, "500.01").json()["transfer_id"]
    answers = [
        reena.api.get(f"/transfers/{one}", X_Request_ID="same") for one in (refused, UNKNOWN_ID)
    ]
    assert [one.status_code for one in answers] == [404, 404]
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize("role", ["teller", "manager", "auditor"])
def test_staff_who_may_look_read_completed_and_refused_transfers(role, meera, reena, request):
    staff = request.getfixturevalue(role)
    completed = meera.send(reena, "25.00").json()
    refused = meera.send(reena, "500.01").json()["transfer_id"]
    assert staff.api.get(f"/transfers/{completed['id']}").json() == completed
    assert staff.api.get(f"/transfers/{refused}").json()["failure_code"] == "insufficient_funds"


def test_staff_without_the_permission_read_nothing(reena, rahul, make_staff):
    sent = reena.send(rahul, "25.00").json()
    assert make_staff("cleaner").api.get(f"/transfers/{sent['id']}").status_code == 404


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@pytest.mark.parametrize("who", ["reena", "rahul", "teller", "admin"])
def test_nobody_changes_or_deletes_a_transfer(who, method, reena, rahul, books, request):
    path = f"/transfers/{reena.send(rahul, '25.00').json()['id']}"
    api = request.getfixturevalue(who).api
    before = books()
    response = api.generic(
        method.upper(), path, "{}", content_type="application/json", headers=api.credentials
    )
    assert response.status_code == 405
    assert books() == before


def test_reading_changes_nothing(reena, rahul, books):
    path = f"/transfers/{reena.send(rahul, '25.00').json()['id']}"
    before = books()
    for person in (reena, rahul):
        for one in (path, "/transfers", f"/accounts/{person.account.public_id}/limits"):
            assert person.api.get(one).status_code == 200
    assert books() == before
