"""The forms of the back office about customers and accounts. None is tied to a model: what they
hold goes to an operation, which changes what it names and nothing else."""

import unicodedata

from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model, password_validation
from django.contrib.auth.forms import UsernameField
from django.core.exceptions import ValidationError

from accounts import money
from accounts.models import Account, Customer
from accounts.serializers import is_control

REASON_LENGTH = 200


class LineField(forms.CharField):
    """One line of text in Unicode's normal form C, without characters that steer or hide."""

    def to_python(self, value):
        """Return the text, normalised."""
        return unicodedata.normalize("NFC", super().to_python(value))

    def validate(self, value):
        """Raise ValidationError for control characters and for what CharField refuses."""
        super().validate(value)
        if any(map(is_control, value)):
            raise ValidationError("Control characters are not allowed.", code="characters")


class StaffForm(forms.Form):
    """A form of the back office."""

    required_css_class = "required"
    use_required_attribute = False  # errors come from us, with the same words everywhere

    def read_amount(self, name: str, currency: str | None, **rules) -> None:
        """Turn the text in field `name` into minor units, or into that field's error."""
        text = self.cleaned_data.get(name)
        if not text or not currency:
            return
        try:
            self.cleaned_data[name] = money.parse(text, currency, **rules)
        except money.InvalidAmount as error:
            self.add_error(name, str(error))


def amount_field(**options) -> forms.CharField:
    """Return a field for an amount in major units, to be read with `read_amount`."""
    attrs = {"inputmode": "decimal", "autocomplete": "off"}
    return forms.CharField(max_length=32, widget=forms.TextInput(attrs=attrs), **options)


class ReasonForm(StaffForm):
    """Why staff does it."""

    reason = LineField(
        max_length=REASON_LENGTH,
        help_text="Goes into the audit log, for good.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )


class LimitForm(ReasonForm):
    """A new daily limit, and why."""

    daily_limit = amount_field(
        help_text="What customers may send out of the account per day. Zero lets nothing out."
    )
    field_order = ["daily_limit", "reason"]

    def __init__(self, *args, account: Account, **kwargs):
        super().__init__(*args, **kwargs)
        self.currency = account.currency
        self.fields["daily_limit"].label = f"New daily limit in {account.currency}"

    def clean(self):
        """Read the limit as minor units."""
        self.read_amount("daily_limit", self.currency, zero_allowed=True)


class OpenAccountForm(ReasonForm):
    """What a new account is called and may do, and why; the bank makes its number."""

    name = LineField(
        max_length=Account._meta.get_field("name").max_length,
        help_text="What the customer will see, such as “Savings”.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    currency = forms.ChoiceField(choices=[(code, code) for code in sorted(money.EXPONENTS)])
    daily_limit = amount_field(help_text="In the account’s currency.")
    field_order = ["name", "currency", "daily_limit", "reason"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["currency"].initial = settings.DEFAULT_CURRENCY

    def clean(self):
        """Read the limit as minor units of the chosen currency."""
        self.read_amount("daily_limit", self.cleaned_data.get("currency"), zero_allowed=True)


class ChangeCustomerForm(ReasonForm):
    """What is to be changed about a customer, and why."""

    name = LineField(
        max_length=Customer._meta.get_field("name").max_length,
        help_text="The payee’s name, as other customers see it.",
        show_hidden_initial=True,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    email = forms.EmailField(
        label="New e-mail",
        required=False,
        help_text="Left empty, the address stays. The old one is told of the change.",
        widget=forms.EmailInput(attrs={"class": "vTextField", "autocomplete": "off"}),
    )
    is_active = forms.BooleanField(label="May sign in", required=False, show_hidden_initial=True)
    field_order = ["name", "email", "is_active", "reason"]

    def clean(self):
        """Keep what is another than the page showed: one that was opened long ago must not bring
        back what a colleague has changed since."""
        kept = {*self.changed_data, "reason"}
        return {name: value for name, value in self.cleaned_data.items() if name in kept}


class OpenCustomerForm(ReasonForm):
    """Who the customer is, how the customer signs in, and why the bank opens the door."""

    field_order = ["name", "username", "email", "password", "password_again", "reason"]

    name = LineField(
        max_length=Customer._meta.get_field("name").max_length,
        help_text="The payee’s name, as other customers will see it.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    username = UsernameField(
        max_length=150,
        validators=get_user_model()._meta.get_field("username").validators,
        help_text="Letters, digits and @ . + - _ only.",
        widget=forms.TextInput(
            attrs={"class": "vTextField", "autocapitalize": "none", "autocomplete": "off"}
        ),
    )
    email = forms.EmailField(
        label="E-mail", required=False, widget=forms.EmailInput(attrs={"class": "vTextField"})
    )
    password = forms.CharField(
        label="First password",
        max_length=128,
        strip=False,
        help_text="At least 12 characters, and not a common password.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    password_again = forms.CharField(
        label="First password again",
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self):
        """Check the password against its repetition and against Django's validators."""
        data = self.cleaned_data
        password, again = data.get("password"), data.get("password_again")
        if password and again and password != again:
            self.add_error("password_again", "The two passwords differ.")
        if password:
            user = get_user_model()(
                username=data.get("username", ""),
                email=data.get("email", ""),
                first_name=data.get("name", ""),
            )
            try:
                password_validation.validate_password(password, user)
            except ValidationError as error:
                self.add_error("password", error)
