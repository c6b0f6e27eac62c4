"""A transfer as one of its two customers sees it."""

from dataclasses import dataclass

from accounts.models import Account, Customer
from transfers.models import Transfer
from transfers.orders import refusal_of
from transfers.wording import explain


@dataclass(frozen=True, slots=True)
class Side:
    """One customer's view of a transfer that is loaded with its parties."""

    transfer: Transfer
    customer: Customer

    @property
    def sent(self) -> bool:
        """Whether the money left, or would have left, an account of this customer."""
        return self.transfer.from_account.customer_id == self.customer.pk

    @property
    def received(self) -> bool:
        """Whether the money came to an account of this customer."""
        return self.transfer.to_account.customer_id == self.customer.pk

    @property
    def other(self) -> Account:
        """The account at the other end."""
        return self.transfer.to_account if self.sent else self.transfer.from_account

    @property
    def other_name(self) -> str:
        """Who is at the other end, as a person would say it."""
        if self.other.kind == Account.Kind.HOUSE:
            return "cash at the counter"
        return self.other.owner_name

    @property
    def between(self) -> str:
        """The other end with its direction, such as "to Rahul"."""
        if self.sent and self.received:
            return f"to your account {self.other.name}"
        return f"{'to' if self.sent else 'from'} {self.other_name}"

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
            return "Sent" if self.sent else "Received"
        return {
            Transfer.Status.REJECTED: "Refused",
            Transfer.Status.PENDING: "On its way",
            Transfer.Status.CANCELLED: "Cancelled",
        }[self.transfer.status]

    @property
    def reason(self) -> str:
        """Why it was refused, or nothing."""
        refusal = refusal_of(self.transfer)
        return explain(refusal, self.transfer).detail if refusal else ""

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
