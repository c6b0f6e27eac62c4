"""A mail to each customer whose money has moved: written down with the transfer, in its own
transaction, and sent by `manage.py dispatch`.

So there is a notice exactly if the money moved, whatever becomes of the process that moved it. It
is gone once the mail server has taken it; if a dispatcher dies just then, the same mail goes out
again under the same Message-ID.
"""

import datetime as dt
import logging
from functools import partial
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts import money, rows, transactions
from accounts.models import Account
from accounts.templatetags.bank import masked, moment
from transfers import claims
from transfers.models import LedgerEntry, Notice, Transfer

logger = logging.getLogger("smartbank.mail")

CLAIM_SECONDS = 4 * settings.EMAIL_TIMEOUT  # connecting, greeting, signing in, sending

# After which pause it is tried again: for a day, then it is given up.
PAUSES = [dt.timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, *[360] * 4)]


def write(entries: list[LedgerEntry], now: dt.datetime) -> None:
    """Write a notice for each entry of a customer's, in the transaction that is open.

    Does nothing unless notices are switched on (setting MAIL_NOTICES).
    """
    if settings.MAIL_NOTICES:
        theirs = [one for one in entries if one.account.kind == Account.Kind.CUSTOMER]
        rows.insert(
            [
                Notice(transfer=one.transfer, account=one.account, next_attempt_at=now)
                for one in theirs
            ]
        )


def send_next() -> bool:
    """Send one notice that is due; return False if there is none.

    Raises transactions.Busy if the database is away; then it is sent again later.
    """
    notice = transactions.run(_claim)
    if notice is None:
        return False
    transactions.run(partial(_note, notice, _send(notice)))
    return True


def _claim() -> Notice | None:
    waiting = Notice.objects.all()
    if found := claims.claim(waiting, waiting, CLAIM_SECONDS):
        account = Account.objects.select_related("customer__user").get(pk=found.account_id)
        found.account, found.transfer = account, Transfer.objects.get(pk=found.transfer_id)
    return found


def _send(notice: Notice) -> bool:
    """Send the mail, if its receiver has an address; return whether that is done."""
    user = notice.account.customer.user
    if not (user.email and user.is_active):
        return True
    try:
        with translation.override(notice.account.customer.language):
            _mail(notice, user.email).send()
    except (OSError, SMTPException, ValueError) as error:
        logger.error("a mail was not sent", exc_info=error)
        return False
    return True


def _note(notice: Notice, is_done: bool) -> None:
    found = Notice.objects.filter(pk=notice.pk)
    if is_done:
        found.delete()
    elif notice.attempts > len(PAUSES):
        logger.error("a mail about transfer %s was given up", notice.transfer.public_id)
        found.delete()
    else:
        found.update(next_attempt_at=timezone.now() + PAUSES[notice.attempts - 1])


def _mail(notice: Notice, address: str) -> EmailMessage:
    """Return the mail. It names no balance and no other side: mail is read by others."""
    transfer, account = notice.transfer, notice.account
    amount = money.display(transfer.amount_minor, transfer.currency)
    if transfer.from_account_id == account.pk:
        subject = _("{bank}: {amount} sent")
        told = _("{amount} left your account {account} on {when}.")
    else:
        subject = _("{bank}: {amount} received")
        told = _("{amount} came to your account {account} on {when}.")
    facts = {"amount": amount, "account": masked(account.number), "bank": settings.BANK_NAME}
    told = told.format(when=moment(transfer.completed_at), **facts)
    paragraphs = [
        _("Hello {name},").format(name=account.customer.name),
        told,
        _("Payment number: {number}").format(number=transfer.public_id),
        _("If you did not expect this, tell us at once: {contact}.").format(
            contact=settings.BANK_CONTACT
        ),
        _("{bank} never asks for your password by phone or e-mail.").format(**facts),
    ]
    message_id = f"<{transfer.public_id}.{account.public_id}@smartbank>"
    return EmailMessage(
        subject.format(**facts),
        "\n\n".join(paragraphs) + "\n",
        to=[address],
        headers={"Message-ID": message_id},
    )
