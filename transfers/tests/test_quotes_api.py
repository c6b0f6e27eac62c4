"""`POST /transfers/quote`: what would happen, decided by what decides; nothing moves."""

import pytest

from accounts import numbers, operations
from accounts.models import Account
from audit.models import AuditLog

NOBODY = "01980000-0000-7000-8000-000000000000"


def quote(person, to, amount="25.00", **members):
    """POST /transfers/quote and return the response."""
    return person.api.post("/transfers/quote", person.order(to, amount, **members))


def test_a_quote_says_what_a_transfer_would_come_to_and_nothing_moves(reena, rahul, books):
    before, audited = books(), AuditLog.objects.count()

    answer = quote(reena, rahul, payee_name="rahul")

    assert answer.status_code == 200
    assert answer.json() == {
        "outcome": "COMPLETED",
        "payee": {"name_match": "MATCH", "display_name": "Rahul"},
        "balance_after": "4975.00",
        "remaining_today": "9975.00",
    }
    assert (books(), AuditLog.objects.count()) == (before, audited)


@pytest.mark.parametrize(
    ("amount", "outcome", "balance", "remaining"),
    [
        ("5000.00", "COMPLETED", "0.00", "5000.00"),
        ("5000.01", "insufficient_funds", "5000.00", "10000.00"),
    ],
)
def test_a_quote_tells_a_refusal_before_it_happens(
    reena, rahul, books, amount, outcome, balance, remaining
):
    before = books()

    body = quote(reena, rahul, amount).json()

    assert (body["outcome"], body["balance_after"]) == (outcome, balance)
    assert body["remaining_today"] == remaining
    assert books() == before


def test_over_the_limit_is_told_with_what_is_left(meera, rahul):
    meera.send(rahul, "60")

    body = quote(meera, rahul, "40.01").json()

    assert (body["outcome"], body["remaining_today"]) == ("daily_limit_exceeded", "40.00")


@pytest.mark.parametrize(
    ("typed", "match", "shown"),
    [
        ("Rahul", "MATCH", "Rahul"),
        ("Rahull", "CLOSE_MATCH", "Rahul"),
        ("Anita", "NO_MATCH", None),
        ("राहुल", "NOT_CHECKED", None),
        ("", "NOT_CHECKED", None),
    ],
)
def test_only_who_came_close_is_told_the_name(reena, rahul, typed, match, shown):
    payee = quote(reena, rahul, payee_name=typed).json()["payee"]
    assert payee == {"name_match": match, "display_name": shown}


def test_without_a_name_none_is_checked_and_none_is_told(reena, rahul):
    payee = quote(reena, rahul).json()["payee"]
    assert payee == {"name_match": "NOT_CHECKED", "display_name": None}


def test_names_are_asked_for_so_often_a_day_and_quotes_without_go_on(reena, rahul, settings):
    settings.NAME_CHECKS_PER_DAY = 2
    for typed in ("Anita", "Meera"):
        assert quote(reena, rahul, payee_name=typed).status_code == 200

    refused = quote(reena, rahul, payee_name="Rahul")

    assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
    assert quote(reena, rahul).status_code == 200


def test_the_own_name_is_told(reena, teller):
    other = operations.open_account(
        reena.customer, name="Travel", currency="INR", daily_limit_minor=0, origin=teller.origin
    )
    order = {"from_account_id": reena.account.public_id, "to_account_id": other.public_id}

    body = reena.api.post("/transfers/quote", {**order, "amount": "1"}).json()

    assert body["payee"] == {"name_match": "NOT_CHECKED", "display_name": "Reena"}


def test_an_account_that_is_not_ones_own_or_not_there_tells_nothing(reena, rahul, anita):
    foreign = anita.api.post("/transfers/quote", reena.order(rahul, "1", payee_name="Rahul"))
    missing = anita.api.post(
        "/transfers/quote",
        {**reena.order(rahul, "1", payee_name="Rahul"), "from_account_id": NOBODY},
    )

    assert foreign.json() == missing.json()
    assert foreign.json()["outcome"] == "account_not_found"
    assert (foreign.json()["balance_after"], foreign.json()["remaining_today"]) == (None, None)


def test_the_banks_own_account_has_no_name(reena):
    house = Account.objects.get(kind=Account.Kind.HOUSE)
    order = {"from_account_id": reena.account.public_id, "to_account_number": house.number}

    def ask(number):
        body = {**order, "to_account_number": number, "amount": "1", "payee_name": house.name}
        return reena.api.post("/transfers/quote", body).json()

    assert ask(house.number) == ask(numbers.with_check_digits("9999999999"))


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"payee_name": 7}, "payee_name"),
        ({"payee_name": "x" * 141}, "payee_name"),
        ({"payee_name": "Ra\u202ehul"}, "payee_name"),
        ({"amount": "1.001"}, "amount"),
        ({"payee": "Rahul"}, "payee"),
    ],
)
def test_what_a_transfer_would_not_take_a_quote_does_not_take(reena, rahul, members, field):
    order = {**reena.order(rahul, "1"), **members}

    answer = reena.api.post("/transfers/quote", order)

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
