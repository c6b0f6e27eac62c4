"""The customer's own limits: lowered at once, raised only by the bank."""

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from accounts import money, operations, sign_in, throttles
from accounts.models import Account, Customer
from accounts.today import AccountToday, accounts_today
from accounts.views import for_customers
from audit.operations import Origin
from office import approvals
from office.models import ApprovalRequest
from transfers.forms import tidy_amount
from transfers.history_views import own_account

KIND = ApprovalRequest.Kind.RAISE_LIMIT


class LimitForm(forms.Form):
    """A new daily limit; the password too, if it is higher than the one there is."""

    limit = forms.CharField(
        label=gettext_lazy("New daily limit"),
        help_text=gettext_lazy("A lower limit counts at once. A higher one needs our approval."),
        error_messages={"required": gettext_lazy("Type the limit that you want.")},
        widget=forms.TextInput({"size": 14}),
    )
    password = forms.CharField(
        label=gettext_lazy("Your password"),
        help_text=gettext_lazy("Only for a higher limit."),
        required=False,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
    )

    def __init__(self, account, data=None):
        super().__init__(data)
        self.account = account

    def clean_limit(self) -> int:
        """Return the minor units. Raises ValidationError."""
        text = tidy_amount(self.cleaned_data["limit"], self.account.currency)
        try:
            minor = money.parse(text, self.account.currency, zero_allowed=True)
        except money.InvalidAmount as error:
            raise ValidationError(_(error.template).format(**error.facts)) from None
        if minor == self.account.daily_limit_minor:
            raise ValidationError(_("This is the limit that you have already."))
        return minor

    @property
    def raises(self) -> bool:
        """Whether the limit is to become higher."""
        return self.cleaned_data["limit"] > self.account.daily_limit_minor


@for_customers
@require_safe
def limits(request):
    """Show limit, used, left and reset of every account, and what waits for approval."""
    accounts = accounts_today(Customer.of(request.user))
    waiting = ApprovalRequest.objects.filter(
        account__in=[one.account for one in accounts],
        kind=KIND,
        status=ApprovalRequest.Status.PENDING,
    )
    by_account = {one.account_id: one for one in waiting}
    rows = [(one, by_account.get(one.account.pk)) for one in accounts]
    return render(request, "limits.html", {"rows": rows, "done": request.GET.get("done")})


@for_customers
@require_http_methods(["GET", "HEAD", "POST"])
def change_limit(request, id):
    """Lower the limit of an account now, or ask the bank to raise it."""
    account = own_account(request, id)
    if request.method != "POST":
        return _page(request, LimitForm(account))
    form = LimitForm(account, request.POST)
    if not form.is_valid():
        return _page(request, form, 400)
    if not form.raises:
        return _lower(request, form)
    try:
        is_right = sign_in.confirm(request, form.cleaned_data["password"])
    except throttles.TooMany as refused:
        form.add_error("password", sign_in.try_again_in(refused.seconds))
        return _page(request, form, 429)
    if not is_right:
        form.add_error("password", _("Type your password to ask for a higher limit."))
        return _page(request, form, 403)
    return _ask(request, form)


def _lower(request, form: LimitForm) -> HttpResponse:
    try:
        operations.lower_daily_limit(
            form.account,
            form.cleaned_data["limit"],
            reason="Lowered by owner",
            origin=Origin.of(request),
        )
    except operations.NotLower:
        form.add_error("limit", _("The bank has changed the limit meanwhile. Look at it first."))
        return _page(request, form, 409)
    return _done("lowered")


def _ask(request, form: LimitForm) -> HttpResponse:
    try:
        approvals.ask_for_limit(
            form.account,
            form.cleaned_data["limit"],
            reason="Asked for by the customer",
            origin=Origin.of(request),
        )
    except approvals.NotPossible:
        form.add_error("limit", _why_not(form.account))
        return _page(request, form, 409)
    return _done("asked")


def _why_not(account: Account) -> str:
    """Return what may keep a customer from asking for a higher limit, as it is now."""
    if account.requests.filter(kind=KIND, status=ApprovalRequest.Status.PENDING).exists():
        return _("You have asked for a higher limit already. We answer soon.")
    account.refresh_from_db()
    if account.status == Account.Status.CLOSED:
        return _("Status: closed. No money can come in or go out.")
    return _("The bank has changed the limit meanwhile. Look at it first.")


def _done(what: str) -> HttpResponse:
    return redirect(f"{reverse('pages:limits')}?{urlencode({'done': what})}")


def _page(request, form: LimitForm, status: int = 200) -> HttpResponse:
    today: AccountToday = next(
        one for one in accounts_today(form.account.customer) if one.account.pk == form.account.pk
    )
    return render(request, "limit.html", {"form": form, "one": today}, status=status)
