"""What a token is to be for, whoever makes it: its customer on a page, or the bank's staff."""

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from accounts.models import Scope
from accounts.serializers import network
from accounts.staff_forms import LineField, ReasonForm

DAYS = [7, 30, 90, 365]
READING = [Scope.ACCOUNTS_READ, Scope.TRANSFERS_READ]


def lazy_days(days: int):
    """Return "30 days" in the reader's language."""
    return format_lazy(gettext_lazy("{days} days"), days=days)


class TokenForm(forms.Form):
    """Name, purpose and end of a token. Its scopes and addresses are cleaned to what is stored."""

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

    def clean_scopes(self) -> str:
        """Return the scopes with spaces between."""
        return " ".join(self.cleaned_data["scopes"])

    def clean_allowed_ips(self) -> str:
        """Return the addresses as they are usually written. Raises ValidationError."""
        try:
            return " ".join(map(network, self.cleaned_data["allowed_ips"].split()))
        except ValueError as error:
            raise ValidationError(f"{error}.") from None


class OwnTokenForm(TokenForm):
    """A customer's wish; the password says that it is really the customer who asks."""

    password = forms.CharField(
        label=gettext_lazy("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class ReadingTokenForm(OwnTokenForm):
    """A member of staff's wish: through the API staff read, and order nothing."""

    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What it is for"),
        choices=[(one.value, one.label) for one in READING],
        widget=forms.CheckboxSelectMultiple,
    )
    field_order = ["name", "scopes", "days", "allowed_ips", "password"]


class StaffTokenForm(TokenForm, ReasonForm):
    """A token that the bank makes for a customer, and why."""

    field_order = ["name", "scopes", "days", "allowed_ips", "reason"]
