"""`GET /accounts/{id}/entries`: an account's history, one line for each movement."""

import datetime as dt
from dataclasses import replace

import pytest
from django.utils import timezone

from accounts import operations
from transfers import cash
from transfers.models import LedgerEntry


@pytest.fixture
def clock(monkeypatch):
    """Return a function that sets the time, in UTC."""

    def set_to(text):
        moment = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
        monkeypatch.setattr(timezone, "now", lambda: moment)

    return set_to


def entries(person, query="", reader=None) -> list:
    response = (reader or person).api.get(f"/accounts/{person.account.public_id}/entries{query}")
    assert response.status_code == 200
    return response.json()["results"]


def test_an_entry_says_what_moved_what_was_left_and_with_whom(reena, rahul, clock):
    clock("2026-03-31T10:00:00.5")
    sent = reena.send(rahul, "25.00", reference="Rent").json()
    both = {
        "transfer_id": sent["id"],
        "reference": "Rent",
        "created_at": "2026-03-31T10:00:00.500000Z",
        "sequence": 2,
    }
    assert entries(reena)[0] == {
        **both,
        "amount": "-25.00",
        "balance_after": "4975.00",
        "counterparty_name": "Rahul",
    }
    assert entries(rahul)[0] == {
        **both,
        "amount": "25.00",
        "balance_after": "3025.00",
        "counterparty_name": "Reena",
    }


def test_the_list_is_a_page_like_every_other(reena):
    body = reena.api.get(f"/accounts/{reena.account.public_id}/entries").json()
    assert body.keys() == {"next", "previous", "results"}
    assert [one["sequence"] for one in body["results"]] == [1]


def test_sequences_count_from_one_without_a_gap_newest_first(reena, rahul, anita):
    for _ in range(3):
        reena.send(rahul, "1.00")
        anita.send(reena, "2.00")
        reena.send(rahul, "999999.00")  # refused: leaves no entry
    assert [one["sequence"] for one in entries(reena)] == [7, 6, 5, 4, 3, 2, 1]


def test_each_balance_is_the_one_before_it_and_the_amount(reena, rahul, anita):
    reena.send(rahul, "1.01")
    anita.send(reena, "2.50")
    assert [(one["amount"], one["balance_after"]) for one in entries(reena)] == [
        ("2.50", "5001.49"),
        ("-1.01", "4998.99"),
        ("5000.00", "5000.00"),
    ]


@pytest.mark.parametrize(
    ("currency", "amount", "signed"), [("JPY", "25", "-25"), ("KWD", "0.005", "-0.005")]
)
def test_amounts_have_the_decimals_of_the_currency(currency, amount, signed, make_customer):
    sender = make_customer("asha", currency=currency)
    sender.send(make_customer("bina", currency=currency), amount)
    assert entries(sender)[0]["amount"] == signed


def test_cash_comes_from_the_bank(reena, teller):
    cash.withdraw(reena.account, 1_000, reference="Counter", key="w", origin=teller.origin)
    newest, opening = entries(reena)
    assert (newest["amount"], newest["counterparty_name"]) == ("-10.00", "Cash INR")
    assert (opening["amount"], opening["counterparty_name"]) == ("5000.00", "Cash INR")


def test_between_ones_own_accounts_each_has_its_own_entry(reena, teller):
    own = operations.open_account(
        reena.customer, name="Travel", currency="INR", daily_limit_minor=0, origin=teller.origin
    )
    travel = replace(reena, account=own)
    reena.send(travel, "25.00")
    assert [one["amount"] for one in entries(travel)] == ["25.00"]
    assert entries(reena)[0]["amount"] == "-25.00"


def test_the_other_sides_balance_is_in_no_line(reena, rahul):
    reena.send(rahul, "25.00")
    assert "4975.00" not in str(entries(rahul))
    assert "3025.00" not in str(entries(reena))


# --- From a day to a day ----------------------------------------------------------------------


@pytest.fixture
def three_days(reena, rahul, clock):
    """Reena sends 1.00, 2.00, … at the edges of 30 March, 31 March and 1 April in Kolkata."""
    edges = [
        "2026-03-29T18:30:00",
        "2026-03-30T18:29:59.999999",
        "2026-03-30T18:30:00",
        "2026-03-31T18:29:59.999999",
        "2026-03-31T18:30:00",
    ]
    for number, edge in enumerate(edges, start=1):
        clock(edge)
        reena.send(rahul, f"{number}.00")


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("?since=2026-03-30&until=2026-04-01", [5, 4, 3, 2, 1]),
        ("?since=2026-03-30&until=2026-03-30", [2, 1]),
        ("?since=2026-03-31&until=2026-03-31", [4, 3]),
        ("?since=2026-03-31&until=2026-04-01", [5, 4, 3]),
        ("?until=2026-03-30", [2, 1]),
        ("?until=2026-03-29", []),
        ("?since=2020-02-29&until=2020-02-29", []),
        ("?since=2026-03-31&until=2026-04-01&limit=2", [5, 4]),
    ],
)
def test_both_days_are_inclusive_and_are_the_banks(query, numbers, reena, three_days):
    assert [one["amount"] for one in entries(reena, query)] == [f"-{n}.00" for n in numbers]


def test_from_a_day_on_everything_since_is_listed(reena, three_days):
    amounts = [one["amount"] for one in entries(reena, "?since=2026-04-01")]
    assert amounts == ["-5.00", "5000.00"]  # the deposit was made on the day of the test


WRONG_DATES = [
    *("", "today", "2026-02-30", "2026-13-01", "2026-00-01", "26-03-31", "2026-3-31", "20260331"),
    *("2026-03-31T00:00:00", "2026-W14-2", "2026-090", "31.03.2026", "0000-01-01", "-2026-03-31"),
    *("%D9%A2%D9%A0%D9%A2%D9%A6-03-31", "2026-03-31%00", "%202026-03-31", "2026-03-31'--", "0"),
]


@pytest.mark.parametrize("parameter", ["since", "until"])
def test_any_other_date_is_answered_400(parameter, reena, subtests):
    for text in WRONG_DATES:
        with subtests.test(text):
            response = reena.api.get(
                f"/accounts/{reena.account.public_id}/entries?{parameter}={text}"
            )
            assert response.status_code == 400
            assert response.json()["code"] == "validation_error"
            assert [one["field"] for one in response.json()["errors"]] == [parameter]


def test_an_end_before_the_beginning_is_answered_400(reena):
    path = f"/accounts/{reena.account.public_id}/entries?since=2026-03-31&until=2026-03-30"
    response = reena.api.get(path)
    assert response.status_code == 400
    assert [one["field"] for one in response.json()["errors"]] == ["until"]


def test_a_day_that_is_there_twice_is_answered_400(reena):
    path = f"/accounts/{reena.account.public_id}/entries?since=2026-03-31&since=2026-03-31"
    assert reena.api.get(path).status_code == 400


# --- Whose ------------------------------------------------------------------------------------


def test_staff_who_may_look_see_the_same_lines(reena, rahul, auditor):
    reena.send(rahul, "25.00")
    assert entries(reena, reader=auditor) == entries(reena)


def test_nobody_else_sees_them(reena, rahul, stranger, make_staff):
    path = f"/accounts/{reena.account.public_id}/entries"
    assert rahul.api.get(path).status_code == 404
    assert make_staff("cleaner").api.get(path).status_code == 404
    assert stranger.get(path).status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nobody_changes_an_entry(method, reena, admin, books):
    before = books()
    for person in (reena, admin):
        response = person.api.generic(
            method,
            f"/accounts/{reena.account.public_id}/entries",
            headers=person.api.credentials,
        )
        assert response.status_code == 405
    assert books() == before


def test_a_long_list_costs_no_more_queries_than_a_short_one(
    reena, rahul, django_assert_max_num_queries
):
    for _ in range(5):
        reena.send(rahul, "1.00")
    assert LedgerEntry.objects.filter(account=reena.account).count() == 6
    with django_assert_max_num_queries(6):
        entries(reena)
