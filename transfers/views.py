"""The customer's pages: what I have, what became of a payment, what I received.

A page calls the same operation as the API and puts its outcome into words; it knows no rule about
money. Everything works without JavaScript.
"""

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import Customer
from accounts.today import accounts_today
from accounts.views import for_customers
from audit.operations import Origin
from transfers import paper, receipts
from transfers.forms import ReceiptForm
from transfers.models import LedgerEntry, Transfer
from transfers.sides import Side

RECENT = 20


@for_customers
@require_safe
def home(request):
    """Show the accounts, what waits to be confirmed and what happened lately."""
    customer = Customer.of(request.user)
    accounts = accounts_today(customer)
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
        reversed_minor__lt=F("amount_minor"),
    )
    return render(
        request,
        "home.html",
        {
            "accounts": accounts,
            "contact": settings.BANK_CONTACT,
            "to_confirm": [Side(one, customer) for one in to_confirm[:RECENT]],
            "recent": [Side(recent[pk], customer) for pk in sorted(recent, reverse=True)[:RECENT]],
        },
    )


# --- What became of it ------------------------------------------------------------------------


@for_customers
@require_safe
def payment(request, id):
    """Show one transfer to its sender or its receiver."""
    side = _side(request, id)
    return _payment_page(request, side, ReceiptForm(side.transfer.currency))


@for_customers
@require_safe
def receipt_pdf(request, id):
    """Return what the customer can show of one transfer."""
    side = _side(request, id)
    response = HttpResponse(paper.receipt(side), content_type="application/pdf")
    name = f"payment-{side.transfer.public_id}.pdf"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


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
        form.add_error(None, _(str(error)))
        return _payment_page(request, _side(request, id), form, 409)
    return see(side.transfer)


def see(transfer: Transfer) -> HttpResponseRedirect:
    """Send the browser to the payment's page by GET, so that reloading it repeats nothing."""
    page = reverse("pages:payment", args=[transfer.public_id])
    return HttpResponseRedirect(page, status=303)


def _side(request, id) -> Side:
    """Return the transfer as the customer sees it. Raises 404 for everything not visible."""
    visible = Transfer.objects.visible_to(request.user).with_parties()
    return Side(get_object_or_404(visible, public_id=str(id)), Customer.of(request.user))


def _payment_page(request, side: Side, form: ReceiptForm, status: int = 200) -> HttpResponse:
    """Return the page of one transfer: of the ledger it shows the customer's own entries only."""
    transfer = side.transfer
    context = {"side": side, "transfer": transfer, "form": form, "contact": settings.BANK_CONTACT}
    if side.completed and side.sent:
        context["debit"] = LedgerEntry.objects.get(transfer=transfer, account=transfer.from_account)
    if side.completed and side.received:
        context["credit"] = receipts.credit_of(transfer)
    return render(request, "payment.html", context, status=status)
