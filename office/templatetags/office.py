"""What a page shows of requests, for pages of apps that know nothing of them."""

from django import template

from accounts.models import Account
from office.models import ApprovalRequest

register = template.Library()


@register.inclusion_tag("admin/office/waiting.html", takes_context=True)
def waiting_requests(context, account: Account) -> dict:
    """Show what somebody asked for about the account and nobody decided yet."""
    waiting = ApprovalRequest.objects.filter(
        account=account, status=ApprovalRequest.Status.PENDING
    ).select_related("maker")
    return {
        "requests": waiting.order_by("pk"),
        "currency": account.currency,
        "perms": context["perms"],
    }
