"""Money that the bank sent back, as both sides read of it on pages and on paper."""

import pytest
from django.db import transaction

from accounts.models import Account
from accounts.tests.browsing import visit
from transfers import paper, reversals
from transfers.models import Transfer


def send_back(staff, payment: str, minor: int) -> Transfer:
    """Send some of a transfer back and return the reversal."""
    with transaction.atomic():
        original = Transfer.objects.get(public_id=payment)
        Account.objects.locked([original.from_account_id, original.to_account_id])
        key = f"{payment} {original.reversed_minor}"
        outcome = reversals.carry_out(original, minor, key=key, origin=staff.origin)
    assert outcome.refusal is None
    return outcome.transfer


@pytest.fixture
def reverse(manager):
    return lambda original, minor: send_back(manager, original.public_id, minor)


@pytest.fixture
def payment(reena, rahul):
    """3.00 from Reena to Rahul."""
    sent = reena.send(rahul, "3.00", reference="Tea").json()["id"]
    return Transfer.objects.get(public_id=sent)


@pytest.fixture
def written(monkeypatch):
    """What is written on paper from now on."""
    lines = []
    write = paper._Sheet.text

    def text(self, x, text, *args, **kwargs):
        lines.append(text)
        write(self, x, text, *args, **kwargs)

    monkeypatch.setattr(paper._Sheet, "text", text)
    return lines


def page_of(transfer) -> str:
    return f"/payments/{transfer.public_id}"


def test_both_sides_read_on_a_payment_how_much_of_it_was_sent_back(reena, rahul, payment, reverse):
    one, two = reverse(payment, 100), reverse(payment, 50)

    for person in (reena, rahul):
        page = visit(person.browser, page_of(payment))
        assert (
            "The bank has sent ₹1.50 of it back to the sender. The receiver keeps ₹1.50."
            in page.text
        )
        assert [page_of(back) in page.links for back in (one, two)] == [True, True]
        assert page.text.count("Sent back by the bank ₹") == 2
        assert "The money is in the receiver's account" not in page.text
        assert "cannot take it back" not in page.text


def test_what_was_sent_back_wholly_need_not_be_confirmed(reena, rahul, payment, reverse):
    assert "Is this right?" in visit(rahul.browser, "/").text
    reverse(payment, 300)

    for person in (reena, rahul):
        page = visit(person.browser, page_of(payment))
        assert "The bank has sent all of it back to the sender." in page.text
        assert "Do you think that it is wrong?" in page.text
    assert "Is this right?" not in page.text
    assert "Is this right?" not in visit(rahul.browser, "/").text


def test_a_reversal_is_nobodys_payment(reena, rahul, payment, reverse):
    back = reverse(payment, 100)

    for person, told in (
        (reena, "The bank has given you back this much of an earlier payment of ₹3.00."),
        (rahul, "The bank has taken this much of an earlier payment of ₹3.00 and sent it back."),
    ):
        page = visit(person.browser, page_of(back))
        assert page.title == "Sent back by the bank ₹1.00 – SmartBank"
        assert told in page.text
        assert page_of(payment) in page.links
        assert not any("again=" in link for link in page.links)
        for wrong in ("wrong person", "Send again", "Is this right?", "has not confirmed"):
            assert wrong not in page.text


def test_lists_and_histories_say_what_was_sent_back(reena, rahul, payment, reverse):
    reverse(payment, 100)

    for person, original, back in (
        (
            reena,
            "Sent, ₹1.00 of it sent back −₹3.00",
            "From Rahul Reversal Sent back by the bank +",
        ),
        (
            rahul,
            "Received, ₹1.00 of it sent back +₹3.00",
            "To Reena Reversal Sent back by the bank −",
        ),
    ):
        for path in ("/", f"/history/{person.account.public_id}"):
            text = visit(person.browser, path).text
            assert original in text, path
            assert back + "₹1.00" in text, path
    reverse(payment, 200)
    assert "Sent, all of it sent back" in visit(reena.browser, "/").text


def test_receipts_on_paper_name_each_other(reena, rahul, payment, reverse, written):
    back = reverse(payment, 100)

    for person in (reena, rahul):
        person.browser.get(f"{page_of(payment)}/receipt.pdf")
        at = written.index("Sent back by the bank")
        assert written[at + 1] == f"₹1.00  {back.public_id}"
        written.clear()
        person.browser.get(f"{page_of(back)}/receipt.pdf")
        assert "Sent back by the bank" in written
        assert written[written.index("Earlier payment") + 1] == f"₹3.00  {payment.public_id}"
        written.clear()


def test_statements_name_the_payment_that_was_sent_back(reena, rahul, payment, reverse, written):
    reverse(payment, 100)

    told = f"Sent back by the bank, of payment {payment.public_id}"
    for person in (reena, rahul):
        path = f"/accounts/{person.account.public_id}/statement?format="
        assert person.api.get(f"{path}csv").getvalue().decode().count(told) == 1
        person.api.get(f"{path}pdf")
        assert written.count(told) == 1
        written.clear()
