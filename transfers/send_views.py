"""Sending money on a page, in two steps: fill in, check, and only then the payment.

Everything works without JavaScript; with it, static/smartbank/send.js shows beforehand what will
be left, and lets the API carry out the payment.
"""

import json
import logging

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from accounts import drafts, money, public_ids, sign_in, throttles
from accounts.models import Account, Customer
from accounts.names import NameMatch
from accounts.today import AccountToday, accounts_today
from accounts.transactions import Busy
from accounts.views import for_customers
from audit.operations import Origin
from transfers import payees, payments, quotes
from transfers.forms import PaymentForm
from transfers.guidance import advice
from transfers.models import Transfer
from transfers.orders import Refusal, hash_of
from transfers.views import see
from transfers.wording import STATUSES

logger = logging.getLogger("smartbank")

NOT_KNOWN_YET = gettext_lazy(
    "We do not know yet whether this payment went through. Press the button again, changing "
    "nothing: you will not pay twice."
)
FORM_ALREADY_USED = gettext_lazy(
    "This form was already used for another payment, so nothing was sent now. Look at your recent "
    "movements first. If you want to send this payment as well, press the button again."
)
ORDERED = ["from_account_id", "to_account_number", "amount", "reference"]  # as POST /transfers
UNSURE = {NameMatch.NO_MATCH, NameMatch.NOT_CHECKED}


class _Desk:
    """One request of a customer who sends money: whose it is, and the pages it may end with."""

    def __init__(self, request):
        self.request = request
        self.customer = Customer.of(request.user)
        self.accounts = accounts_today(self.customer)

    @cached_property
    def mine(self) -> list[Account]:
        return [one.account for one in self.accounts]

    def chosen(self, form: PaymentForm) -> AccountToday | None:
        """The account that the form names, if it is the customer's."""
        public_id = form.cleaned_data.get("from_account_id")
        return next((one for one in self.accounts if one.account.public_id == public_id), None)

    def fill_in(self, form: PaymentForm, status: int = 200, **context) -> HttpResponse:
        """The first step: the form."""
        context |= {
            "form": form,
            "accounts": self.accounts,
            "saved": payees.saved(self.customer),
            "recent": payees.recent(self.customer, self.mine),
        }
        return render(self.request, "send.html", context, status=status)

    def check(self, form: PaymentForm, made: quotes.Quote, status: int = 200) -> HttpResponse:
        """The second step: all of it once more, and whose account that is."""
        members = form.cleaned_data
        payee = payees.known(self.customer, number=members["to_account_number"])
        name = payee.owner_name if payee else made.payee_name
        is_own = payee is not None and payee.customer_id == self.customer.pk
        match = made.name_match
        if payee and match == NameMatch.NOT_CHECKED:  # it is whom the customer chose or paid before
            match = NameMatch.MATCH
        context = {
            "form": form,
            "chosen": self.chosen(form),
            "quote": made,
            "match": match,
            "payee_name": name,
            "number": members["to_account_number"],
            "order": json.dumps({name: members[name] for name in ORDERED}),
            "is_own": is_own,
            "is_new": payee is None,
            "unsure": match in UNSURE,
            "can_remember": not is_own
            and (payee is None or not self.customer.payees.filter(account=payee).exists()),
            "not_known_yet": NOT_KNOWN_YET,
            "contact": settings.BANK_CONTACT,
        }
        return render(self.request, "check.html", context, status=status)

    def check_name(self, form: PaymentForm) -> HttpResponse | None:
        """Count a look at whose account that is: before `quote`, whatever was typed. Return the
        page that says that there were too many, or None."""
        user = self.request.user
        try:
            throttles.take(self.request, throttles.of_quotes(user), throttles.of_names(user))
        except throttles.TooMany as refused:
            form.add_error(None, sign_in.try_again_in(refused.seconds))
            return self.fill_in(form, 429)
        return None

    def quote(self, form: PaymentForm) -> quotes.Quote:
        """What the payment would come to now."""
        name = form.cleaned_data["payee_name"]
        origin = Origin.of(self.request)
        return quotes.quote(self.request.user, form.payment(), name, origin=origin)


@for_customers
@require_http_methods(["GET", "HEAD", "POST"])
def send(request):
    """Show the form; carry out what was filled in and checked. The same form twice pays once."""
    desk = _Desk(request)
    if request.method != "POST":
        return desk.fill_in(PaymentForm(desk.mine, initial=_prefilled(desk)))
    form = PaymentForm(desk.mine, request.POST)
    if not form.is_valid():
        return desk.fill_in(form, 400)
    if "unsure" in request.POST and "confirmed" not in request.POST:
        if too_many := desk.check_name(form):
            return too_many
        form.add_error(None, _("Tick the box if you are sure that this is the right account."))
        return desk.check(form, desk.quote(form), 400)
    try:
        outcome = payments.pay(request.user, form.payment(), origin=Origin.of(request))
    except (Busy, OperationalError, InterfaceError) as error:
        logger.error("database unavailable", exc_info=error, extra={"request": request})
        form.add_error(None, NOT_KNOWN_YET)
        return _keep(request, form)
    if outcome.refusal:
        status = _tell(outcome.refusal, form, desk, is_used_up=True)
        return desk.fill_in(form, status, refused=outcome.transfer)
    if form.cleaned_data["remember"]:
        payees.remember(desk.customer, outcome.transfer.to_account)
    return see(outcome.transfer)


@for_customers
@require_http_methods(["GET", "HEAD", "POST"])
def check(request):
    """Show what would be sent and to whom. Nothing moves; what cannot be sent is told here.

    What was filled in is kept and shown by GET, so that going back and reloading just work.
    """
    desk = _Desk(request)
    if request.method != "POST":
        return _checked(desk, request.GET.get("draft", ""))
    form = PaymentForm(desk.mine, request.POST)
    if form.is_valid() and not _knows_whom(desk, form):
        form.add_error("payee_name", _("Type the name of the person or firm that you pay."))
    if form.errors:
        return desk.fill_in(form, 400)
    if too_many := desk.check_name(form):
        return too_many
    made = desk.quote(form)
    if made.refusal:
        return desk.fill_in(form, _tell(made.refusal, form, desk))
    drafts.keep(request.session, request.POST.dict() | {"idempotency_key": form.key})
    return HttpResponseRedirect(f"{reverse('pages:check')}?draft={form.key}", status=303)


def _checked(desk: _Desk, key: str) -> HttpResponse:
    """Show the check of a draft; if it was sent already, what became of it."""
    draft = drafts.find(desk.request.session, key)
    if draft is None:
        return redirect("pages:send")
    sent = Transfer.objects.filter(caller=desk.request.user, key_hash=hash_of(key)).first()
    if sent:
        return see(sent)
    form = PaymentForm(desk.mine, draft)
    if not form.is_valid():  # an account was closed meanwhile
        return desk.fill_in(form, 400)
    made = desk.quote(form)
    if made.refusal:
        return desk.fill_in(form, _tell(made.refusal, form, desk))
    return desk.check(form, made)


def _knows_whom(desk: _Desk, form: PaymentForm) -> bool:
    number = form.cleaned_data["to_account_number"]
    return bool(form.cleaned_data["payee_name"] or payees.known(desk.customer, number=number))


def _prefilled(desk: _Desk) -> dict:
    """Return what the form opens with: a payee chosen from the list, or a payment once more."""
    query = desk.request.GET
    if draft := drafts.find(desk.request.session, query.get("draft", "")):
        return draft
    if public_ids.is_canonical(query.get("again", "")):
        earlier = get_object_or_404(
            Transfer.objects.with_parties(),
            from_account__customer=desk.customer,
            kind=Transfer.Kind.PAYMENT,  # cash and reversals are the bank's to order
            public_id=query["again"],
        )
        return {
            "from_account_id": earlier.from_account.public_id,
            "to_account_number": earlier.to_account.number,
            "amount": money.format(earlier.amount_minor, earlier.currency),
            "reference": earlier.reference,
            **_name_of(desk, public_id=earlier.to_account.public_id),
        }
    if public_ids.is_canonical(query.get("to", "")):
        return _name_of(desk, public_id=query["to"])
    return {}


def _name_of(desk: _Desk, **name: str) -> dict:
    payee = payees.known(desk.customer, **name)
    if not payee:
        return {}
    return {"to_account_number": payee.number, "payee_name": payee.owner_name}


def _keep(request, form: PaymentForm) -> HttpResponse:
    """Show what was to be sent while the database is away: nothing more can be asked of it."""
    context = {"form": form, "number": form.cleaned_data["to_account_number"], "away": True}
    return render(request, "check.html", context, status=503)


def _tell(refusal: Refusal, form: PaymentForm, desk: _Desk, is_used_up: bool = False) -> int:
    """Say in the form why the payment is refused and what helps; return the status for it.

    What has used up the form's key gets it a new one, so that pressing again is a new payment.
    """
    if refusal.code == "idempotency_key_reused":
        form.add_error(None, FORM_ALREADY_USED)
    else:
        form.add_error(_field_of(refusal), advice(refusal, desk.chosen(form)))
    if is_used_up and (refusal.is_recorded or refusal.code == "idempotency_key_reused"):
        form.key = form.new_key()
    return STATUSES[refusal.code]


def _field_of(refusal: Refusal) -> str:
    """Return the form's field that the refusal is about."""
    if refusal.code in {"insufficient_funds", "daily_limit_exceeded"}:
        return "amount"
    end = refusal.details.get("field") or refusal.details.get("side")
    return "from_account_id" if end in {"from_account_id", "from"} else "to_account_number"


# --- Whom I pay -------------------------------------------------------------------------------


@for_customers
@require_safe
def payee_list(request):
    """Show the saved payees."""
    return render(request, "payees.html", {"saved": payees.saved(Customer.of(request.user))})


@for_customers
@require_http_methods(["GET", "HEAD", "POST"])
def forget_payee(request, id):
    """Take a payee off the list. A GET comes from signing in on the way."""
    if request.method == "POST" and not payees.forget(Customer.of(request.user), str(id)):
        raise Http404
    return redirect("pages:payees")
