"""Sending money in a real browser: with the script and without, twice, back, in two tabs."""

import re

import pytest
from django.core.management import call_command

from transfers.models import Transfer

WITH_SCRIPT = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


@pytest.fixture(autouse=True)
def the_books_are_right_afterwards(db):
    yield
    call_command("reconcile")


def fill_in(page, receiver, amount="250", name="Rahul"):
    page.goto("/send")
    page.get_by_label("Account number").fill(receiver.account.number)
    page.get_by_label("Name on the account").fill(name)
    page.get_by_label("Amount").fill(amount)
    page.get_by_label("Reference").fill("Dinner")


def check(page, receiver, **typed):
    fill_in(page, receiver, **typed)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", name="Check before you send").wait_for()


def payments() -> int:
    return Transfer.objects.filter(kind=Transfer.Kind.PAYMENT).count()


@WITH_SCRIPT
def test_money_is_sent_in_two_steps_and_its_receipt_can_be_opened_again(
    reena, rahul, open_browser, script
):
    page = open_browser(reena, java_script_enabled=script)
    check(page, rahul)
    assert payments() == 0

    page.get_by_role("button", name="Send ₹250.00 to Rahul").click()

    page.get_by_role("heading", name="₹250.00 to Rahul").wait_for()
    receipt = page.url
    page.goto("/")
    page.goto(receipt)
    assert page.get_by_text("The money is in the receiver's account.").is_visible()
    assert (payments(), rahul.balance()) == (1, 325_000)


@WITH_SCRIPT
def test_a_refusal_says_what_helps_and_keeps_what_was_typed(reena, rahul, open_browser, script):
    page = open_browser(reena, java_script_enabled=script)
    fill_in(page, rahul, amount="6,000")
    page.get_by_role("button", name="Continue").click()

    problem = page.get_by_role("alert")
    problem.get_by_role("link", name="You can send up to ₹5,000.00 now.").click()

    assert page.evaluate("document.activeElement.name") == "amount" if script else True
    assert page.get_by_label("Amount").input_value() == "6,000"
    assert page.get_by_label("Reference").input_value() == "Dinner"
    assert page.title().startswith("Error: ")
    assert (payments(), reena.balance()) == (0, 500_000)


@WITH_SCRIPT
def test_a_double_click_pays_once(reena, rahul, open_browser, script):
    page = open_browser(reena, java_script_enabled=script)
    check(page, rahul)

    page.get_by_role("button", name="Send ₹250.00 to Rahul").dblclick()

    page.get_by_role("heading", name="₹250.00 to Rahul").wait_for()
    assert (payments(), rahul.balance()) == (1, 325_000)


@WITH_SCRIPT
def test_going_back_and_reloading_pays_once(reena, rahul, open_browser, script):
    page = open_browser(reena, java_script_enabled=script)
    check(page, rahul)
    page.get_by_role("button", name="Send ₹250.00 to Rahul").click()
    page.wait_for_url(re.compile("/payments/"))
    receipt = page.url
    page.reload()
    page.go_back()  # the check is asked for once more, and knows that it was sent
    page.wait_for_url(receipt)
    page.reload()
    page.go_back()
    page.get_by_role("heading", name="Send money").wait_for()

    assert (payments(), rahul.balance()) == (1, 325_000)


def test_two_tabs_are_two_payments_and_each_pays_once(reena, rahul, open_browser):
    first = open_browser(reena)
    second = first.context.new_page()
    for page in (first, second):
        check(page, rahul)
    for page in (first, second):
        page.get_by_role("button", name="Send ₹250.00 to Rahul").click()
        page.wait_for_url(re.compile("/payments/"))

    assert first.url != second.url
    assert (payments(), rahul.balance()) == (2, 350_000)


def test_money_is_sent_with_the_keyboard_alone(reena, rahul, open_browser):
    page = open_browser(reena)
    page.goto("/send")
    for name, text in (
        ("to_account_number", rahul.account.number),
        ("payee_name", "Rahul"),
        ("amount", "250"),
    ):
        press_until(page, "Tab", f"document.activeElement.name === '{name}'")
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Check before you send").wait_for()
    press_until(page, "Tab", "document.activeElement.textContent.startsWith('Send ₹250.00')")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    page.keyboard.press("Enter")

    page.wait_for_url(re.compile("/payments/"))
    assert outline == "solid"
    assert (payments(), rahul.balance()) == (1, 325_000)


def press_until(page, key: str, condition: str) -> None:
    """Press a key until the script `condition` is true. Fails after forty times."""
    for _ in range(40):
        page.keyboard.press(key)
        if page.evaluate(condition):
            return
    raise AssertionError(condition)


def test_what_would_be_left_is_shown_while_typing(reena, rahul, open_browser):
    page = open_browser(reena)
    fill_in(page, rahul, amount="1,250.50")

    page.get_by_text("Afterwards: ₹3,749.50 in the account, ₹8,749.50 of today’s limit.").wait_for()
    assert payments() == 0


def test_without_an_answer_the_same_button_pays_once(reena, rahul, open_browser):
    page = open_browser(reena)
    check(page, rahul)
    lost = []

    def lose_the_answer(route):
        lost.append(route.fetch().status)
        route.fulfill(status=503, body="{}")

    page.route("**/transfers", lose_the_answer, times=1)
    send = page.get_by_role("button", name="Send ₹250.00 to Rahul")
    send.click()
    page.get_by_text("We do not know yet whether this payment went through.").wait_for()
    send.click()

    page.wait_for_url(re.compile("/payments/"))
    assert lost == [201]
    assert (payments(), rahul.balance()) == (1, 325_000)
