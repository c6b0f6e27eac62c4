"""The customer's forms. They forgive how people write numbers, and nothing else.

Tidying takes away what cannot change the meaning; the strict rules then judge what is left, so a
page accepts no amount that the API would not.
"""

import re
import unicodedata
import uuid
from collections.abc import Sequence

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import money, numbers, public_ids
from accounts.models import Account
from accounts.serializers import is_control
from transfers.payments import Payment
from transfers.serializers import NAME_LENGTH, REFERENCE_LENGTH

# "1,250", "1 250", "12,34,567.50": the last group has three digits, or it is no grouping. "1,5"
# may be meant as one and a half, so it stays as it is and is refused.
_GROUPED = re.compile(r"[0-9]{1,3}([, ])(?:[0-9]{2,3}\1)*[0-9]{3}(?:\.[0-9]+)?")
_INCOMPLETE = gettext_lazy("The form was incomplete. Check it and press the button again.")


def tidy_number(text: str) -> str:
    """Return an account number without the spaces and dashes that people put into it."""
    return "".join(one for one in text if not one.isspace() and not _is_dash(one))


def _is_dash(character: str) -> bool:
    return unicodedata.category(character) == "Pd" or character == "\N{MINUS SIGN}"


def tidy_amount(text: str, currency: str) -> str:
    """Return an amount without the sign of its currency and the groups' commas or spaces."""
    text = " ".join(text.split())
    for sign in (money.SYMBOLS.get(currency, currency), currency):
        text = text.removeprefix(sign).removesuffix(sign).strip()
    return re.sub("[, ]", "", text) if _GROUPED.fullmatch(text) else text


class PaymentForm(forms.Form):
    """`/send`. Its fields bear the names that `POST /transfers` gives them.

    `key` is the idempotency key to be put into the page: as long as it stays the same, sending
    the form again repeats the payment and never makes a second one.
    """

    from_account_id = forms.CharField(
        label=gettext_lazy("From"),
        error_messages={"required": gettext_lazy("Choose the account to send from.")},
    )
    to_account_number = forms.CharField(
        label=gettext_lazy("Account number"),
        help_text=gettext_lazy(
            "12 digits, such as 1234 5678 9092. Spaces and dashes do not matter."
        ),
        error_messages={"required": gettext_lazy("Type the receiver's account number.")},
        widget=forms.TextInput({"inputmode": "numeric", "size": 20}),
    )
    payee_name = forms.CharField(
        label=gettext_lazy("Name on the account"),
        help_text=gettext_lazy("A person or a firm. We check that it belongs to the number."),
        required=False,
        widget=forms.TextInput({"size": 30}),
    )
    amount = forms.CharField(
        label=gettext_lazy("Amount"),
        help_text=gettext_lazy("For example 1,250.50"),
        error_messages={"required": gettext_lazy("Type how much to send.")},
        widget=forms.TextInput({"size": 14}),
    )
    reference = forms.CharField(
        label=gettext_lazy("Reference (optional)"),
        help_text=gettext_lazy("You and the receiver both see it."),
        required=False,
        strip=False,
    )
    remember = forms.BooleanField(required=False)
    idempotency_key = forms.UUIDField(
        widget=forms.HiddenInput,
        error_messages={"required": _INCOMPLETE, "invalid": _INCOMPLETE},
    )

    def __init__(self, accounts: Sequence[Account], data=None, initial=None):
        super().__init__(data, initial=initial)
        self.accounts = accounts
        self.key = self.new_key()

    @staticmethod
    def new_key() -> str:
        """Return a key that was never used."""
        return str(uuid.uuid4())

    def clean_from_account_id(self) -> str:
        """Return the id. Whose account it is, the payment finds out (and notes down)."""
        text = self.cleaned_data["from_account_id"]
        if not public_ids.is_canonical(text):
            raise ValidationError(_("Choose the account to send from."))
        return text

    def clean_to_account_number(self) -> str:
        """Return the twelve digits. Raises ValidationError saying what is wrong with them."""
        number = tidy_number(self.cleaned_data["to_account_number"])
        if not (number.isascii() and number.isdigit()):
            raise ValidationError(_("An account number has digits only, such as 1234 5678 9092."))
        if len(number) != 12:
            raise ValidationError(
                _("An account number has 12 digits; this one has {count}.").format(
                    count=len(number)
                )
            )
        if not numbers.is_valid(number):
            raise ValidationError(
                _(
                    "A digit is wrong or two are swapped: the last two digits check the others, "
                    "and they do not fit. Compare it with the number you were given."
                )
            )
        return number

    def clean_payee_name(self) -> str:
        """Return the name. Raises ValidationError for one that no account could have."""
        name = self.cleaned_data["payee_name"]
        if len(name) > NAME_LENGTH or any(map(is_control, name)):
            raise ValidationError(_("Type the name as it is on the account."))
        return name

    def clean_reference(self) -> str:
        """Return the reference in Unicode's normal form C. Raises ValidationError."""
        text = unicodedata.normalize("NFC", self.cleaned_data["reference"])
        if len(text) > REFERENCE_LENGTH:
            raise ValidationError(
                _("A reference has at most {most} characters; this one has {count}.").format(
                    most=REFERENCE_LENGTH, count=len(text)
                )
            )
        if any(map(is_control, text)):
            raise ValidationError(_("A reference cannot hold invisible control characters."))
        return text

    def clean_idempotency_key(self) -> str:
        """Return the key, and keep it in the page."""
        self.key = str(self.cleaned_data["idempotency_key"])
        return self.key

    def clean(self):
        """Judge the amount last: its currency is that of the account chosen."""
        chosen = self.cleaned_data.get("from_account_id")
        currencies = (one.currency for one in self.accounts if one.public_id == chosen)
        _tidy_and_check(self, "amount", next(currencies, settings.DEFAULT_CURRENCY))

    def payment(self) -> Payment:
        """Return what a valid form asks for."""
        names = ("from_account_id", "to_account_number", "amount", "reference")
        key = self.cleaned_data["idempotency_key"]
        return Payment(key=key, **{name: self.cleaned_data[name] for name in names})


class ReceiptForm(forms.Form):
    """What the receiver says arrived, on the page of a payment."""

    received_amount = forms.CharField(
        label=gettext_lazy("What arrived instead"),
        help_text=gettext_lazy("0 if nothing did."),
        error_messages={"required": gettext_lazy("Type the amount that arrived.")},
        widget=forms.TextInput({"size": 14}),
    )

    def __init__(self, currency: str, data=None):
        super().__init__(data)
        self.currency = currency

    def clean(self):
        """Judge the amount; nothing at all may have arrived."""
        _tidy_and_check(self, "received_amount", self.currency, zero_allowed=True)

    def received_minor(self) -> int:
        """Return the minor units that a valid form says."""
        return money.parse(self.cleaned_data["received_amount"], self.currency, zero_allowed=True)


def _tidy_and_check(form: forms.Form, name: str, currency: str, **rules) -> None:
    """Replace the amount in the field `name` by its tidy text, or note what is wrong with it."""
    if name not in form.cleaned_data:
        return
    text = tidy_amount(form.cleaned_data[name], currency)
    try:
        money.parse(text, currency, **rules)
    except money.InvalidAmount as error:
        form.add_error(name, _(error.template).format(**error.facts))
    else:
        form.cleaned_data[name] = text
