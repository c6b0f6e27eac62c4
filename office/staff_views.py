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
from office.staff_forms import AnswerForm

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
    refusals = (*AccountOperation.refusals, approvals.NotPossible)

    def get_form_kwargs(self):
        """Return the form's arguments with the account."""
        return {**super().get_form_kwargs(), "account": self.subject}

    def carry_out(self, data, origin):
        """Lower the limit, no other column is written; or ask for a higher one."""
        limit_minor, why = data["daily_limit"], {"reason": data["reason"], "origin": origin}
        if limit_minor > self.subject.daily_limit_minor:
            approvals.ask_for_limit(self.subject, limit_minor, **why)
            return NOW_WAITS
        operations.change_daily_limit(self.subject, limit_minor, **why)
        return f"The daily limit is now {money.display(limit_minor, self.subject.currency)}."


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
        requests = ApprovalRequest.objects.select_related("account__customer", "maker")
        return get_object_or_404(requests, pk=request_id)

    def owner_id(self):
        """Return the user who owns the account concerned."""
        return self.subject.account.customer.user_id

    def is_for(self, user):
        """Return whether this is a second person, and not one that it concerns."""
        return super().is_for(user) and self.subject.maker_id != user.pk

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
        ("Account", f"{account.number} {account.owner_name}"),
    ]
    match request.kind:
        case ApprovalRequest.Kind.RAISE_LIMIT:
            facts.append(("Limit now", money.display(account.daily_limit_minor, account.currency)))
    if request.amount_minor is not None:
        facts.append(("Wanted", money.display(request.amount_minor, account.currency)))
    return [*facts, ("Asked by", request.maker.username), ("Reason", request.reason)]
