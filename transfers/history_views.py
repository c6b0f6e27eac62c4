"""The history of an account: searched on a page, taken away as a statement."""

import datetime as dt

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from accounts import bank_day, money
from accounts.models import Account, Customer
from accounts.views import for_customers
from transfers import paper, statements
from transfers.downloads import download
from transfers.forms import tidy_amount
from transfers.models import LedgerEntry, Transfer
from transfers.sides import Side

PAGE = 50


class PeriodForm(forms.Form):
    """Two bank dates, both included; either may be missing."""

    since = forms.DateField(
        label=gettext_lazy("First day"), required=False, widget=forms.DateInput({"type": "date"})
    )
    until = forms.DateField(
        label=gettext_lazy("Last day"), required=False, widget=forms.DateInput({"type": "date"})
    )

    def clean(self):
        """Raises ValidationError for a period that ends before it begins."""
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and until < since:
            self.add_error("until", _("The last day must not be before the first."))


class SearchForm(PeriodForm):
    """What to look for in the history of an account."""

    text = forms.CharField(
        label=gettext_lazy("Name, reference or payment number"), required=False, max_length=140
    )
    amount = forms.CharField(
        label=gettext_lazy("Amount"),
        required=False,
        max_length=40,
        widget=forms.TextInput({"size": 12}),
    )
    only = forms.ChoiceField(
        label=gettext_lazy("Show"),
        required=False,
        choices=[
            ("", gettext_lazy("all movements")),
            ("in", gettext_lazy("money in")),
            ("out", gettext_lazy("money out")),
            ("refused", gettext_lazy("refused attempts")),
        ],
    )

    def __init__(self, currency: str, data):
        super().__init__(data)
        self.currency = currency

    def clean_amount(self) -> int | None:
        """Return the minor units, None for all. Raises ValidationError."""
        text = tidy_amount(self.cleaned_data["amount"], self.currency)
        if not text:
            return None
        try:
            return money.parse(text, self.currency)
        except money.InvalidAmount as error:
            raise ValidationError(_(error.template).format(**error.facts)) from None


@for_customers
@require_safe
def history(request, id):
    """Show what happened to an account, newest first, as far as it fits what is looked for."""
    account = own_account(request, id)
    form = SearchForm(account.currency, request.GET)
    is_valid = form.is_valid()
    wanted = form.cleaned_data if is_valid else {}
    if wanted.get("only") == "refused":
        lines, older = _refused(account, wanted, request.GET.get("before", ""))
    else:
        lines, older = _movements(account, wanted, request.GET.get("before", ""))
    query = request.GET.copy()
    query.pop("before", None)
    context = {
        "account": account,
        "form": form,
        "lines": lines if is_valid else [],
        "customer": Customer.of(request.user),
        "is_filtered": any(query.values()),
        "query": query.urlencode(),
        "older": older if is_valid else None,
    }
    return render(request, "history.html", context, status=200 if is_valid else 400)


def _movements(account: Account, wanted: dict, before: str) -> tuple[list, str | None]:
    """Return one page of entries as (side, entry), and where the next one begins."""
    entries = LedgerEntry.objects.filter(account=account).select_related(
        "transfer__from_account__customer", "transfer__to_account__customer"
    )
    if _is_number(before):
        entries = entries.filter(sequence__lt=int(before))
    if wanted.get("since"):
        entries = entries.filter(bank_date__gte=wanted["since"])
    if wanted.get("until"):
        entries = entries.filter(bank_date__lte=wanted["until"])
    if wanted.get("only"):
        sign = "gt" if wanted["only"] == "in" else "lt"
        entries = entries.filter(**{f"amount_minor__{sign}": 0})
    if wanted.get("amount"):
        entries = entries.filter(amount_minor__in=[wanted["amount"], -wanted["amount"]])
    if wanted.get("text"):
        entries = entries.filter(_matches(wanted["text"], "transfer__", account))
    found = list(entries.order_by("-sequence")[: PAGE + 1])
    older = str(found[PAGE - 1].sequence) if len(found) > PAGE else None
    customer = account.customer
    return [(Side(one.transfer, customer, account), one) for one in found[:PAGE]], older


def _refused(account: Account, wanted: dict, before: str) -> tuple[list, str | None]:
    """Return one page of refused attempts to send from the account."""
    transfers = Transfer.objects.filter(
        from_account=account, status=Transfer.Status.REJECTED
    ).with_parties()
    if before:
        transfers = transfers.filter(pk__lt=transfers.filter(public_id=before).values("pk")[:1])
    if wanted.get("since"):
        transfers = transfers.filter(bank_date__gte=wanted["since"])
    if wanted.get("until"):
        transfers = transfers.filter(bank_date__lte=wanted["until"])
    if wanted.get("amount"):
        transfers = transfers.filter(amount_minor=wanted["amount"])
    if wanted.get("text"):
        transfers = transfers.filter(_matches(wanted["text"], "", account))
    found = list(transfers.order_by("-pk")[: PAGE + 1])
    older = found[PAGE - 1].public_id if len(found) > PAGE else None
    return [(Side(one, account.customer, account), None) for one in found[:PAGE]], older


def _matches(text: str, prefix: str, account: Account) -> Q:
    """Return the condition that a transfer has the text in what its customer reads of it.

    A part of a text has no index. What is read is bounded by the account: its entries in their
    order, from the newest on, until a page is full.
    """

    def condition(**lookups) -> Q:
        return Q(**{prefix + name: value for name, value in lookups.items()})

    return (
        condition(reference__icontains=text)
        | condition(public_id=text.strip().lower())
        | condition(from_account=account, to_account__customer__name__icontains=text)
        | condition(to_account=account, from_account__customer__name__icontains=text)
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def own_account(request, id) -> Account:
    """Return the customer's own account of that id. Raises 404 for everything else."""
    mine = Account.objects.visible_to(request.user).select_related("customer")
    return get_object_or_404(mine, public_id=str(id))


# --- To take away -----------------------------------------------------------------------------


@for_customers
@require_safe
def statement(request, id, kind):
    """Return the statement of a period as CSV or PDF."""
    account = own_account(request, id)
    form = PeriodForm(request.GET)
    if not form.is_valid():
        context = {"account": account, "form": form}
        return render(request, "statement.html", context, status=400)
    made = statements.of(account, form.cleaned_data["since"], form.cleaned_data["until"])
    if kind == "pdf" and made.length > paper.MOST_LINES:
        form.add_error(None, _("That is too much for one PDF. Choose a shorter period, or CSV."))
        return render(request, "statement.html", {"account": account, "form": form}, status=400)
    return download(made, kind)


@for_customers
@require_safe
def choose_statement(request, id):
    """Ask for the period of a statement; last month is filled in."""
    first = bank_day.of(timezone.now()).replace(day=1)
    last = first - dt.timedelta(days=1)
    form = PeriodForm(initial={"since": last.replace(day=1).isoformat(), "until": last.isoformat()})
    context = {"account": own_account(request, id), "form": form}
    return render(request, "statement.html", context)
