"""What is remembered about accounts saves a question and decides nothing."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import directory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rahul_is_taken_for_meera(rahul, meera):
    """This process remembers another account under Rahul's number and id."""
    (wrong,) = directory.look_up({meera.account.public_id}).values()
    names = {rahul.account.public_id, rahul.account.number}
    directory._known.update(dict.fromkeys(names, wrong))


def test_each_account_is_asked_for_once(reena, rahul):
    names = {reena.account.public_id, rahul.account.number, "000000000000"}
    first = directory.look_up(names)
    with CaptureQueriesContext(connection) as captured:
        directory.look_up({rahul.account.public_id, reena.account.number})
    assert captured.captured_queries == []
    assert {name: one.id for name, one in first.items()} == {
        reena.account.public_id: reena.account.pk,
        rahul.account.number: rahul.account.pk,
    }


def test_an_account_that_was_not_there_is_asked_for_again(reena):
    directory.forget({reena.account.number})
    assert directory.look_up({"000000000000"}) == {}
    with CaptureQueriesContext(connection) as captured:
        assert directory.look_up({"000000000000"}) == {}
    assert len(captured) == 1


def test_a_process_does_not_remember_without_end(reena, rahul, monkeypatch):
    monkeypatch.setattr(directory, "MOST", 2)
    for person in (reena, rahul, reena, rahul):
        directory.look_up({person.account.number})
        assert directory._known.keys() == {person.account.public_id, person.account.number}


@pytest.mark.parametrize("member", ["to_account_id", "to_account_number"])
def test_a_payment_never_reaches_another_account_than_was_named(
    member, rahul_is_taken_for_meera, reena, rahul, meera, books
):
    before, balance = books(), rahul.balance()
    name = rahul.account.public_id if member == "to_account_id" else rahul.account.number
    body = {"from_account_id": reena.account.public_id, member: name, "amount": "1.00"}

    refused = reena.api.post("/transfers", body)

    assert (refused.status_code, refused.json()["code"]) == (404, "account_not_found")
    assert books() == before
    assert reena.api.post("/transfers", body).status_code == 201  # it was looked up again
    assert rahul.balance() == balance + 100


def test_a_bulk_never_reaches_another_account_than_was_named(
    rahul_is_taken_for_meera, reena, rahul, books
):
    before = books()
    item = reena.order(rahul, "1.00", idempotency_key="1")

    def send():
        return reena.api.post("/transfers/bulk", {"transfers": [item]}).json()["results"][0]

    assert send()["status"] == 404
    assert books() == before
    assert send()["status"] == 201
