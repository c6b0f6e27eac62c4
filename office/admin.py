"""The inbox: what one member of staff asked for and another must decide."""

from django.contrib import admin
from django.db.models import Q
from django.urls import path
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import audit_admin  # noqa: F401  (registers its page)
from accounts.admin import accounts_named, money_cell, money_column, timeline
from audit.pages import NOTHING, QueueFilter, ReadOnlyAdmin, link, time_column
from audit.periods import MomentPeriodFilter
from office import approvals, cash_views, dispute_admin, staff_views  # noqa: F401
from office.models import ApprovalRequest


class RequestPeriodFilter(MomentPeriodFilter):
    """Filters by the bank's day on which a request was made."""

    title = "asked on"
    moment = "made_at"


class StatusFilter(QueueFilter):
    """Filters by what became of a request."""

    title = "status"
    parameter_name = "status"
    waiting = ApprovalRequest.Status.PENDING

    def lookups(self, request, model_admin):
        """Return every status, and all of them together."""
        return [*ApprovalRequest.Status.choices, ("all", "All")]

    def queryset(self, request, queryset):
        """Return the requests of the chosen status."""
        return queryset if self.value() == "all" else queryset.filter(status=self.value())


def _transfer_link(transfer):
    if transfer is None:
        return NOTHING
    return link("transfers_transfer_change", transfer.public_id, transfer.pk)


@admin.register(ApprovalRequest)
class ApprovalRequestAdmin(ReadOnlyAdmin):
    """Requests with their reasons, and what became of them."""

    change_form_template = "admin/office/approvalrequest/change_form.html"
    list_display = ("made", "kind", "number", "owner", "wanted", "asked_by", "why", "state")
    list_filter = (StatusFilter, "kind", RequestPeriodFilter)
    search_help_text = "Public id, username of who asked or decided, account number, owner"
    fields = (
        *("state", "kind", "account_link", "wanted", "reason", "asked_by", "made", "expires"),
        *("decided_by", "decided", "answer", "original", "made_transfer", "public_id"),
    )
    csv_columns = {
        "id": "public_id",
        "asked": "made_at",
        "kind": "kind",
        "account_id": "account.public_id",
        "account": "account.masked_number",
        "owner": "account.owner_name",
        "currency": "account.currency",
        "wanted": money_cell("amount_minor", "account.currency"),
        "reason": "reason",
        "asked_by": "maker.username",
        "status": "status",
        "decided_by": lambda request: request.checker and request.checker.username,
        "decided": "decided_at",
        "answer": "answer",
        "reverses": lambda request: request.reverses and request.reverses.public_id,
        "result": lambda request: request.result and request.result.public_id,
    }

    made = time_column("made_at", "asked")
    expires = time_column("expires_at", "stale from")
    decided = time_column("decided_at", "decided")
    wanted = money_column("amount_minor", "wanted", "account.currency")

    @admin.display(description="account")
    def number(self, request) -> str:
        """Show how the account's number ends."""
        return request.account.masked_number

    @admin.display(description="account")
    def account_link(self, request):
        """Link to the account."""
        text = f"{request.account.masked_number} {request.account.owner_name}"
        return link("accounts_account_change", text, request.account_id)

    @admin.display(description="transfer to reverse")
    def original(self, request):
        """Link to the transfer that is to be sent back."""
        return _transfer_link(request.reverses)

    @admin.display(description="resulting transfer")
    def made_transfer(self, request):
        """Link to the transfer that came of it."""
        return _transfer_link(request.result)

    @admin.display
    def owner(self, request) -> str:
        """Show whose account it is."""
        return request.account.owner_name

    @admin.display(description="asked by")
    def asked_by(self, request) -> str:
        """Show the maker."""
        return request.maker.username

    @admin.display(description="decided by")
    def decided_by(self, request) -> str:
        """Show the checker."""
        return request.checker.username if request.checker else "nobody"

    @admin.display(description="reason")
    def why(self, request) -> str:
        """Show why it is asked for."""
        return request.reason

    @admin.display(description="status")
    def state(self, request) -> str:
        """Show what became of it."""
        return request.get_status_display()

    def get_queryset(self, request):
        """Return the requests with everybody concerned."""
        requests = super().get_queryset(request)
        return requests.select_related(
            *("account__customer", "maker", "checker", "result"),
            *("reverses__from_account__customer", "reverses__to_account__customer"),
        )

    def matching(self, term):
        """Find by who asked or decided, or by account."""
        return (
            Q(public_id=term)
            | Q(maker__username=term)
            | Q(checker__username=term)
            | Q(account__in=accounts_named(term))
        )

    def get_urls(self):
        """Return the pages, with those that ask and those that decide."""
        pages = [
            ("limit/<int:account_id>/", staff_views.ChangeLimit, "limit"),
            ("unfreeze/<int:account_id>/", staff_views.Unfreeze, "unfreeze"),
            ("close/<int:account_id>/", staff_views.Close, "close"),
            ("deposit/<int:account_id>/", cash_views.Deposit, "deposit"),
            ("withdraw/<int:account_id>/", cash_views.Withdraw, "withdraw_cash"),
            ("reverse/<int:transfer_id>/", staff_views.Reverse, "reverse"),
            ("<int:request_id>/approve/", staff_views.Approve, "approve"),
            ("<int:request_id>/refuse/", staff_views.Refuse, "refuse"),
            ("<int:request_id>/withdraw/", staff_views.Withdraw, "withdraw"),
        ]
        wrap = self.admin_site.admin_view
        own = [path(url, wrap(view.as_view()), name=f"office_{name}") for url, view, name in pages]
        return [*own, *super().get_urls()]

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        """Show the request, what may be done with it, and its history."""
        waits = obj.status == ApprovalRequest.Status.PENDING
        is_stale = obj.expires_at <= timezone.now()
        context["is_maker"] = obj.maker_id == request.user.pk
        context["can_withdraw"] = waits and context["is_maker"]
        context["can_decide"] = waits and request.user.pk not in {
            obj.maker_id,
            *approvals.owners_of(obj),
        }
        context["is_stale"] = waits and is_stale
        context["facts"] = staff_views.facts_of(obj)
        context["timeline"] = timeline(
            obj.account.currency, object_type="request", object_id=obj.public_id
        )
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)


# Keys of phones are nobody's to read or edit; who lost a phone gets a new one (second_factor).
admin.site.unregister([TOTPDevice, StaticDevice])
