"""A mail to either side when money has moved: told after the commit, and never in its way."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import translation

from accounts import mail, money
from accounts.templatetags.bank import masked, moment
from transfers.models import Transfer


def tell(transfer: Transfer) -> None:
    """Tell both customers of a completed transfer, as far as they have an address.

    Does nothing unless notices are switched on (setting MAIL_NOTICES).
    """
    if not settings.MAIL_NOTICES or transfer.status != Transfer.Status.COMPLETED:
        return
    ends = {"out": transfer.from_account, "in": transfer.to_account}
    customers = {account.customer_id for account in ends.values()} - {None}
    users = get_user_model().objects.filter(customer__in=customers).exclude(email="")
    people = {
        customer: (email, name)
        for customer, email, name in users.values_list("customer", "email", "customer__name")
    }
    for direction, account in ends.items():
        if account.customer_id in people:
            email, name = people[account.customer_id]
            with translation.override(settings.LANGUAGE_CODE):
                mail.send(email, *_message(transfer, direction, account, name))


def _message(transfer: Transfer, direction: str, account, name: str) -> tuple[str, str]:
    """Return subject and body, in the bank's language: what a customer reads is not known here.

    They name no balance and no other side: mail is read by others.
    """
    amount = money.display(transfer.amount_minor, transfer.currency)
    done, verb = ("sent", "left") if direction == "out" else ("received", "came to")
    return (
        f"{settings.BANK_NAME}: {amount} {done}",
        f"Hello {name},\n\n"
        f"{amount} {verb} your account {masked(account.number)} on {moment(transfer.created_at)}.\n"
        f"Payment number: {transfer.public_id}\n\n"
        f"If you did not expect this, tell us at once: {settings.BANK_CONTACT}. "
        f"{settings.BANK_NAME} never asks for your password by phone or e-mail.\n",
    )
