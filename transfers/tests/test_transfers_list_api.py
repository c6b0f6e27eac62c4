"""`GET /transfers`: the caller's transfers, newest first, filtered by account, side and status."""

from dataclasses import replace

import pytest

from accounts import operations
from accounts.models import Account

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
def history(reena, rahul, anita, teller):
    """What happened, by name: the ids of the transfers in the order in which they were made."""
    own = operations.open_account(
        reena.customer, name="Travel", currency="INR", daily_limit_minor=0, origin=teller.origin
    )
    travel = replace(reena, account=own)
    answers = {
        "to rahul": reena.send(rahul, "1.00"),
        "from rahul": rahul.send(reena, "2.00"),
        "refused to rahul": reena.send(rahul, "999999.00"),
        "refused from rahul": rahul.send(reena, "999999.00"),
        "to travel": reena.send(travel, "3.00"),
        "refused from travel": travel.send(reena, "999.00"),
        "anita to rahul": anita.send(rahul, "4.00"),
    }
    bodies = {name: answer.json() for name, answer in answers.items()}
    return {name: body.get("id") or body["transfer_id"] for name, body in bodies.items()} | {
        "travel account": own.public_id
    }


def listed(person, history, query="") -> list:
    """The names of the transfers that the person is shown, without the cast's opening deposits."""
    response = person.api.get(f"/transfers{query}")
    assert response.status_code == 200
    names = {id: name for name, id in history.items()}
    return [names[one["id"]] for one in response.json()["results"] if one["id"] in names]


def test_one_is_listed_what_ones_accounts_sent_and_received_newest_first(reena, history):
    assert listed(reena, history) == [
        "refused from travel",
        "to travel",
        "refused to rahul",
        "from rahul",
        "to rahul",
    ]


def test_what_others_do_with_each_other_is_not_listed(anita, history):
    assert listed(anita, history) == ["anita to rahul"]


def test_each_line_is_the_transfer_as_it_is_read_alone(reena, rahul, history):
    for person in (reena, rahul):
        for one in person.api.get("/transfers").json()["results"]:
            assert one == person.api.get(f"/transfers/{one['id']}").json()


def test_opening_cash_is_a_transfer_that_came_in(reena):
    (opening,) = reena.api.get("/transfers?direction=in").json()["results"]
    assert (opening["amount"], opening["reference"]) == ("5000.00", "Opening")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?direction=in", ["refused from travel", "to travel", "from rahul"]),
        ("?direction=out", ["refused from travel", "to travel", "refused to rahul", "to rahul"]),
        ("?status=COMPLETED", ["to travel", "from rahul", "to rahul"]),
        ("?status=REJECTED", ["refused from travel", "refused to rahul"]),
        ("?status=PENDING", []),
        ("?status=CANCELLED", []),
        ("?direction=out&status=COMPLETED", ["to travel", "to rahul"]),
        ("?account_id={travel}", ["refused from travel", "to travel"]),
        ("?account_id={travel}&direction=in", ["to travel"]),
        ("?account_id={travel}&direction=out", ["refused from travel"]),
        ("?account_id={savings}&direction=in", ["refused from travel", "from rahul"]),
        (
            "?account_id={savings}&direction=out&status=REJECTED",
            ["refused to rahul"],
        ),
    ],
)
def test_the_list_can_be_narrowed(query, names, reena, history):
    query = query.format(travel=history["travel account"], savings=reena.account.public_id)
    assert listed(reena, history, query) == names


@pytest.mark.parametrize("direction", ["in", "out"])
def test_staff_say_from_whose_side_a_direction_is_meant(direction, auditor, reena, history):
    response = auditor.api.get(f"/transfers?direction={direction}")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "direction")
    account = f"account_id={reena.account.public_id}"
    assert auditor.api.get(f"/transfers?direction={direction}&{account}").status_code == 200


@pytest.mark.parametrize("query", ["", "?direction=in", "?status=REJECTED", "?direction=out"])
def test_what_was_refused_to_another_is_in_no_list_of_the_receivers(query, rahul, history):
    assert "refused to rahul" not in listed(rahul, history, query)


@pytest.mark.parametrize("whose", ["foreign", "unknown", "the bank's own"])
def test_an_account_that_is_not_ones_own_answers_404(whose, reena, rahul, history):
    id = {
        "foreign": rahul.account.public_id,
        "unknown": UNKNOWN_ID,
        "the bank's own": Account.objects.get(house_role="cash:INR").public_id,
    }[whose]
    response = reena.api.get(f"/transfers?account_id={id}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


WRONG_PARAMETERS = [
    *(
        "account_id=",
        "account_id=1",
        "account_id=%00",
        "account_id=null",
        "account_id='%20OR%201=1",
    ),
    *(
        "account_id=01890000000070008000000000000000",
        "account_id=01890000-0000-7000-8000-00000000ABCD",
    ),
    *("direction=", "direction=IN", "direction=both", "direction=in,out", "direction=%20in"),
    *("status=", "status=completed", "status=DONE", "status=COMPLETED,REJECTED", "status=%00"),
    *("status=COMPLETED&status=REJECTED", "direction=in&direction=out"),
]


def test_any_other_value_is_answered_400(reena, subtests):
    for query in WRONG_PARAMETERS:
        with subtests.test(query):
            response = reena.api.get(f"/transfers?{query}")
            assert response.status_code == 400
            assert response.json()["code"] == "validation_error"
            assert [one["field"] for one in response.json()["errors"]] == [query.split("=")[0]]


@pytest.mark.parametrize("role", ["teller", "manager", "auditor"])
def test_staff_who_may_look_are_listed_everything(role, history, request):
    names = [name for name in history if name != "travel account"]
    staff = request.getfixturevalue(role)
    assert listed(staff, history) == names[::-1]
    assert listed(staff, history, "?status=REJECTED") == [
        "refused from travel",
        "refused from rahul",
        "refused to rahul",
    ]


def test_staff_can_narrow_the_list_to_one_account(auditor, anita, history):
    query = f"?account_id={anita.account.public_id}&direction=out"
    assert listed(auditor, history, query) == ["anita to rahul"]


def test_staff_without_the_permission_are_listed_nothing(make_staff, history):
    response = make_staff("cleaner").api.get("/transfers")
    assert (response.status_code, response.json()["results"]) == (200, [])


def test_without_credentials_nothing_is_listed(stranger, history):
    assert stranger.get("/transfers").status_code == 401
