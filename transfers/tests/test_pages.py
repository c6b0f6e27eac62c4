"""The customer's pages: what they show, what they refuse, and that nothing is paid twice."""

import datetime as dt
import re

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError
from django.shortcuts import render
from django.utils import timezone

from accounts import bank_day, numbers, operations
from accounts.tests.browsing import Page, submit, visit
from accounts.transactions import Busy
from transfers import payments
from transfers.forms import tidy_amount, tidy_number
from transfers.models import Transfer
from transfers.send_views import FORM_ALREADY_USED, NOT_KNOWN_YET

UNKNOWN = "01980000-0000-7000-8000-000000000000"


def typed(receiver, amount, **more):
    """What a person types into the form."""
    return {"to_account_number": receiver.account.number, "amount": amount, **more}


def send(browser, page=None, **fields):
    """Fill in the form and press the button."""
    return submit(browser, "/send", page or visit(browser, "/send"), **fields)


def paid(sender, receiver, amount="25.00", **more) -> Transfer:
    """Return a payment that was made through the form."""
    response = send(sender.browser, **typed(receiver, amount, **more))
    assert response.status_code == 303
    return Transfer.objects.get(public_id=response["Location"].removeprefix("/payments/"))


def page_of(transfer) -> str:
    return f"/payments/{transfer.public_id}"


def answer(receiver, transfer, amount):
    """Let the receiver say what arrived."""
    browser = receiver.browser
    page = visit(browser, page_of(transfer))
    return submit(browser, f"{page_of(transfer)}/receipt", page, received_amount=amount)


def money_of(picture: dict) -> dict:
    """Everything in the books but the transfers: what a recorded refusal must not change."""
    return {name: picture[name] for name in ("balances", "entries", "usage")}


# --- Home -------------------------------------------------------------------------------------


def test_home_shows_the_own_accounts_and_nobody_elses(reena, rahul):
    page = visit(reena.browser, "/")

    number = reena.account.number
    assert f"Savings {number[:4]} {number[4:8]} {number[8:]} Balance ₹5,000.00" in page.text
    assert "Status: active" in page.text
    assert "Rahul" not in page.text
    assert rahul.account.number[-4:] not in page.text


def test_home_shows_what_is_left_of_the_limit_and_when_it_resets(reena, rahul):
    paid(reena, rahul, "1,250.50")

    midnight = bank_day.end(bank_day.of(timezone.now())).astimezone(bank_day.zone())
    assert (
        "₹8,749.50 of ₹10,000.00 left to send today; "
        f"resets on {midnight.day} {midnight:%B}, 00:00 IST."
    ) in visit(reena.browser, "/").text


def test_home_lists_what_was_sent_received_and_refused(reena, rahul):
    paid(reena, rahul, "25.00", reference="Dinner")
    paid(rahul, reena, "7.50")
    send(reena.browser, **typed(rahul, "6000"))

    page = visit(reena.browser, "/")

    assert "To Rahul Dinner Sent −₹25.00" in page.text
    assert "From Rahul Received, please confirm +₹7.50" in page.text
    assert (
        "To Rahul Refused. No money left your account. "
        "Not enough money in the account: ₹4,982.50 was available. ₹6,000.00"
    ) in page.text
    for transfer in Transfer.objects.filter(kind=Transfer.Kind.PAYMENT):
        assert page_of(transfer) in page.links


def test_home_asks_the_receiver_to_confirm(reena, rahul):
    transfer = paid(reena, rahul, reference="Dinner")

    assert "₹25.00 from Reena: Dinner Is this right?" in visit(rahul.browser, "/").text
    assert "to Rahul: Dinner Is this right?" not in visit(reena.browser, "/").text

    answer(rahul, transfer, "25.00")
    assert "from Reena: Dinner Is this right?" not in visit(rahul.browser, "/").text


def test_the_receiver_never_hears_of_a_refused_transfer(reena, rahul):
    send(reena.browser, **typed(rahul, "6000"))
    refused = Transfer.objects.get(status="REJECTED")

    assert "Reena" not in visit(rahul.browser, "/").text
    assert visit(rahul.browser, page_of(refused)).status == 404


def test_a_frozen_account_says_that_no_money_moves(reena, teller):
    operations.freeze(reena.account, reason="Card lost", origin=teller.origin)

    page = visit(reena.browser, "/")

    assert "Status: frozen. No money can come in or go out. Ask us why: " in page.text


def test_a_customer_without_an_account_is_told_so(reena, teller):
    operations.open_customer(username="noor", password="x", name="Noor", origin=teller.origin)
    browser = reena.browser
    browser.force_login(reena.user.__class__.objects.get(username="noor"))

    assert "You have no account yet." in visit(browser, "/").text
    assert "You have no account to send from yet." in visit(browser, "/send").text


# --- Send money -------------------------------------------------------------------------------


def test_a_payment_leads_to_its_page(reena, rahul):
    transfer = paid(reena, rahul, "25.00", reference="Dinner")

    page = visit(reena.browser, page_of(transfer))

    own, other = reena.account.number, rahul.account.number
    assert own not in page.text
    assert page.title == "Sent ₹25.00 – SmartBank"
    assert "Sent ₹25.00 to Rahul" in page.text
    assert f"Payment number {transfer.public_id}" in page.text
    assert f"From Savings •••• {own[-4:]} To Rahul •••• {other[-4:]}" in page.text
    assert "Reference Dinner" in page.text
    when = transfer.created_at.astimezone(bank_day.zone())
    assert f"When {when.day} {when:%B %Y, %H:%M:%S} IST" in page.text
    assert "Your balance afterwards ₹4,975.00" in page.text
    assert "Rahul has not confirmed yet that the money arrived." in page.text
    assert "₹3,025.00" not in page.text
    assert (reena.balance(), rahul.balance()) == (497_500, 302_500)


def test_the_same_form_posted_twice_pays_once(reena, rahul, books):
    browser = reena.browser
    page = visit(browser, "/send")
    first = send(browser, page, **typed(rahul, "25.00"))
    before = books()

    second = send(browser, page, **typed(rahul, "25.00"))

    assert (second.status_code, second["Location"]) == (303, first["Location"])
    assert books() == before


def test_the_form_and_the_api_share_one_key(reena, rahul, books):
    browser = reena.browser
    page = visit(browser, "/send")
    number = rahul.account.number
    headers = {
        "Idempotency-Key": page.fields["idempotency_key"],
        "X-CSRFToken": page.fields["csrfmiddlewaretoken"],
    }
    order = {"from_account_id": reena.account.public_id, "to_account_number": number}
    by_script = browser.post(
        "/transfers", {**order, "amount": "25.00"}, content_type="application/json", headers=headers
    )
    assert by_script.status_code == 201
    before = books()

    response = send(browser, page, **typed(rahul, "₹ 25.00"))

    assert response["Location"] == f"/payments/{by_script.json()['id']}"
    assert books() == before


def test_every_form_is_a_new_payment(reena, rahul):
    assert paid(reena, rahul) != paid(reena, rahul)
    assert rahul.balance() == 305_000


def test_a_used_form_with_other_details_sends_nothing(reena, rahul, books):
    browser = reena.browser
    page = visit(browser, "/send")
    send(browser, page, **typed(rahul, "25.00"))
    before = books()

    again = Page(send(browser, page, **typed(rahul, "30.00")))

    assert (again.status, again.problems) == (422, [FORM_ALREADY_USED])
    assert again.fields["amount"] == "30.00"
    assert books() == before
    assert send(browser, again).status_code == 303  # pressing again is a payment of its own
    assert rahul.balance() == 305_500


def test_with_several_accounts_the_customer_chooses(reena, rahul, teller, books):
    empty = operations.open_account(
        reena.customer,
        name="Household",
        currency="INR",
        daily_limit_minor=100,
        origin=teller.origin,
    )
    before = books()

    page = Page(send(reena.browser, **typed(rahul, "1"), from_account_id=empty.public_id))

    assert page.problems == [
        "There is not enough money in the account: ₹0.00 is available. "
        "You can send up to ₹0.00 now."
    ]
    assert page.fields["from_account_id"] == empty.public_id
    assert money_of(books()) == money_of(before)


# --- Refused ----------------------------------------------------------------------------------


def test_a_refusal_says_why_keeps_what_was_typed_and_makes_a_new_key(reena, rahul, books):
    browser, before = reena.browser, books()
    form = visit(browser, "/send")

    page = Page(send(browser, form, **typed(rahul, "6,000"), reference="Car"))

    refused = Transfer.objects.get(status="REJECTED")
    assert (page.status, page.title) == (402, "Error: Send money – SmartBank")
    assert page.problems == [
        "There is not enough money in the account: ₹5,000.00 is available. "
        "You can send up to ₹5,000.00 now."
    ]
    assert "#id_amount" in page.links
    assert "No money left your account. See this attempt" in page.text
    assert page_of(refused) in page.links
    kept = {"to_account_number": rahul.account.number, "amount": "6,000", "reference": "Car"}
    assert page.fields.items() >= kept.items()
    assert page.fields["idempotency_key"] != form.fields["idempotency_key"]
    assert money_of(books()) == money_of(before)


def test_over_the_limit_says_what_was_left(meera, rahul, books):
    before = books()

    page = Page(send(meera.browser, **typed(rahul, "100.01")))

    assert page.status == 429
    midnight = bank_day.end(bank_day.of(timezone.now())).astimezone(bank_day.zone())
    assert page.problems == [
        "This is over the daily limit of ₹100.00: you have sent ₹0.00 today, ₹100.00 is left. "
        f"It starts anew on {midnight.day} {midnight:%B}, 00:00 IST."
    ]
    assert money_of(books()) == money_of(before)


def test_reloading_a_refusal_records_nothing_more(reena, rahul, books):
    browser = reena.browser
    form = visit(browser, "/send")
    first = Page(send(browser, form, **typed(rahul, "6000")))
    before = books()

    again = Page(send(browser, form, **typed(rahul, "6000")))

    assert (again.status, again.problems) == (402, first.problems)
    assert books() == before


def test_a_corrected_form_is_sent(reena, rahul):
    browser = reena.browser
    page = Page(send(browser, **typed(rahul, "6000")))

    assert send(browser, page, amount="60").status_code == 303
    assert rahul.balance() == 306_000


def test_a_refused_attempt_has_a_page_that_says_so(reena, rahul):
    send(reena.browser, **typed(rahul, "6000"))
    refused = Transfer.objects.get(status="REJECTED")

    page = visit(reena.browser, page_of(refused))

    assert page.title == "Refused payment – SmartBank"
    assert (
        "Refused ₹6,000.00 to Rahul No money left your account. "
        "Not enough money in the account: ₹5,000.00 was available."
    ) in page.text
    assert "Is this right?" not in page.text


@pytest.mark.parametrize(
    ("side", "field", "advice"),
    [
        (
            "from",
            "#id_from_account_id",
            "Your account is frozen, so no money can leave it. Ask us why: come to any branch.",
        ),
        (
            "to",
            "#id_to_account_number",
            "The account you send to cannot receive money now. Ask the person you pay.",
        ),
    ],
)
def test_a_frozen_account_says_whom_to_ask(reena, rahul, teller, books, side, field, advice):
    frozen = reena if side == "from" else rahul
    operations.freeze(frozen.account, reason="Card lost", origin=teller.origin)
    before = books()

    page = Page(send(reena.browser, **typed(rahul, "1")))

    assert (page.status, page.problems) == (409, [advice])
    assert field in page.links
    assert money_of(books()) == money_of(before)


def test_an_unknown_number_keeps_the_key_because_nothing_is_recorded(reena, books, audited):
    browser, before = reena.browser, books()
    form = visit(browser, "/send")
    nobody = numbers.with_check_digits("9999999999")

    page = Page(send(browser, form, to_account_number=nobody, amount="1"))

    assert (page.status, page.problems) == (
        404,
        ["There is no such account. Compare the number with the one you were given."],
    )
    assert "#id_to_account_number" in page.links
    assert page.fields["idempotency_key"] == form.fields["idempotency_key"]
    assert books() == before
    assert [row.details["code"] for row in audited("transfer.not_accepted")] == [
        "account_not_found"
    ]


def test_sending_from_somebody_elses_account_is_refused_and_audited(reena, rahul, books, audited):
    before = books()

    page = Page(send(reena.browser, **typed(reena, "1"), from_account_id=rahul.account.public_id))

    assert (page.status, page.problems) == (404, ["Choose one of your own accounts."])
    assert "#id_from_account_id" in page.links
    assert books() == before
    assert [row.actor_id for row in audited("transfer.not_accepted")] == [reena.user.pk]


def test_sending_to_the_same_account_is_refused(reena, books):
    before = books()

    page = Page(send(reena.browser, **typed(reena, "1")))

    assert (page.status, page.problems) == (422, ["From and to are the same account."])
    assert books() == before


def test_other_currencies_are_refused(reena, make_customer, books):
    yuki = make_customer("yuki", currency="JPY")
    before = books()

    page = Page(send(reena.browser, **typed(yuki, "1")))

    assert page.status == 422
    assert page.problems == [
        "This account is kept in another currency, so it cannot receive this payment."
    ]
    assert books() == before


@pytest.mark.parametrize("failure", [Busy(), OperationalError(2006, "gone away")])
def test_without_a_verdict_the_same_key_stays_so_that_pressing_again_is_safe(
    reena, rahul, books, monkeypatch, failure
):
    browser, before = reena.browser, books()
    form = visit(browser, "/send")

    def no_verdict(*args, **kwargs):
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(payments, "pay", no_verdict)
        page = Page(send(browser, form, **typed(rahul, "25"), reference="Tea"))

    assert (page.status, page.problems) == (503, [NOT_KNOWN_YET])
    assert page.fields["idempotency_key"] == form.fields["idempotency_key"]
    assert (page.fields["amount"], page.fields["reference"]) == ("25", "Tea")
    assert books() == before
    assert send(browser, page).status_code == 303


# --- What is typed ----------------------------------------------------------------------------


def test_people_write_account_numbers_in_groups(reena, rahul):
    number = rahul.account.number

    paid(reena, rahul, to_account_number=f" {number[:4]} {number[4:8]}–{number[8:]}-")

    assert rahul.balance() == 302_500


def wrong_numbers():
    right = numbers.with_check_digits("1234567890")
    swapped = right[1] + right[0] + right[2:]
    check = (
        "A digit is wrong or two are swapped: the last two digits check the others, and they do "
        "not fit. Compare it with the number you were given."
    )
    return [
        ("", "Type the receiver's account number."),
        (swapped, check),
        (right[:-1] + "7", check),
        (right[:-1], "An account number has 12 digits; this one has 11."),
        (right + "0", "An account number has 12 digits; this one has 13."),
        ("Rahul", "An account number has digits only, such as 1234 5678 9092."),
        ("१२३४५६७८९०१२", "An account number has digits only, such as 1234 5678 9092."),
    ]


@pytest.mark.parametrize(("number", "explained"), wrong_numbers())
def test_a_wrong_number_is_explained(reena, books, number, explained):
    browser, before = reena.browser, books()
    form = visit(browser, "/send")

    page = Page(send(browser, form, to_account_number=number, amount="1"))

    assert (page.status, page.problems) == (400, [explained])
    assert page.fields["to_account_number"] == number
    assert page.fields["idempotency_key"] == form.fields["idempotency_key"]
    assert books() == before


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("25", 2_500),
        ("0.01", 1),
        (" 25.5 ", 2_550),
        ("1,250.50", 125_050),
        ("₹1,250.50", 125_050),
        ("₹ 1 250.50", 125_050),
        ("1\u00a0250.50", 125_050),
        ("INR 25", 2_500),
        ("25 INR", 2_500),
        ("4,999.99", 499_999),
    ],
)
def test_amounts_are_read_as_people_write_them(reena, rahul, text, minor):
    assert paid(reena, rahul, text).amount_minor == minor


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("12,34,567.50", "1234567.50"),
        ("1,234,567.50", "1234567.50"),
        ("1,5", "1,5"),
        ("1,25", "1,25"),
        ("12 50", "12 50"),
        ("1,250,5", "1,250,5"),
        ("1,250 500", "1,250 500"),
        ("1250,500", "1250,500"),
        ("1.250,50", "1.250,50"),
        (",250", ",250"),
        ("$25", "$25"),
    ],
)
def test_only_commas_and_spaces_between_groups_are_taken_away(text, tidy):
    assert tidy_amount(text, "INR") == tidy


DIGITS = "Write the amount in digits, such as 25 or 25.00."


@pytest.mark.parametrize(
    ("amount", "explained"),
    [
        ("", "Type how much to send."),
        ("0", "The amount must be above zero."),
        ("0.00", "The amount must be above zero."),
        ("1.001", "INR has 2 decimals."),
        ("1000000000000.01", "The amount is too large."),
        ("9" * 40, "The amount is too large."),
        *((text, DIGITS) for text in ("-5", "+5", "1e2", "1_000", "NaN", "1,5", "25.", ".5")),
        *((text, DIGITS) for text in ("२५", "２５", "0x10", "$25", "007", "25 rupees", "₹")),
    ],
)
def test_every_other_amount_is_refused(reena, rahul, books, amount, explained):
    before = books()

    page = Page(send(reena.browser, **typed(rahul, amount)))

    assert (page.status, page.problems) == (400, [explained])
    assert page.fields["amount"] == amount
    assert books() == before


def test_all_mistakes_are_told_at_once(reena, books):
    before = books()

    page = Page(
        send(
            reena.browser,
            from_account_id="?",
            to_account_number="1",
            amount="x",
            reference="é" * 141,
        )
    )

    assert page.problems == [
        "Choose the account to send from.",
        "An account number has 12 digits; this one has 1.",
        DIGITS,
        "A reference has at most 140 characters; this one has 141.",
    ]
    assert books() == before


@pytest.mark.parametrize("hidden", ["\u202e", "\x07", "\u2028"])
def test_a_reference_that_hides_characters_is_refused(reena, rahul, books, hidden):
    before = books()

    page = Page(send(reena.browser, **typed(rahul, "1"), reference=f"Tea{hidden}"))

    assert page.problems == ["A reference cannot hold invisible control characters."]
    assert books() == before


def test_a_reference_is_shown_as_text(reena, rahul):
    transfer = paid(reena, rahul, reference="<b>Tea</b> & cake")

    assert "Reference <b>Tea</b> & cake" in visit(rahul.browser, page_of(transfer)).text


@pytest.mark.parametrize("key", ["", "abc", "x" * 300])
def test_a_form_without_its_key_is_refused_and_gets_one(reena, rahul, books, key):
    browser, before = reena.browser, books()

    page = Page(send(browser, **typed(rahul, "1"), idempotency_key=key))

    assert page.problems == ["The form was incomplete. Check it and press the button again."]
    assert books() == before
    assert send(browser, page).status_code == 303


def test_dashes_and_spaces_of_all_kinds_are_taken_out_of_numbers():
    assert tidy_number("12‐34–56—78−90\u00a092\t") == "123456789092"


# --- What was received ------------------------------------------------------------------------


def test_the_receiver_sees_the_own_credit_and_not_the_senders_balance(reena, rahul):
    transfer = paid(reena, rahul)

    page = visit(rahul.browser, page_of(transfer))

    assert page.title == "Received ₹25.00 – SmartBank"
    assert f"From Reena •••• {reena.account.number[-4:]} To Savings" in page.text
    assert "Credited to you ₹25.00 Your balance afterwards ₹3,025.00" in page.text
    assert "₹4,975.00" not in page.text
    assert "Is this right?" in page.text


def test_the_receiver_confirms_and_the_sender_sees_it(reena, rahul, audited):
    transfer = paid(reena, rahul)

    response = answer(rahul, transfer, "₹25.00")

    assert (response.status_code, response["Location"]) == (303, page_of(transfer))
    page = visit(rahul.browser, page_of(transfer))
    assert re.search(r"You confirmed on .* IST that ₹25.00 arrived.", page.text)
    assert "Is this right?" not in page.text
    assert re.search(
        r"Rahul confirmed on .* IST that the money arrived.",
        visit(reena.browser, page_of(transfer)).text,
    )
    assert "Sent, confirmed" in visit(reena.browser, "/").text
    assert [row.actor_id for row in audited("receipt.confirmed")] == [rahul.user.pk]


@pytest.mark.parametrize(("amount", "shown"), [("20", "₹20.00"), ("0", "₹0.00")])
def test_the_receiver_disputes_and_the_sender_sees_it(reena, rahul, audited, amount, shown):
    transfer = paid(reena, rahul)

    answer(rahul, transfer, amount)

    assert (
        f"You told us that {shown} arrived. Bank staff will look into it."
        in visit(rahul.browser, page_of(transfer)).text
    )
    assert (
        "Rahul says that another amount arrived. Bank staff will look into it."
        in visit(reena.browser, page_of(transfer)).text
    )
    assert len(audited("receipt.disputed")) == 1


def test_the_same_answer_twice_is_one_answer(reena, rahul, books, audited):
    transfer = paid(reena, rahul)
    browser = rahul.browser
    page = visit(browser, page_of(transfer))
    submit(browser, f"{page_of(transfer)}/receipt", page)
    before = books()

    assert submit(browser, f"{page_of(transfer)}/receipt", page).status_code == 303
    assert books() == before
    assert len(audited("receipt.confirmed")) == 1


def test_another_answer_afterwards_is_refused(reena, rahul, books):
    transfer = paid(reena, rahul)
    browser = rahul.browser
    form = visit(browser, page_of(transfer))
    submit(browser, f"{page_of(transfer)}/receipt", form)
    before = books()

    page = Page(submit(browser, f"{page_of(transfer)}/receipt", form, received_amount="1"))

    assert page.status == 409
    assert page.problems == ["This receipt was already given with another amount."]
    assert "You confirmed on" in page.text
    assert books() == before


def test_an_answer_that_is_no_amount_is_refused(reena, rahul, books):
    transfer = paid(reena, rahul)
    before = books()

    page = Page(answer(rahul, transfer, "all of it"))

    assert (page.status, page.problems) == (400, [DIGITS])
    assert "Is this right?" in page.text
    assert books() == before


def test_the_sender_cannot_confirm(reena, rahul, books):
    transfer = paid(reena, rahul)
    before = books()
    assert "Is this right?" not in visit(reena.browser, page_of(transfer)).text

    response = answer(reena, transfer, "25.00")

    assert (response.status_code, Page(response).status) == (403, 403)
    assert books() == before


def test_money_between_own_accounts_is_shown_with_both_balances(reena, teller):
    other = operations.open_account(
        reena.customer,
        name="Household",
        currency="INR",
        daily_limit_minor=0,
        origin=teller.origin,
    )
    response = send(reena.browser, to_account_number=other.number, amount="25")

    page = visit(reena.browser, response["Location"])

    assert "₹25.00 to your account Household" in page.text
    assert "Your balance afterwards ₹4,975.00 in Savings" in page.text
    assert "Your balance afterwards ₹25.00 in Household" in page.text


def test_cash_from_the_counter_names_no_account_of_the_bank(reena):
    deposit = Transfer.objects.get(kind=Transfer.Kind.CASH, to_account=reena.account)

    page = visit(reena.browser, page_of(deposit))

    assert "₹5,000.00 from cash at the counter" in page.text
    assert deposit.from_account.number[-4:] not in page.text.replace(deposit.public_id, "")


# --- Who may see what -------------------------------------------------------------------------


def test_a_foreign_payment_looks_like_one_that_does_not_exist(reena, rahul, anita):
    transfer = paid(reena, rahul)
    browser = anita.browser

    foreign, unknown = (
        browser.get(path, headers={"X-Request-ID": "same"})
        for path in (page_of(transfer), f"/payments/{UNKNOWN}")
    )

    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.content == unknown.content


def test_nobody_else_can_confirm_a_payment(reena, rahul, anita, books):
    transfer = paid(reena, rahul)
    browser = anita.browser
    token = visit(browser, "/").fields["csrfmiddlewaretoken"]
    before = books()

    response = browser.post(
        f"{page_of(transfer)}/receipt",
        {"csrfmiddlewaretoken": token, "received_amount": "25.00"},
    )

    assert response.status_code == 404
    assert books() == before


@pytest.mark.parametrize("path", ["/", "/send", f"/payments/{UNKNOWN}"])
def test_strangers_sign_in_first(client, db, path):
    assert client.get(path)["Location"] == f"/login?next={path}"


@pytest.mark.parametrize("path", ["/", "/send", f"/payments/{UNKNOWN}"])
def test_staff_belong_into_the_back_office(teller, path):
    assert teller.browser.get(path)["Location"] == "/admin/"


def test_after_signing_in_on_the_way_the_receipt_leads_to_its_payment(reena, rahul):
    transfer = paid(reena, rahul)

    response = rahul.browser.get(f"{page_of(transfer)}/receipt")

    assert (response.status_code, response["Location"]) == (302, page_of(transfer))


@pytest.mark.parametrize("path", ["/send", f"/payments/{UNKNOWN}/receipt"])
def test_a_form_of_another_site_does_nothing(reena, rahul, books, path):
    before = books()

    response = reena.browser.post(path, typed(rahul, "25.00", received_amount="25.00"))

    assert Page(response).title == "Error: You may not do this – SmartBank"
    assert response.status_code == 403
    assert books() == before


# --- Every page -------------------------------------------------------------------------------


def test_no_page_has_script_or_style_in_it_or_anything_from_elsewhere(reena, rahul, client):
    sent, received = paid(reena, rahul), paid(rahul, reena)
    browser = reena.browser
    refused = send(browser, **typed(rahul, "6000"))
    pages = [browser.get(path) for path in ("/", "/send", page_of(sent), page_of(received))]
    pages += [refused, client.get("/login"), browser.get(f"/payments/{UNKNOWN}")]

    for html in (page.content.decode() for page in pages):
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", html))
        assert not re.search(r"""(?:src|href|action)=["']?(?:https?:)?//""", html)
        assert '<html lang="en">' in html


def test_pages_are_never_kept_by_a_cache(reena):
    assert reena.browser.get("/send")["Cache-Control"] == "no-store"


def test_a_lost_browser_gets_a_page(client, db):
    page = Page(client.get("/nowhere", headers={"Accept": "text/html"}))

    assert (page.status, page.title) == (404, "Error: There is no such page – SmartBank")
    assert page.links[-1] == "/"


def test_a_wrong_method_gets_a_page(reena):
    page = Page(reena.browser.options("/send"))

    assert (page.status, page.title) == (
        405,
        "Error: This page cannot be opened this way – SmartBank",
    )


def test_without_the_database_there_is_still_a_page(reena, monkeypatch):
    browser = reena.browser

    def away(self):
        raise OperationalError(2002, "Can't connect")

    monkeypatch.setattr(SessionStore, "load", away)
    page = Page(browser.get("/"))

    assert (page.status, page.title) == (503, "Error: The bank is busy – SmartBank")
    assert "reloading repeats that same payment and never makes a second one" in page.text


@pytest.mark.parametrize(
    ("status", "heading"),
    [
        (400, "We could not read that"),
        (413, "That was too large"),
        (500, "Something went wrong"),
    ],
)
def test_error_pages_say_what_they_are_in_plain_words(rf, status, heading):
    response = render(rf.get("/"), "error.html", {"status": status}, status=status)

    assert Page(response).title == f"Error: {heading} – SmartBank"


def test_a_payment_is_shown_in_the_banks_time_and_not_the_servers(reena, rahul, settings):
    transfer = paid(reena, rahul)
    Transfer.objects.filter(pk=transfer.pk).update(
        created_at=dt.datetime(2026, 1, 31, 20, 30, 15, tzinfo=dt.UTC)
    )

    page = visit(reena.browser, page_of(transfer))

    assert "When 1 February 2026, 02:00:15 IST" in page.text
