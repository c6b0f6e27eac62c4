"""A transfer as one of its two customers sees it."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from accounts.models import Account, Customer
from transfers import guidance
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
    def status(self) -> str:
        """What became of it, in a word or two."""
        if self.completed:
            return _("Sent") if self.sent else _("Received")
        return {
            Transfer.Status.REJECTED: _("Refused"),
            Transfer.Status.PENDING: _("On its way"),
            Transfer.Status.CANCELLED: _("Cancelled"),
        }[self.transfer.status]

    @property
    def status_with_receipt(self) -> str:
        """The status, and whether the receiver has confirmed it."""
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
        return self.received and self.completed and unconfirmed
