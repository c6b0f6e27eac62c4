"""A transfer as one of its two customers sees it."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from accounts import money
from accounts.models import Account, Customer
from transfers import guidance, reversals
from transfers.models import Transfer


@dataclass(frozen=True, slots=True)
class Side:
    """One customer's view of a transfer that is loaded with its parties; as seen from `account`,
    if the customer has both of its ends."""

    transfer: Transfer
    customer: Customer
    account: Account | None = None

    @property
    def sent(self) -> bool:
        """Whether the money left, or would have left, an account of this customer."""
        return self._is_mine(self.transfer.from_account)

    @property
    def received(self) -> bool:
        """Whether the money came to an account of this customer."""
        return self._is_mine(self.transfer.to_account)

    def _is_mine(self, end: Account) -> bool:
        if self.account:
            return end.pk == self.account.pk
        return end.customer_id == self.customer.pk

    @property
    def other(self) -> Account:
        """The account at the other end."""
        return self.transfer.to_account if self.sent else self.transfer.from_account

    @property
    def other_name(self) -> str:
        """Who is at the other end, as a person would say it."""
        if self.other.kind == Account.Kind.HOUSE:
            return _("cash at the counter")
        return self.other.owner_name

    @property
    def between(self) -> str:
        """The other end with its direction, such as "to Rahul"."""
        if self.other.customer_id == self.customer.pk and self.sent:
            return _("to your account {name}").format(name=self.other.name)
        if self.other.customer_id == self.customer.pk:
            return _("from your account {name}").format(name=self.other.name)
        words = _("to {name}") if self.sent else _("from {name}")
        return words.format(name=self.other_name)

    @property
    def completed(self) -> bool:
        """Whether the money moved."""
        return self.transfer.status == Transfer.Status.COMPLETED

    @property
    def refused(self) -> bool:
        """Whether it was refused, so that nothing moved."""
        return self.transfer.status == Transfer.Status.REJECTED

    @property
    def is_reversal(self) -> bool:
        """Whether the bank sends money back by it."""
        return self.transfer.kind == Transfer.Kind.REVERSAL

    @property
    def sent_back(self) -> list[Transfer]:
        """By what the bank has sent the money of this transfer back, oldest first."""
        if not self.transfer.reversed_minor:
            return []
        done = self.transfer.reversals.filter(status=Transfer.Status.COMPLETED)
        return list(done.order_by("pk"))

    @property
    def kept_minor(self) -> int:
        """How much of it has not been sent back."""
        return reversals.left_minor(self.transfer)

    @property
    def can_repeat(self) -> bool:
        """Whether this customer can order the same once more: cash and reversals are the bank's."""
        return self.sent and self.transfer.kind == Transfer.Kind.PAYMENT

    @property
    def status(self) -> str:
        """What became of it, in a word or two."""
        if self.completed and self.is_reversal:
            return _("Sent back by the bank")
        if self.completed:
            return _("Sent") if self.sent else _("Received")
        return {
            Transfer.Status.REJECTED: _("Refused"),
            Transfer.Status.PENDING: _("On its way"),
            Transfer.Status.CANCELLED: _("Cancelled"),
        }[self.transfer.status]

    @property
    def status_with_receipt(self) -> str:
        """The status, and how much was sent back or whether the receiver has confirmed it."""
        if self.transfer.reversed_minor and not self.kept_minor:
            return _("{status}, all of it sent back").format(status=self.status)
        if self.transfer.reversed_minor:
            back = money.display(self.transfer.reversed_minor, self.transfer.currency)
            return _("{status}, {amount} of it sent back").format(status=self.status, amount=back)
        if self.can_confirm and self.transfer.kind == Transfer.Kind.PAYMENT:
            return _("{status}, please confirm").format(status=self.status)
        receipt = self.transfer.receipt_status
        if self.completed and receipt == Transfer.Receipt.CONFIRMED:
            return _("{status}, confirmed").format(status=self.status)
        if self.completed and receipt == Transfer.Receipt.DISPUTED:
            return _("{status}, disputed").format(status=self.status)
        return self.status

    @property
    def reason(self) -> str:
        """Why it was refused, or nothing."""
        return guidance.reason(self.transfer)

    @property
    def sign(self) -> str:
        """Plus for what came, minus for what left, nothing for what did neither."""
        if not self.completed or self.sent and self.received:
            return ""
        return "\N{MINUS SIGN}" if self.sent else "+"

    @property
    def can_confirm(self) -> bool:
        """Whether this customer has still to say what arrived."""
        unconfirmed = self.transfer.receipt_status == Transfer.Receipt.UNCONFIRMED
        is_there = self.completed and not self.is_reversal and self.kept_minor > 0
        return self.received and is_there and unconfirmed
