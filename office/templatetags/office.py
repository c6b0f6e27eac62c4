"""What a page shows of requests, for pages of apps that know nothing of them."""

from django import template

from accounts.models import Account
from office.models import ApprovalRequest
from transfers.models import Transfer

register = template.Library()


@register.inclusion_tag("admin/office/waiting.html", takes_context=True)
def waiting_requests(context, account: Account) -> dict:
    """Show what somebody asked for about the account and nobody decided yet."""
    return _waiting(context, account.currency, account=account)


@register.inclusion_tag("admin/office/waiting.html", takes_context=True)
def waiting_reversals(context, transfer: Transfer) -> dict:
    """Show the requests to reverse the transfer that nobody decided yet."""
    return _waiting(context, transfer.currency, reverses=transfer)


def _waiting(context, currency: str, **about) -> dict:
    requests = ApprovalRequest.objects.filter(status=ApprovalRequest.Status.PENDING, **about)
    requests = requests.select_related("maker").order_by("pk")
    return {"requests": requests, "currency": currency, "perms": context["perms"]}
