"""The page on which customers make tokens for their own programs."""

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.shortcuts import render
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts import sign_in, throttles, tokens
from accounts.models import Scope
from accounts.serializers import network
from accounts.staff_forms import LineField
from accounts.views import for_customers
from audit.operations import Origin

DAYS = [7, 30, 90, 365]


def lazy_days(days: int):
    """Return "30 days" in the reader's language."""
    return format_lazy(gettext_lazy("{days} days"), days=days)


class NewTokenForm(forms.Form):
    """What the token is to be for; the password says that it is really the customer who asks."""

    use_required_attribute = False

    name = LineField(
        label=gettext_lazy("Name"),
        max_length=60,
        help_text=gettext_lazy("To know it by later, such as “Bookkeeping”."),
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What it is for"),
        choices=Scope.choices,
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("How long it works"),
        choices=[(days, lazy_days(days)) for days in DAYS],
        initial=settings.API_TOKEN_DAYS if settings.API_TOKEN_DAYS in DAYS else DAYS[0],
        coerce=int,
    )
    allowed_ips = forms.CharField(
        label=gettext_lazy("From which addresses only (optional)"),
        max_length=400,
        required=False,
        help_text=gettext_lazy(
            "IP addresses or networks with spaces between. Empty: from anywhere."
        ),
    )
    password = forms.CharField(
        label=gettext_lazy("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def clean_allowed_ips(self) -> str:
        """Return the addresses as they are usually written. Raises ValidationError."""
        try:
            return " ".join(map(network, self.cleaned_data["allowed_ips"].split()))
        except ValueError as error:
            raise ValidationError(f"{error}.") from None


@for_customers
@require_http_methods(["GET", "HEAD", "POST"])
def new_token(request):
    """Make a token, and show it this once."""
    form = NewTokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        try:
            if sign_in.check(request, request.user.get_username(), asked.pop("password")):
                throttles.take(request, throttles.of_tokens(request.user))
                asked["scopes"] = " ".join(asked["scopes"])
                secret, token = tokens.create(request.user, origin=Origin.of(request), **asked)
                return render(request, "token_made.html", {"secret": secret, "token": token})
            form.add_error("password", _("This is not your password."))
        except throttles.TooMany as refused:
            form.add_error(None, sign_in.try_again_in(refused.seconds))
    return render(request, "token_new.html", {"form": form})
