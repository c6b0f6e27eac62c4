"""Cash over the counter: a form page each for paying in and paying out. Much cash takes two."""

from accounts import money
from accounts.staff_views import AccountOperation, NotDone
from office import approvals
from office.models import ApprovalRequest
from office.staff_forms import CashForm
from office.staff_views import NOW_WAITS
from transfers import cash
from transfers.orders import Outcome
from transfers.wording import to_staff


class CashOperation(AccountOperation):
    """Moves cash between the customer's account and the bank's."""

    permission = "transfers.handle_cash"
    form_class = CashForm
    refusals = (*AccountOperation.refusals, approvals.NotPossible)
    kind: str

    def get_form_kwargs(self):
        """Return the form's arguments with the account."""
        return {**super().get_form_kwargs(), "account": self.subject}

    def form_invalid(self, form):
        """Show the form again; a refusal is final, so what is sent next is another order."""
        if form.non_field_errors():
            form.renew_key()
        return super().form_invalid(form)

    def carry_out(self, data, origin):
        """Post the transfer, or ask for it if it is too much for one. Raises NotDone if the
        transfer is refused."""
        order = {name: data[name] for name in ("reference", "reason", "key")} | {"origin": origin}
        if data["amount"] > approvals.cash_bound_minor(self.subject.currency):
            approvals.ask_for_cash(self.kind, self.subject, data["amount"], **order)
            return NOW_WAITS
        outcome = self.move(self.subject, data["amount"], **order)
        if outcome.refusal:
            raise NotDone(to_staff(outcome.refusal, self.subject.currency))
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
    kind = ApprovalRequest.Kind.DEPOSIT

    def move(self, account, amount_minor, **order):
        """Credit the account."""
        return cash.deposit(account, amount_minor, **order)


class Withdraw(CashOperation):
    """Pays cash out."""

    title = "Withdraw cash"
    button = "Withdraw"
    explanation = "Hand the cash over after the next page says so. The daily limit stays as it is."
    done = "Paid out"
    kind = ApprovalRequest.Kind.WITHDRAW

    def move(self, account, amount_minor, **order):
        """Debit the account."""
        return cash.withdraw(account, amount_minor, **order)
