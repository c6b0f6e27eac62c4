"""Cash over the counter: a form page each for paying in and paying out."""

from accounts import money
from accounts.staff_views import AccountOperation, NotDone
from transfers import cash
from transfers.orders import Outcome, Refusal
from transfers.staff_forms import CashForm


class CashOperation(AccountOperation):
    """Moves cash between the customer's account and the bank's."""

    permission = "transfers.handle_cash"
    form_class = CashForm

    def get_form_kwargs(self):
        """Return the form's arguments with the account."""
        return {**super().get_form_kwargs(), "account": self.subject}

    def form_invalid(self, form):
        """Show the form again; a refusal is final, so what is sent next is another order."""
        if form.non_field_errors():
            form.renew_key()
        return super().form_invalid(form)

    def carry_out(self, data, origin):
        """Post the transfer. Raises NotDone if it is refused."""
        outcome = self.move(
            self.subject,
            data["amount"],
            reference=data["reference"],
            reason=data["reason"],
            key=data["key"],
            origin=origin,
        )
        if outcome.refusal:
            raise NotDone(_in_words(outcome.refusal, self.subject.currency))
        amount = money.display(outcome.transfer.amount_minor, outcome.transfer.currency)
        return f"{self.done} {amount}, transfer {outcome.transfer.public_id}."

    def move(self, account, amount_minor, **order) -> Outcome:
        """Call the operation."""
        raise NotImplementedError


class Deposit(CashOperation):
    """Pays cash in."""

    title = "Deposit cash"
    button = "Deposit"
    explanation = "Count the cash first."
    done = "Paid in"

    def move(self, account, amount_minor, **order):
        """Credit the account."""
        return cash.deposit(account, amount_minor, **order)


class Withdraw(CashOperation):
    """Pays cash out."""

    title = "Withdraw cash"
    button = "Withdraw"
    explanation = "Hand the cash over after the next page says so. The daily limit stays as it is."
    done = "Paid out"

    def move(self, account, amount_minor, **order):
        """Debit the account."""
        return cash.withdraw(account, amount_minor, **order)


def _in_words(refusal: Refusal, currency: str) -> str:
    """Return why cash did not move, for the person at the counter."""
    match refusal.code:
        case "insufficient_funds":
            available_minor = refusal.details["available_minor"]
            if available_minor < 0:  # the bank's own account, on the other side of a deposit
                return f"Refused: that is more {currency} in cash than the bank’s books can hold."
            return f"Refused: only {money.display(available_minor, currency)} is available."
        case "account_not_active":
            return "Refused: the account is not active."
        case "idempotency_key_reused":
            return (
                "This page was sent before, with something else, and that was carried out or "
                "refused then: look at the account first. Sending it now is a new order."
            )
    return f"Refused: {refusal.code}."
