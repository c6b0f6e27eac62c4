"""The forms of the desk: cash, reversals, and decisions about what others ask for."""

import secrets
from functools import partial

from django import forms

from accounts import money
from accounts.models import Account
from accounts.staff_forms import (
    REASON_LENGTH,
    LineField,
    ReasonForm,
    StaffForm,
    amount_field,
)
from transfers import reversals
from transfers.models import Transfer

new_key = partial(secrets.token_hex, 16)


class OnceForm(ReasonForm):
    """A form about money. The hidden key is made with the page: however often one page is sent,
    the money moves once."""

    key = forms.RegexField(r"\A[0-9a-f]{32}\Z", initial=new_key, widget=forms.HiddenInput)

    def renew_key(self) -> None:
        """Let the page be sent again as another order, after this one was refused for good."""
        self.data = self.data.copy()
        self.data[self.add_prefix("key")] = new_key()


class CashForm(OnceForm):
    """How much cash, what for, and why."""

    amount = amount_field()
    reference = LineField(
        required=False,
        max_length=Transfer._meta.get_field("reference").max_length,
        help_text="The customer will see it.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    field_order = ["amount", "reference", "reason", "key"]

    def __init__(self, *args, account: Account, **kwargs):
        super().__init__(*args, **kwargs)
        self.currency = account.currency
        self.fields["amount"].label = f"Amount in {account.currency}"

    def clean(self):
        """Read the amount as minor units."""
        self.read_amount("amount", self.currency)


class ReversalForm(OnceForm):
    """How much of a transfer is to be sent back, and why."""

    amount = amount_field()
    field_order = ["amount", "reason", "key"]

    def __init__(self, *args, original: Transfer, **kwargs):
        super().__init__(*args, **kwargs)
        self.currency = original.currency
        left = reversals.left_minor(original)
        self.fields["amount"].label = f"Amount in {self.currency}"
        self.fields["amount"].initial = money.format(left, self.currency)
        self.fields[
            "amount"
        ].help_text = f"All of it, or a part: {money.display(left, self.currency)} is left."

    def clean(self):
        """Read the amount as minor units."""
        self.read_amount("amount", self.currency)


class AnswerForm(StaffForm):
    """What the checker adds to an approval, if anything."""

    reason = LineField(
        label="Remark",
        required=False,
        max_length=REASON_LENGTH,
        help_text="Goes into the audit log, for good. May stay empty.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )


class NoteForm(StaffForm):
    """What was found out about a dispute."""

    text = LineField(
        label="Note", max_length=1000, widget=forms.TextInput(attrs={"class": "vTextField"})
    )
