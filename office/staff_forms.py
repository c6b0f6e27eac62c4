"""The forms behind what needs two people."""

from django import forms

from accounts.staff_forms import REASON_LENGTH, LineField, StaffForm


class AnswerForm(StaffForm):
    """What the checker adds to an approval, if anything."""

    reason = LineField(
        label="Remark",
        required=False,
        max_length=REASON_LENGTH,
        help_text="Goes into the audit log, for good. May stay empty.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
