"""The form behind the counter: cash in, cash out."""

import secrets
from functools import partial

from django import forms

from accounts.models import Account
from accounts.staff_forms import LineField, ReasonForm, amount_field
from transfers.models import Transfer

new_key = partial(secrets.token_hex, 16)


class CashForm(ReasonForm):
    """How much cash, what for, and why. The hidden key is made with the page: however often one
    page is sent, the money moves once."""

    amount = amount_field()
    reference = LineField(
        required=False,
        max_length=Transfer._meta.get_field("reference").max_length,
        help_text="The customer will see it.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    field_order = ["amount", "reference", "reason", "key"]
    key = forms.RegexField(r"\A[0-9a-f]{32}\Z", initial=new_key, widget=forms.HiddenInput)

    def __init__(self, *args, account: Account, **kwargs):
        super().__init__(*args, **kwargs)
        self.currency = account.currency
        self.fields["amount"].label = f"Amount in {account.currency}"

    def clean(self):
        """Read the amount as minor units."""
        self.read_amount("amount", self.currency)

    def renew_key(self) -> None:
        """Let the page be sent again as another order, after this one was refused for good."""
        self.data = self.data.copy()
        self.data[self.add_prefix("key")] = new_key()
