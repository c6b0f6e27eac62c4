"""Sending money in two steps: what the check says, whom it names, and that nothing moves before."""

import pytest

from accounts import operations
from accounts.tests.browsing import Page, submit, visit
from transfers import cash, payees
from transfers.models import Payee, Transfer


def check(browser, receiver, *, page=None, **typed):
    """Fill in the form, press Continue and return the page that one comes to."""
    fields = {"to_account_number": receiver.account.number, "amount": "250", **typed}
    response = submit(browser, "/send/check", page or visit(browser, "/send"), **fields)
    return visit(browser, response["Location"]) if response.status_code == 303 else Page(response)


def confirm(browser, page, **ticked):
    """Press the button of the check page as it is."""
    return submit(browser, "/send", page, **ticked)


def test_the_first_step_shows_all_of_it_and_moves_nothing(reena, rahul, books):
    before = books()

    page = check(reena.browser, rahul, payee_name="rahul", reference="Dinner")

    number = rahul.account.number
    assert (page.status, page.title) == (200, "Check before you send – SmartBank")
    assert f"To Rahul {number[:4]} {number[4:8]} {number[8:]}" in page.text
    assert f"From Savings •••• {reena.account.number[-4:]}" in page.text
    assert "Reference Dinner" in page.text
    assert "₹4,750.00 in the account, ₹9,750.00 of today’s limit" in page.text
    assert "Send ₹250.00 to Rahul" in page.text
    assert books() == before


def test_the_second_step_pays_what_the_first_one_showed(reena, rahul):
    browser = reena.browser
    page = check(browser, rahul, payee_name="Rahul", amount="₹ 1,250.50", reference="Rent")

    response = confirm(browser, page)

    transfer = Transfer.objects.get(public_id=response["Location"].removeprefix("/payments/"))
    assert (transfer.amount_minor, transfer.reference) == (125_050, "Rent")
    assert confirm(browser, page)["Location"] == response["Location"]
    assert rahul.balance() == 425_050


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("Rahul", "The name is right. The account belongs to Rahul."),
        (
            "Rahull",
            "The name is not quite the one you typed. You typed Rahull; the account belongs to "
            "Rahul. Send only if that is whom you mean.",
        ),
        ("Anita", "The name is wrong. This account does not belong to Anita."),
        ("राहुल", "We could not check the name."),
    ],
)
def test_the_payees_name_is_compared_and_said_aloud(reena, rahul, typed, said):
    assert said in check(reena.browser, rahul, payee_name=typed).text


@pytest.mark.parametrize("typed", ["Anita", "राहुल"])
def test_who_is_not_sure_of_the_name_has_to_say_so_and_is_not_told_it(reena, rahul, books, typed):
    browser, before = reena.browser, books()
    page = check(browser, rahul, payee_name=typed)
    assert "Rahul" not in page.text
    assert f"Send ₹250.00 to account •••• {rahul.account.number[-4:]}" in page.text
    page.fields.pop("confirmed")  # the box is there, and not ticked

    again = Page(confirm(browser, page))

    assert (again.status, again.problems) == (
        400,
        ["Tick the box if you are sure that this is the right account."],
    )
    assert books() == before
    again.fields.pop("remember")
    assert confirm(browser, again, confirmed="1").status_code == 303


def test_names_are_not_tried_without_end_by_pressing_send(reena, rahul, settings, books):
    settings.NAME_CHECKS_PER_DAY = 3
    browser, before = reena.browser, books()
    page = check(browser, rahul, payee_name="Anita")
    page.fields.pop("confirmed")
    tried = [Page(confirm(browser, page, payee_name=name)) for name in ("Asha", "Rahul", "Ravi")]
    assert [one.status for one in tried] == [400, 400, 429]
    assert "Rahul" in tried[1].text
    assert "Try again in" in tried[2].problems[0]
    assert books() == before


def test_a_name_has_to_be_typed_for_somebody_new(reena, rahul, books):
    before = books()

    page = check(reena.browser, rahul)

    assert (page.status, page.problems) == (
        400,
        ["Type the name of the person or firm that you pay."],
    )
    assert books() == before


WARNING = "You pay this account for the first time."


def test_the_warning_about_fraud_comes_once_for_each_payee(reena, rahul):
    browser = reena.browser
    first = check(browser, rahul, payee_name="Rahul")
    assert WARNING in first.text
    confirm(browser, first)

    second = check(browser, rahul)

    assert WARNING not in second.text
    assert "The account belongs to Rahul." in second.text


def test_a_known_payee_under_another_name_takes_a_tick_like_a_stranger(reena, rahul, books):
    reena.send(rahul, "1")
    browser, before = reena.browser, books()

    page = check(browser, rahul, payee_name="Anita Rao")

    assert "The name is wrong. This account does not belong to Anita Rao." in page.text
    assert "The account belongs to Rahul." in page.text
    page.fields.pop("confirmed")  # the box is there, and not ticked
    assert confirm(browser, page).status_code == 400
    assert books() == before


@pytest.mark.parametrize("typed", ["Rahull", "राहुल", ""])
def test_a_known_payee_whose_name_is_not_wrong_takes_no_tick(reena, rahul, typed):
    reena.send(rahul, "1")

    assert "confirmed" not in check(reena.browser, rahul, payee_name=typed).fields


@pytest.mark.parametrize(
    ("amount", "status", "problem"),
    [
        (
            "6000",
            402,
            "There is not enough money in the account: ₹500.00 is available. "
            "You can send up to ₹100.00 now.",
        ),
        ("1.001", 400, "INR has 2 decimals."),
    ],
)
def test_what_cannot_be_sent_is_told_at_the_first_step(
    meera, rahul, books, amount, status, problem
):
    before = books()

    page = check(meera.browser, rahul, payee_name="Rahul", amount=amount, reference="Car")

    assert (page.status, page.problems) == (status, [problem])
    assert "#id_amount" in page.links
    kept = {"amount": amount, "payee_name": "Rahul", "reference": "Car"}
    assert page.fields.items() >= kept.items()
    assert books() == before


def test_change_leads_back_to_the_form_with_all_that_was_typed(reena, rahul):
    browser = reena.browser
    page = check(browser, rahul, payee_name="Rahul", reference="Dinner")

    form = visit(browser, next(link for link in page.links if link.startswith("/send?draft=")))

    typed = {"to_account_number": rahul.account.number, "payee_name": "Rahul", "amount": "250"}
    assert (form.status, form.title, form.problems) == (200, "Send money – SmartBank", [])
    assert form.fields.items() >= (typed | {"reference": "Dinner"}).items()


def test_a_check_that_was_sent_leads_to_what_became_of_it(reena, rahul):
    browser = reena.browser
    form = visit(browser, "/send")
    fields = {"to_account_number": rahul.account.number, "amount": "1", "payee_name": "Rahul"}
    address = submit(browser, "/send/check", form, **fields)["Location"]
    sent = confirm(browser, visit(browser, address))["Location"]

    assert browser.get(address)["Location"] == sent
    assert browser.get("/send/check?draft=nonsense")["Location"] == "/send"


def test_a_payment_can_be_sent_again_with_its_details_and_a_new_key(reena, rahul):
    sent = reena.send(rahul, "12.50", reference="Tea").json()["id"]

    form = visit(reena.browser, f"/send?again={sent}")

    typed = {"to_account_number": rahul.account.number, "payee_name": "Rahul", "amount": "12.50"}
    assert form.fields.items() >= (typed | {"reference": "Tea"}).items()


def test_a_withdrawal_that_was_refused_tells_no_number_of_the_bank(reena, teller):
    cash.withdraw(reena.account, 600_000, reference="", key="k", origin=teller.origin)
    refused = Transfer.objects.get(kind="CASH", status="REJECTED").public_id

    assert reena.browser.get(f"/send?again={refused}").status_code == 404


@pytest.mark.parametrize("query", ["again=nonsense", "to=nonsense", "to=", "again="])
def test_an_address_that_names_nothing_opens_an_empty_form(reena, query):
    form = visit(reena.browser, f"/send?{query}")
    assert (form.status, form.fields["to_account_number"]) == (200, "")


def test_nobodys_else_payment_or_account_fills_the_form(reena, rahul, anita):
    sent = reena.send(rahul, "12.50", reference="Tea").json()["id"]

    assert anita.browser.get(f"/send?again={sent}").status_code == 404
    assert rahul.browser.get(f"/send?again={sent}").status_code == 404
    form = visit(anita.browser, f"/send?to={rahul.account.public_id}")
    assert (form.fields["to_account_number"], form.fields["payee_name"]) == ("", "")


def test_quotes_on_the_page_are_counted_as_the_apis_are(reena, rahul, settings):
    settings.QUOTES_PER_MINUTE = 1
    browser = reena.browser
    check(browser, rahul, payee_name="Rahul")

    page = check(browser, rahul, payee_name="Rahul")

    assert (page.status, page.problems) == (429, ["Too many attempts. Try again in 1 minute."])
    assert page.fields["payee_name"] == "Rahul"


# --- Payees -----------------------------------------------------------------------------------


def test_a_payee_is_saved_with_the_payment_and_found_on_the_form(reena, rahul):
    browser = reena.browser
    confirm(browser, check(browser, rahul, payee_name="Rahul"), remember="on")

    form = visit(browser, "/send")

    link = f"/send?to={rahul.account.public_id}"
    assert f"Saved payees Rahul •••• {rahul.account.number[-4:]}" in form.text
    assert link in form.links
    assert visit(browser, link).fields["to_account_number"] == rahul.account.number
    assert "Save as a payee" not in check(browser, rahul).text


def test_who_is_not_to_be_saved_is_still_among_those_paid_lately(reena, rahul, anita):
    reena.send(rahul, "1")
    reena.send(anita, "1")
    reena.send(rahul, "1")
    anita.send(reena, "1")

    text = visit(reena.browser, "/send").text

    assert Payee.objects.count() == 0
    assert text.index("Paid lately Rahul ••••") < text.index("Anita ••••")


def test_a_payee_is_taken_off_the_list_and_only_by_its_owner(reena, rahul, anita):
    payees.remember(reena.customer, rahul.account)
    path = f"/payees/{Payee.objects.get().public_id}/forget"
    other = anita.browser
    assert submit(other, path, visit(other, "/payees")).status_code == 404
    assert Payee.objects.count() == 1

    browser = reena.browser
    assert submit(browser, path, visit(browser, "/payees")).status_code == 302
    assert "You have saved nobody yet." in visit(browser, "/payees").text


def test_money_to_an_own_account_needs_no_name_and_no_warning(reena, teller):
    operations.open_account(
        reena.customer, name="Travel", currency="INR", daily_limit_minor=0, origin=teller.origin
    )
    travel = reena.customer.accounts.get(name="Travel")
    browser = reena.browser
    fields = {"to_account_number": travel.number, "amount": "1"}

    response = submit(browser, "/send/check", visit(browser, "/send"), **fields)
    page = visit(browser, response["Location"])

    assert page.status == 200
    assert WARNING not in page.text
    assert "Save as a payee" not in page.text
