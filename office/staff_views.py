"""Asking for what needs two people, and deciding it."""

from collections.abc import Callable

from django.contrib import messages
from django.shortcuts import get_object_or_404
from django.urls import reverse

from accounts import money, operations
from accounts.staff_forms import LimitForm, ReasonForm
from accounts.staff_views import AccountOperation, Operation
from office import approvals
from office.models import ApprovalRequest
from office.staff_forms import AnswerForm, ReversalForm
from transfers.models import Transfer

NOW_WAITS = "Your request waits for somebody else to approve it."


class ChangeLimit(AccountOperation):
    """Lowers the daily limit at once; to raise it is a request."""

    permission = "accounts.change_limit"
    title = "Change daily limit"
    button = "Change limit"
    form_class = LimitForm
    explanation = (
        "A lower limit holds at once, a higher one when somebody else has approved it. What was "
        "already sent today stays counted."
    )
    refusals = (*AccountOperation.refusals, approvals.NotPossible, operations.NotLower)

    def get_form_kwargs(self):
        """Return the form's arguments with the account."""
        return {**super().get_form_kwargs(), "account": self.subject}

    def carry_out(self, data, origin):
        """Lower the limit, no other column is written; or ask for a higher one."""
        limit_minor, why = data["daily_limit"], {"reason": data["reason"], "origin": origin}
        if limit_minor > self.subject.daily_limit_minor:
            approvals.ask_for_limit(self.subject, limit_minor, **why)
            return NOW_WAITS
        operations.lower_daily_limit(self.subject, limit_minor, **why)
        return f"The daily limit is now {money.display(limit_minor, self.subject.currency)}."


class StatusRequest(AccountOperation):
    """Asks for another status of the account: a subclass names what is asked for."""

    form_class = ReasonForm
    refusals = (*AccountOperation.refusals, approvals.NotPossible)
    ask: Callable[..., ApprovalRequest]

    def carry_out(self, data, origin):
        """Ask for it."""
        self.ask(self.subject, reason=data["reason"], origin=origin)
        return NOW_WAITS


class Unfreeze(StatusRequest):
    """Asks to let money move again."""

    permission = "accounts.freeze_account"
    title = "Unfreeze account"
    button = "Ask to unfreeze"
    explanation = "Money moves again when somebody else has approved it."
    ask = staticmethod(approvals.ask_to_unfreeze)


class Close(StatusRequest):
    """Asks to close the account for good."""

    permission = "office.request_closing"
    title = "Close account"
    button = "Ask to close"
    explanation = "It must be empty. A closed account never opens again."
    ask = staticmethod(approvals.ask_to_close)


class Reverse(Operation):
    """Asks to send a transfer or a part of it back."""

    permission = "office.request_reversal"
    title = "Reverse transfer"
    button = "Ask to reverse"
    explanation = (
        "When somebody else has approved it, the money goes back by a transfer of its own. What "
        "was booked stays booked."
    )
    form_class = ReversalForm
    refusals = (*Operation.refusals, approvals.NotPossible)

    def find(self, transfer_id: int) -> Transfer:
        """Return the transfer with both sides."""
        return get_object_or_404(Transfer.objects.with_parties(), pk=transfer_id)

    def is_for(self, user):
        """Return whether neither side is this person's own."""
        sides = (self.subject.from_account, self.subject.to_account)
        return user.pk not in {one.customer.user_id for one in sides if one.customer}

    def get_form_kwargs(self):
        """Return the form's arguments with the transfer."""
        return {**super().get_form_kwargs(), "original": self.subject}

    def facts(self):
        """Return who paid whom, and what can still be had back."""
        transfer = self.subject
        available = transfer.to_account.available_minor
        facts = [
            ("Amount", money.display(transfer.amount_minor, transfer.currency)),
            ("From", f"{transfer.from_account.masked_number} {transfer.from_account.owner_name}"),
            ("To", f"{transfer.to_account.masked_number} {transfer.to_account.owner_name}"),
            ("Sent back", money.display(transfer.reversed_minor, transfer.currency)),
        ]
        if transfer.to_account.customer:
            facts.append(("The receiver has", money.display(available, transfer.currency)))
        return facts

    def carry_out(self, data, origin):
        """Ask for it."""
        approvals.ask_to_reverse(
            self.subject, data["amount"], key=data["key"], reason=data["reason"], origin=origin
        )
        return NOW_WAITS

    def page(self):
        """Return the transfer's page."""
        return reverse("admin:transfers_transfer_change", args=[self.subject.pk])


class Decision(Operation):
    """One way to end a request. A subclass names the operation and what it did."""

    permission = "office.decide_approvalrequest"
    form_class = ReasonForm
    refusals = (*Operation.refusals, approvals.NotPossible)
    end: Callable[..., ApprovalRequest]
    meant: str
    done: str

    def find(self, request_id: int) -> ApprovalRequest:
        """Return the request with everybody concerned."""
        requests = ApprovalRequest.objects.select_related(
            *("account__customer", "maker"),
            *("reverses__from_account__customer", "reverses__to_account__customer"),
        )
        return get_object_or_404(requests, pk=request_id)

    def is_for(self, user):
        """Return whether this is a second person, and not one that it concerns."""
        return user.pk not in {self.subject.maker_id, *approvals.owners_of(self.subject)}

    def facts(self):
        """Return what is asked for."""
        return facts_of(self.subject)

    def carry_out(self, data, origin):
        """End the request."""
        request = self.end(self.subject, answer=data["reason"], origin=origin)
        if request.status != self.meant:
            self.level = messages.WARNING
            return f"{request.get_status_display()}. {request.answer}".strip()
        return self.done

    def page(self):
        """Return the request's page."""
        return reverse("admin:office_approvalrequest_change", args=[self.subject.pk])


class Approve(Decision):
    """Lets it happen, at once."""

    title = "Approve request"
    button = "Approve and do it"
    form_class = AnswerForm
    explanation = "It is done at once. You answer for it together with whoever asked."
    done = "Approved and done."
    meant = ApprovalRequest.Status.APPROVED
    end = staticmethod(approvals.approve)


class Refuse(Decision):
    """Says no."""

    title = "Refuse request"
    button = "Refuse"
    explanation = "Nothing is done. Whoever asked can ask again."
    done = "Refused. Nothing was done."
    meant = ApprovalRequest.Status.REFUSED
    end = staticmethod(approvals.refuse)


class Withdraw(Decision):
    """Takes one's own request back."""

    permission = "office.view_approvalrequest"
    title = "Withdraw request"
    button = "Withdraw"
    explanation = "Nothing is done, and nobody needs to decide any more."
    done = "Withdrawn. Nothing was done."
    meant = ApprovalRequest.Status.WITHDRAWN
    end = staticmethod(approvals.withdraw)

    def is_for(self, user):
        """Return whether this is who asked."""
        return self.subject.maker_id == user.pk


def facts_of(request: ApprovalRequest) -> list[tuple[str, str]]:
    """Return what a request asks for, as a page shows it."""
    account = request.account
    facts = [
        ("Request", request.get_kind_display()),
        ("Account", f"{account.masked_number} {account.owner_name}"),
    ]
    match request.kind:
        case ApprovalRequest.Kind.RAISE_LIMIT:
            facts.append(("Limit now", money.display(account.daily_limit_minor, account.currency)))
        case ApprovalRequest.Kind.CLOSE:
            facts.append(("Balance", money.display(account.balance_minor, account.currency)))
        case ApprovalRequest.Kind.WITHDRAW:
            facts.append(("Available", money.display(account.available_minor, account.currency)))
        case ApprovalRequest.Kind.REVERSE:
            original = request.reverses
            facts += [
                ("Of a transfer of", money.display(original.amount_minor, original.currency)),
                ("Sent back so far", money.display(original.reversed_minor, original.currency)),
                ("Back to", original.from_account.owner_name),
                ("The receiver has", money.display(account.available_minor, account.currency)),
            ]
    if request.amount_minor is not None:
        facts.append(("Wanted", money.display(request.amount_minor, account.currency)))
    return [*facts, ("Asked by", request.maker.username), ("Reason", request.reason)]
