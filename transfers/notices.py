"""A mail to each customer whose money has moved: written down with the transfer, in its own
transaction, and sent by `manage.py dispatch`.

So there is a notice exactly if the money moved, whatever becomes of the process that moved it. It
is gone once the mail server has taken it; if a dispatcher dies just then, the same mail goes out
again under the same Message-ID.
"""

import datetime as dt
import logging
from functools import partial

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts import money, rows, transactions
from accounts.models import Account
from accounts.numbers import masked
from accounts.templatetags.bank import moment
from transfers import claims
from transfers.models import LedgerEntry, Notice, Transfer

logger = logging.getLogger("smartbank.mail")

MOST_IN_A_MAIL = 500
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
    """Send what is due for one account, in one mail; return False if nothing is.

    Raises transactions.Busy if the database is away; then it is sent again later.
    """
    notices = transactions.run(_claim)
    if notices:
        transactions.run(partial(_note, notices, _send(notices)))
    return bool(notices)


def _claim() -> list[Notice]:
    """Claim the oldest notice that is due and those that wait beside it: whoever pays five hundred
    at once gets one mail."""
    waiting = Notice.objects.all()
    first = claims.claim(waiting, waiting, CLAIM_SECONDS)
    if first is None:
        return []
    beside = waiting.filter(account=first.account_id, next_attempt_at__lte=timezone.now())
    others = list(beside.select_for_update(skip_locked=True).order_by("pk")[: MOST_IN_A_MAIL - 1])
    claims.take(others, CLAIM_SECONDS)
    notices = sorted([first, *others], key=lambda one: one.pk)
    account = Account.objects.select_related("customer__user").get(pk=first.account_id)
    transfers = Transfer.objects.in_bulk([one.transfer_id for one in notices])
    for one in notices:
        one.account, one.transfer = account, transfers[one.transfer_id]
    return notices


def _send(notices: list[Notice]) -> bool:
    """Send the mail, if its receiver has an address; return whether that is done."""
    customer = notices[0].account.customer
    if not (customer.user.email and customer.user.is_active):
        return True
    try:
        with translation.override(customer.language):
            _mail(notices).send()
    except Exception:  # whatever it is: one mail must not end all others
        logger.exception("a mail was not sent")
        return False
    return True


def _note(notices: list[Notice], is_done: bool) -> None:
    now = timezone.now()
    for one in notices:
        found = Notice.objects.filter(pk=one.pk)
        if is_done:
            found.delete()
        elif one.attempts > len(PAUSES):
            logger.error("a mail about transfer %s was given up", one.transfer.public_id)
            found.delete()
        else:
            found.update(next_attempt_at=now + PAUSES[one.attempts - 1])


def _mail(notices: list[Notice]) -> EmailMessage:
    """Return the mail. It names no balance and no other side: mail is read by others."""
    first, last, account = notices[0], notices[-1], notices[0].account
    if len(notices) > 1:
        subject = _("{bank}: {count} movements in your account")
    elif _is_out(first):
        subject = _("{bank}: {amount} sent")
    else:
        subject = _("{bank}: {amount} received")
    paragraphs = [
        _("Hello {name},").format(name=account.customer.name),
        *map(_told, notices),
        _("If you did not expect this, tell us at once: {contact}.").format(
            contact=settings.BANK_CONTACT
        ),
        _("{bank} never asks for your password by phone or e-mail.").format(
            bank=settings.BANK_NAME
        ),
    ]
    names = f"{first.transfer.public_id}.{last.transfer.public_id}.{account.public_id}"
    return EmailMessage(
        subject.format(bank=settings.BANK_NAME, count=len(notices), amount=_amount(first)),
        "\n\n".join(paragraphs) + "\n",
        to=[account.customer.user.email],
        headers={"Message-ID": f"<{names}@smartbank>"},
    )


def _told(notice: Notice) -> str:
    if _is_out(notice):
        told = _("{amount} left your account {account} on {when}.")
    else:
        told = _("{amount} came to your account {account} on {when}.")
    told = told.format(
        amount=_amount(notice),
        account=masked(notice.account.number),
        when=moment(notice.transfer.completed_at),
    )
    number = _("Payment number: {number}").format(number=notice.transfer.public_id)
    return f"{told}\n{number}"


def _is_out(notice: Notice) -> bool:
    return notice.transfer.from_account_id == notice.account.pk


def _amount(notice: Notice) -> str:
    return money.display(notice.transfer.amount_minor, notice.transfer.currency)
