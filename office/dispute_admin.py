"""The queue of disputes."""

from django.contrib import admin
from django.db.models import Q
from django.urls import path, reverse

from accounts.admin import accounts_named, money_cell, money_column, timeline
from audit.pages import NOTHING, QueueFilter, ReadOnlyAdmin, link, short, time_column
from audit.periods import MomentPeriodFilter
from office import dispute_views
from transfers.models import Dispute


class OpenedFilter(MomentPeriodFilter):
    """Filters by the bank's day on which a receipt was disputed."""

    title = "disputed on"
    moment = "opened_at"


class StateFilter(QueueFilter):
    """Filters by whether a dispute is open, and how it was resolved."""

    title = "state"
    parameter_name = "state"
    waiting = "open"

    def lookups(self, request, model_admin):
        """Return open, each way to resolve, and all together."""
        return [("open", "Open"), *Dispute.Resolution.choices, ("all", "All")]

    def queryset(self, request, queryset):
        """Return the disputes in the chosen state."""
        match self.value():
            case "all":
                return queryset
            case "open":
                return queryset.filter(resolution=None)
            case resolution:
                return queryset.filter(resolution=resolution)


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    """Receipts that do not fit what was sent."""

    change_form_template = "admin/transfers/dispute/change_form.html"
    list_display = ("opened", "short_id", "sender", "receiver", "amount", "received", "state")
    list_filter = (StateFilter, OpenedFilter)
    search_help_text = "Public id of the transfer, account number, name of either side"
    fields = ("order", "opened", "state", "resolved", "by")
    csv_columns = {
        "transfer_id": "transfer.public_id",
        "disputed": "opened_at",
        "from": "transfer.from_account.owner_name",
        "to": "transfer.to_account.owner_name",
        "currency": "transfer.currency",
        "amount": money_cell("transfer.amount_minor", "transfer.currency"),
        "receiver_says": money_cell("transfer.received_minor", "transfer.currency"),
        "sent_back": money_cell("transfer.reversed_minor", "transfer.currency"),
        "resolution": "resolution",
        "resolved": "resolved_at",
        "resolved_by": lambda dispute: dispute.resolved_by and dispute.resolved_by.username,
    }

    opened = time_column("opened_at", "disputed")
    resolved = time_column("resolved_at", "resolved")
    amount = money_column("transfer.amount_minor", "amount", "transfer.currency")
    received = money_column("transfer.received_minor", "receiver says", "transfer.currency")

    @admin.display(description="transfer")
    def short_id(self, dispute) -> str:
        """Show the end of the transfer's id."""
        return short(dispute.transfer.public_id)

    @admin.display(description="transfer")
    def order(self, dispute):
        """Link to the transfer."""
        transfer = dispute.transfer
        return link("transfers_transfer_change", transfer.public_id, transfer.pk)

    @admin.display(description="from")
    def sender(self, dispute) -> str:
        """Show who paid."""
        return dispute.transfer.from_account.owner_name

    @admin.display(description="to")
    def receiver(self, dispute) -> str:
        """Show who disputes."""
        return dispute.transfer.to_account.owner_name

    @admin.display
    def state(self, dispute) -> str:
        """Show whether it is open, or how it was resolved."""
        return dispute.get_resolution_display() or "Open"

    @admin.display(description="resolved by")
    def by(self, dispute) -> str:
        """Show who resolved it."""
        return dispute.resolved_by.username if dispute.resolved_by else NOTHING

    def get_queryset(self, request):
        """Return the disputes with everybody concerned."""
        return dispute_views.with_sides()

    def matching(self, term):
        """Find by transfer or by either side."""
        accounts = list(accounts_named(term).values_list("pk", flat=True)[:200])
        return (
            Q(transfer__public_id=term)
            | Q(transfer__from_account__in=accounts)
            | Q(transfer__to_account__in=accounts)
        )

    def get_urls(self):
        """Return the pages, with what staff write."""
        wrap = self.admin_site.admin_view
        return [
            path("<int:dispute_id>/note/", wrap(dispute_views.Note.as_view()), name="office_note"),
            path(
                "<int:dispute_id>/explain/",
                wrap(dispute_views.Explain.as_view()),
                name="office_explain",
            ),
            *super().get_urls(),
        ]

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        """Show both sides' facts, the notes, and what happened."""
        context["facts"] = dispute_views.facts_of(obj)
        context["notes"] = obj.notes.select_related("author").order_by("pk")
        context["is_own"] = request.user.pk in dispute_views.owners_of(obj)
        context["reverse_url"] = reverse("admin:office_reverse", args=[obj.transfer_id])
        context["timeline"] = timeline(
            obj.transfer.currency, object_type="transfer", object_id=obj.transfer.public_id
        )
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)
