"""What a page says of a refusal: why, and what the customer can do now.

The API's words are in `wording` and never change, so that a replay is the first answer again.
These are for people: in their language, with the numbers of this moment.
"""

from django.conf import settings
from django.utils.translation import gettext as _

from accounts import money
from accounts.templatetags.bank import moment
from accounts.today import AccountToday
from transfers.models import Transfer
from transfers.orders import Refusal, refusal_of


def advice(refusal: Refusal, today: AccountToday | None) -> str:
    """Return why a payment was refused just now and how it could be sent; `today` is the account
    that it was to leave, if it is the customer's."""
    code, details = refusal.code, refusal.details
    if code == "account_not_found" and details["field"] == "from_account_id":
        return _("Choose one of your own accounts.")
    if code == "account_not_found":
        return _("There is no such account. Compare the number with the one you were given.")
    if code == "same_account":
        return _("From and to are the same account.")
    if code == "currency_mismatch":
        return _("This account is kept in another currency, so it cannot receive this payment.")
    if code == "account_not_active" and details["side"] == "to":
        return _("The account you send to cannot receive money now. Ask the person you pay.")
    if code == "account_not_active":
        return _("Your account is frozen, so no money can leave it. Ask us why: {contact}.").format(
            contact=settings.BANK_CONTACT
        )
    return _numbers(code, today)


def _numbers(code: str, today: AccountToday) -> str:
    def amount(minor: int) -> str:
        return money.display(minor, today.account.currency)

    if code == "insufficient_funds":
        return _(
            "There is not enough money in the account: {available} is available. "
            "You can send up to {sendable} now."
        ).format(
            available=amount(today.account.available_minor), sendable=amount(today.sendable_minor)
        )
    return _(
        "This is over the daily limit of {limit}: you have sent {used} today, {left} is left. "
        "It starts anew on {when}."
    ).format(
        limit=amount(today.account.daily_limit_minor),
        used=amount(today.used_minor),
        left=amount(today.left_minor),
        when=moment(today.resets_at),
    )


def reason(transfer: Transfer) -> str:
    """Return why a recorded payment was refused, as it was then; nothing if it was not."""
    refusal = refusal_of(transfer)
    if refusal is None:
        return ""
    details = refusal.details

    def amount(name: str) -> str:
        return money.display(details[name], transfer.currency)

    if refusal.code == "insufficient_funds":
        return _("Not enough money in the account: {available} was available.").format(
            available=amount("available_minor")
        )
    if refusal.code == "daily_limit_exceeded":
        return _("Over the daily limit of {limit}: {left} of it was left that day.").format(
            limit=amount("limit_minor"), left=amount("remaining_minor")
        )
    if details.get("side") == "to":
        return _("The account of the receiver was not active.")
    return _("Your account was not active.")
