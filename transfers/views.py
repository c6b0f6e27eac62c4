"""The customer's pages: what I have, send money, what became of it, what I received.

A page calls the same operation as the API and puts its outcome into words; it knows no rule about
money. Everything works without JavaScript; with it, static/smartbank/send.js asks the API.
"""

import logging
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts import bank_day
from accounts.models import Account, AccountDailyUsage, Customer
from accounts.transactions import Busy
from accounts.views import for_customers
from audit.operations import Origin
from transfers import payments, receipts
from transfers.forms import PaymentForm, ReceiptForm
from transfers.models import LedgerEntry, Transfer
from transfers.orders import Outcome, Refusal
from transfers.sides import Side
from transfers.wording import explain

logger = logging.getLogger("smartbank")

RECENT = 20
NOT_KNOWN_YET = (
    "We do not know yet whether this payment went through. Press the button again, changing "
    "nothing: you will not pay twice."
)
FORM_ALREADY_USED = (
    "This form was already used for another payment, so nothing was sent now. Look at your recent "
    "movements first. If you want to send this payment as well, press the button again."
)


# --- What I have ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AccountToday:
    """An account, and what may still be sent from it on this bank day."""

    account: Account
    left_minor: int


def _accounts_today(customer: Customer) -> tuple[list[AccountToday], object]:
    """Return the customer's accounts as they are today, and the moment when the limits reset."""
    today = bank_day.of(timezone.now())
    accounts = [
        AccountToday(
            account,
            max(0, account.daily_limit_minor - AccountDailyUsage.used_on(account, today)),
        )
        for account in customer.accounts.order_by("pk")
    ]
    return accounts, bank_day.end(today)


@for_customers
@require_safe
def home(request):
    """Show the accounts, what waits to be confirmed and what happened lately."""
    customer = Customer.of(request.user)
    accounts, resets_at = _accounts_today(customer)
    mine = [one.account for one in accounts]
    visible = Transfer.objects.visible_to(request.user).with_parties().order_by("-pk")
    # Two short index scans; asked for both directions at once, the database reads the whole table.
    sent = visible.filter(from_account__in=mine)[:RECENT]
    received = visible.filter(to_account__in=mine)
    recent = {one.pk: one for one in [*sent, *received[:RECENT]]}
    to_confirm = received.filter(
        kind=Transfer.Kind.PAYMENT,  # cash was counted at the counter
        status=Transfer.Status.COMPLETED,
        receipt_status=Transfer.Receipt.UNCONFIRMED,
    )
    return render(
        request,
        "home.html",
        {
            "accounts": accounts,
            "resets_at": resets_at,
            "to_confirm": [Side(one, customer) for one in to_confirm[:RECENT]],
            "recent": [Side(recent[pk], customer) for pk in sorted(recent, reverse=True)[:RECENT]],
        },
    )


# --- Send money -------------------------------------------------------------------------------


@for_customers
@require_http_methods(["GET", "HEAD", "POST"])
def send(request):
    """Show the form, and carry out what it asks for; the same form twice pays once."""
    accounts, resets_at = _accounts_today(Customer.of(request.user))

    def page(form: PaymentForm, status: int = 200, **context) -> HttpResponse:
        context |= {
            "form": form,
            "accounts": accounts,
            "resets_at": resets_at,
            "not_known_yet": NOT_KNOWN_YET,
            "form_already_used": FORM_ALREADY_USED,
        }
        return render(request, "send.html", context, status=status)

    mine = [one.account for one in accounts]
    if request.method != "POST":
        return page(PaymentForm(mine))
    form = PaymentForm(mine, request.POST)
    if not form.is_valid():
        return page(form, 400)
    try:
        outcome = payments.pay(request.user, form.payment(), origin=Origin.of(request))
    except (Busy, OperationalError, InterfaceError) as error:
        logger.error("database unavailable", exc_info=error, extra={"request": request})
        form.add_error(None, NOT_KNOWN_YET)
        return page(form, 503)
    if outcome.refusal:
        return page(form, _tell(outcome, form), refused=outcome.transfer)
    return _see(outcome.transfer)


def _tell(outcome: Outcome, form: PaymentForm) -> int:
    """Say in the form why the payment was refused; return the status that goes with it.

    What has used up the form's key gets it a new one, so that pressing again is a new payment.
    """
    refusal = outcome.refusal
    told = explain(refusal, outcome.transfer)
    if refusal.code == "idempotency_key_reused":
        form.add_error(None, FORM_ALREADY_USED)
    else:
        form.add_error(_field_of(refusal), told.detail)
    if refusal.is_recorded or refusal.code == "idempotency_key_reused":
        form.key = form.new_key()
    return told.status


def _field_of(refusal: Refusal) -> str:
    """Return the form's field that the refusal is about."""
    if refusal.code in {"insufficient_funds", "daily_limit_exceeded"}:
        return "amount"
    end = refusal.details.get("field") or refusal.details.get("side")
    return "from_account_id" if end in {"from_account_id", "from"} else "to_account_number"


def _see(transfer: Transfer) -> HttpResponseRedirect:
    """Send the browser to the payment's page by GET, so that reloading it repeats nothing."""
    page = reverse("pages:payment", args=[transfer.public_id])
    return HttpResponseRedirect(page, status=303)


# --- What became of it ------------------------------------------------------------------------


@for_customers
@require_safe
def payment(request, id):
    """Show one transfer to its sender or its receiver."""
    side = _side(request, id)
    return _payment_page(request, side, ReceiptForm(side.transfer.currency))


@for_customers
@require_http_methods(["GET", "HEAD", "POST"])
def receipt(request, id):
    """[6] Let the receiver say what arrived. A GET comes from signing in on the way."""
    side = _side(request, id)
    if request.method != "POST":
        return redirect("pages:payment", id)
    if not side.received:
        raise PermissionDenied
    form = ReceiptForm(side.transfer.currency, request.POST)
    if not form.is_valid():
        return _payment_page(request, side, form, 400)
    try:
        receipts.give(side.transfer, form.received_minor(), origin=Origin.of(request))
    except receipts.ReceiptNotPossible as error:
        form.add_error(None, str(error))
        return _payment_page(request, _side(request, id), form, 409)
    return _see(side.transfer)


def _side(request, id) -> Side:
    """Return the transfer as the customer sees it. Raises 404 for everything not visible."""
    visible = Transfer.objects.visible_to(request.user).with_parties()
    return Side(get_object_or_404(visible, public_id=str(id)), Customer.of(request.user))


def _payment_page(request, side: Side, form: ReceiptForm, status: int = 200) -> HttpResponse:
    """Return the page of one transfer: of the ledger it shows the customer's own entries only."""
    transfer = side.transfer
    context = {"side": side, "transfer": transfer, "form": form}
    if side.completed and side.sent:
        context["debit"] = LedgerEntry.objects.get(transfer=transfer, account=transfer.from_account)
    if side.completed and side.received:
        context["credit"] = receipts.credit_of(transfer)
    return render(request, "payment.html", context, status=status)
