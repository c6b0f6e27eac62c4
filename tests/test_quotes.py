"""A quote is what then happens: on a state that nothing else changes, whatever is ordered."""

import contextlib

from hypothesis import strategies as st

from accounts import operations
from conftest import set_limit
from office import approvals


def test_an_order_comes_to_what_its_quote_said(reena, rahul, meera, teller, unfreeze, by_chance):
    people = [reena, rahul, meera]
    for person in people:
        set_limit(person.account, 40_000, reason="Test", origin=teller.origin)
    chance = by_chance(80)
    outcomes = []

    @chance.given(
        st.tuples(
            st.sampled_from(range(3)),
            st.sampled_from(range(3)),
            st.integers(1, 60_000),
            st.sampled_from(["INR", "INR", "INR", "INR", "INR", "INR", "JPY"]),
            st.sampled_from(["", "", "unfreeze", "unfreeze", "freeze"]),
        )
    )
    def quote_and_order(drawn):
        sender, receiver, minor, currency, staff = drawn
        sender, receiver = people[sender], people[receiver]
        with contextlib.suppress(operations.WrongStatus, approvals.NotPossible):
            if staff == "freeze":
                operations.freeze(receiver.account, reason="Test", origin=teller.origin)
            elif staff:
                unfreeze(receiver)
        amount = f"{minor // 100}.{minor % 100:02}" if currency == "INR" else str(minor)
        order = sender.order(receiver, amount, currency=currency)

        quoted = sender.api.post("/transfers/quote", order).json()
        answer = sender.api.post("/transfers", order)

        body = answer.json()
        outcomes.append(quoted["outcome"])
        assert quoted["outcome"] == (body["status"] if answer.status_code == 201 else body["code"])
        account = sender.api.get(f"/accounts/{sender.account.public_id}").json()
        limits = sender.api.get(f"/accounts/{sender.account.public_id}/limits").json()
        assert quoted["balance_after"] == account["balance"]
        assert quoted["remaining_today"] == limits["remaining"]

    quote_and_order()
    assert len(set(outcomes)) >= 5, set(outcomes)
