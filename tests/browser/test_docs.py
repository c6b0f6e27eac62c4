"""The page /docs in a real browser: the first transfer is made from it."""

import json

from conftest import PASSWORD


def fill_in(page, operation: str, *, path=None, headers=None, body=None) -> dict:
    """Try an operation on the page and return the JSON that it shows as the answer."""
    block = page.locator(f"#{operation}")
    block.locator("button.opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    for name, value in {**(path or {}), **(headers or {})}.items():
        block.locator(f"tr[data-param-name='{name}'] input").fill(value)
    if body is not None:
        block.locator("textarea.body-param__text").fill(json.dumps(body))
    block.get_by_role("button", name="Execute").click()
    shown = block.locator(".live-responses-table .response-col_description pre").first
    shown.wait_for()
    return json.loads(shown.inner_text())


def test_the_first_transfer_is_made_from_the_page(reena, rahul, open_browser):
    page = open_browser()
    page.goto("/docs")
    made = fill_in(
        page,
        "operations-Who_is_calling-createToken",
        body={"username": "reena", "password": PASSWORD},
    )
    page.get_by_role("button", name="Authorize").first.click()
    page.get_by_label("auth-bearer-value").fill(made["token"])
    page.locator(".modal-ux").get_by_role("button", name="Apply credentials").first.click()
    page.locator(".modal-ux").get_by_role("button", name="Close").first.click()

    order = {
        "from_account_id": reena.account.public_id,
        "to_account_number": rahul.account.number,
        "amount": "25.00",
    }
    transfer = fill_in(
        page,
        "operations-Transfers-createTransfer",
        headers={"Idempotency-Key": "first-transfer"},
        body=order,
    )

    assert (transfer["status"], transfer["amount"]) == ("COMPLETED", "25.00")
    assert (reena.balance(), rahul.balance()) == (497_500, 302_500)
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
