"""`/me`, `/customers/{id}/accounts`, `/accounts/{id}` and its limits: each sees its own."""

import datetime as dt

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts import operations
from accounts.models import Account
from accounts.serializers import utc
from conftest import set_limit

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
def clock(monkeypatch):
    """Return a function that sets the time, in UTC."""

    def set_to(text):
        moment = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
        monkeypatch.setattr(timezone, "now", lambda: moment)

    return set_to


def paths(person) -> list[str]:
    """Every path here that shows something of a person."""
    account = f"/accounts/{person.account.public_id}"
    customer = f"/customers/{person.customer.public_id}/accounts"
    return [customer, account, f"{account}/limits", f"{account}/entries"]


def account_of(person, balance: str, daily_limit: str, currency="INR") -> dict:
    """The account as its owner is shown it."""
    return {
        "id": person.account.public_id,
        "number": person.account.number,
        "name": "Savings",
        "currency": currency,
        "status": "ACTIVE",
        "balance": balance,
        "available_balance": balance,
        "daily_limit": daily_limit,
        "created_at": utc(person.account.created_at),
    }


# --- Accounts ---------------------------------------------------------------------------------


def test_a_customer_lists_its_accounts(reena):
    response = reena.api.get(f"/customers/{reena.customer.public_id}/accounts")
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response.json() == {
        "next": None,
        "previous": None,
        "results": [account_of(reena, "5000.00", "10000.00")],
    }


def test_a_customer_lists_only_its_own_accounts_newest_first(reena, rahul, teller):
    newer = operations.open_account(
        reena.customer, name="Travel", currency="JPY", daily_limit_minor=5, origin=teller.origin
    )
    response = reena.api.get(f"/customers/{reena.customer.public_id}/accounts")
    assert [one["id"] for one in response.json()["results"]] == [
        newer.public_id,
        reena.account.public_id,
    ]


def test_a_customer_reads_one_account(reena):
    response = reena.api.get(f"/accounts/{reena.account.public_id}")
    assert response.status_code == 200
    assert response.json() == account_of(reena, "5000.00", "10000.00")


@pytest.mark.parametrize(
    ("currency", "balance", "limit", "shown_balance", "shown_limit"),
    [
        ("JPY", 2_500, 100_000, "2500", "100000"),
        ("KWD", 1_250, 5, "1.250", "0.005"),
        ("INR", 0, 0, "0.00", "0.00"),
    ],
)
def test_amounts_have_the_decimals_of_the_currency(
    currency, balance, limit, shown_balance, shown_limit, make_customer
):
    person = make_customer("kenji", balance=balance, limit=limit, currency=currency)
    response = person.api.get(f"/accounts/{person.account.public_id}")
    assert response.json() == account_of(person, shown_balance, shown_limit, currency)


def test_what_is_held_is_balance_and_not_available(reena):
    Account.objects.filter(pk=reena.account.pk).update(held_minor=120_050)
    body = reena.api.get(f"/accounts/{reena.account.public_id}").json()
    assert (body["balance"], body["available_balance"]) == ("5000.00", "3799.50")


def test_a_frozen_account_is_shown_as_frozen(reena, manager):
    operations.freeze(reena.account, reason="asked by phone", origin=manager.origin)
    assert reena.api.get(f"/accounts/{reena.account.public_id}").json()["status"] == "FROZEN"


# --- Limits -----------------------------------------------------------------------------------


def test_an_unused_limit_remains_whole(reena, clock):
    clock("2026-03-31T10:00:00")
    response = reena.api.get(f"/accounts/{reena.account.public_id}/limits")
    assert response.status_code == 200
    assert response.json() == {
        "account_id": reena.account.public_id,
        "currency": "INR",
        "date": "2026-03-31",
        "time_zone": "Asia/Kolkata",
        "daily_limit": "10000.00",
        "used": "0.00",
        "remaining": "10000.00",
        "resets_at": "2026-03-31T18:30:00.000000Z",
    }


def test_what_was_sent_is_used_and_the_rest_remains(reena, rahul):
    reena.send(rahul, "1234.56")
    reena.send(rahul, "0.44")
    body = reena.api.get(f"/accounts/{reena.account.public_id}/limits").json()
    assert (body["used"], body["remaining"]) == ("1235.00", "8765.00")


def test_what_was_received_or_refused_uses_nothing(reena, rahul):
    assert rahul.send(reena, "10.00").status_code == 201
    assert reena.send(rahul, "999999.00").status_code == 402
    body = reena.api.get(f"/accounts/{reena.account.public_id}/limits").json()
    assert (body["used"], body["remaining"]) == ("0.00", "10000.00")


def test_a_limit_lowered_below_what_was_sent_leaves_nothing_and_no_debt(reena, rahul, manager):
    reena.send(rahul, "50.00")
    set_limit(reena.account, 1_000, reason="r", origin=manager.origin)
    body = reena.api.get(f"/accounts/{reena.account.public_id}/limits").json()
    assert (body["daily_limit"], body["used"], body["remaining"]) == ("10.00", "50.00", "0.00")


def test_at_the_banks_midnight_the_whole_limit_is_back(reena, rahul, clock):
    clock("2026-03-31T18:29:59")
    reena.send(rahul, "25.00")
    path = f"/accounts/{reena.account.public_id}/limits"
    before = reena.api.get(path).json()
    clock("2026-03-31T18:30:00")
    after = reena.api.get(path).json()
    assert (before["date"], before["used"]) == ("2026-03-31", "25.00")
    assert (after["date"], after["used"]) == ("2026-04-01", "0.00")
    assert after["resets_at"] == "2026-04-01T18:30:00.000000Z"


def test_the_banks_day_is_where_the_bank_is(reena, clock, settings):
    settings.BANK_TIME_ZONE = "America/New_York"
    clock("2026-11-01T12:00:00")
    body = reena.api.get(f"/accounts/{reena.account.public_id}/limits").json()
    assert (body["date"], body["time_zone"]) == ("2026-11-01", "America/New_York")
    assert body["resets_at"] == "2026-11-02T05:00:00.000000Z"


# --- Whose is it? -----------------------------------------------------------------------------


def foreign_and_unknown(person, index) -> tuple[str, str]:
    """One of the person's paths, and the same with an id that nobody has."""
    path = paths(person)[index]
    owned = person.customer if "/customers/" in path else person.account
    return path, path.replace(owned.public_id, UNKNOWN_ID)


@pytest.mark.parametrize("index", range(4))
def test_what_is_anothers_answers_exactly_like_what_does_not_exist(index, anita, reena):
    both = foreign_and_unknown(reena, index)
    answers = [anita.api.get(path, X_Request_ID="same") for path in both]
    assert [one.status_code for one in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert dict(answers[0].headers) == dict(answers[1].headers)
    assert answers[0].json()["code"] == "not_found"


@pytest.mark.parametrize("index", range(4))
def test_a_foreign_and_an_unknown_id_cost_the_same_queries(
    index, anita, reena, django_assert_num_queries
):
    for path in foreign_and_unknown(reena, index):
        with django_assert_num_queries(2):
            assert anita.api.get(path).status_code == 404


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("role", ["teller", "manager", "auditor"])
def test_staff_who_may_look_see_everything(role, index, reena, request):
    staff = request.getfixturevalue(role)
    path = paths(reena)[index]
    assert staff.api.get(path).json() == reena.api.get(path).json()


@pytest.mark.parametrize("index", range(4))
def test_staff_without_the_permission_see_nothing(index, reena, make_staff):
    assert make_staff("cleaner").api.get(paths(reena)[index]).status_code == 404


def test_a_customer_never_sees_the_banks_own_accounts(reena):
    house = Account.objects.get(house_role="cash:INR")
    for path in (f"/accounts/{house.public_id}", f"/accounts/{house.public_id}/limits"):
        assert reena.api.get(path).status_code == 404


def test_a_permission_helps_nobody_who_is_not_staff(anita, reena):
    anita.user.groups.add(Group.objects.get(name="manager"))
    assert [anita.api.get(path).status_code for path in paths(reena)] == [404] * 4


def test_a_role_taken_away_is_gone_with_the_next_request(teller, reena):
    path = paths(reena)[1]
    assert teller.api.get(path).status_code == 200
    teller.user.groups.clear()
    assert teller.api.get(path).status_code == 404


@pytest.mark.parametrize(
    "spelling",
    [
        str.upper,
        lambda one: one.replace("-", ""),
        "{{{}}}".format,
        "urn:uuid:{}".format,
        "1".format,
    ],
)
@pytest.mark.parametrize("path", ["/accounts/{}", "/accounts/{}/limits", "/customers/{}/accounts"])
def test_an_id_in_another_spelling_is_answered_400(path, spelling, reena):
    owned = reena.customer if "customers" in path else reena.account
    response = reena.api.get(path.format(spelling(owned.public_id)))
    assert response.status_code == 400
    assert response.json()["code"] == "validation_error"
    assert [one["field"] for one in response.json()["errors"]] == ["id"]


# --- Me ---------------------------------------------------------------------------------------


def test_a_customer_is_told_who_it_is(reena):
    response = reena.api.get("/me")
    assert response.status_code == 200
    assert response.json() == {
        "username": "reena",
        "customer_id": reena.customer.public_id,
        "name": "Reena",
        "is_staff": False,
    }


def test_staff_are_told_who_they_are(make_staff):
    clerk = make_staff("clerk", first_name="Carl", last_name="Clerk")
    assert clerk.api.get("/me").json() == {
        "username": "clerk",
        "customer_id": None,
        "name": "Carl Clerk",
        "is_staff": True,
    }


def test_staff_without_a_name_go_by_their_username(teller):
    assert teller.api.get("/me").json()["name"] == "teller"
