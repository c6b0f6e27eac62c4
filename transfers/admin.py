"""Transfers and ledger entries in the back office: shown to staff, changed by nobody."""

from django.contrib import admin
from django.db.models import Q
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from accounts.admin import (
    MOST_ACCOUNTS,
    accounts_named,
    in_words,
    money_cell,
    money_column,
    timeline,
)
from audit.pages import NOTHING, ReadOnlyAdmin, link, short, time_column
from audit.periods import PeriodFilter
from transfers import reversals, webhooks_admin  # noqa: F401  (registers its pages)
from transfers.models import LedgerEntry, Transfer


def _accounts_named(term: str) -> list[int]:
    """Return keys and not a subquery, so that the search uses the indexes on accounts."""
    return list(accounts_named(term).values_list("pk", flat=True)[:MOST_ACCOUNTS])


class FailureCodeFilter(admin.SimpleListFilter):
    """Filters by the reason of a refusal, without asking the table which reasons it holds."""

    title = "failure code"
    parameter_name = "failure_code"

    def lookups(self, request, model_admin):
        """Return the refusals that are recorded."""
        codes = ["insufficient_funds", "daily_limit_exceeded", "account_not_active"]
        return [(code, code) for code in codes]

    def queryset(self, request, queryset):
        """Return the transfers refused for that reason."""
        code = self.value()
        refused = {"status": Transfer.Status.REJECTED, "failure_code": code}  # by an index
        return queryset.filter(**refused) if code else queryset


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    """What was ordered and what became of it."""

    change_form_template = "admin/transfers/transfer/change_form.html"
    list_display = (
        *("created", "short_id", "sender_name", "receiver_name", "amount"),
        *("outcome", "kind", "receipt_status"),
    )
    list_filter = ("status", FailureCodeFilter, "kind", PeriodFilter)
    search_help_text = "Public id, request id, account number, name of either side"
    fieldsets = [
        (None, {"fields": ["public_id", "amount", "sender", "receiver", "reference", "kind"]}),
        ("Outcome", {"fields": ["status", "failure_code", "why", "created", "completed"]}),
        ("Receipt", {"fields": ["receipt_status", "received", "confirmed"]}),
        ("Reversal", {"fields": ["undoes", "reversed_amount", "undone_by"]}),
        ("Order", {"fields": ["ordered_by", "request", "bank_date"]}),
    ]
    ordering = ("-bank_date", "-id")  # as the indexes are
    csv_columns = {
        "id": "public_id",
        "ordered": "created_at",
        "bank_date": "bank_date",
        "kind": "kind",
        "from_account_id": "from_account.public_id",
        "from_account": "from_account.masked_number",
        "from": "from_account.owner_name",
        "to_account_id": "to_account.public_id",
        "to_account": "to_account.masked_number",
        "to": "to_account.owner_name",
        "currency": "currency",
        "amount": money_cell("amount_minor"),
        "status": "status",
        "failure_code": "failure_code",
        "receipt": "receipt_status",
        "sent_back": money_cell("reversed_minor"),
        "reverses": lambda transfer: transfer.reverses and transfer.reverses.public_id,
        "ordered_by": "caller.username",
        "request_id": "request_id",
    }

    amount = money_column("amount_minor", "amount")
    reversed_amount = money_column("reversed_minor", "sent back")
    received = money_column("received_minor", "receiver says")
    created = time_column("created_at", "ordered")
    completed = time_column("completed_at", "completed")
    confirmed = time_column("confirmed_at", "confirmed")

    @admin.display(description="id")
    def short_id(self, transfer) -> str:
        """Show the end of the id."""
        return short(transfer.public_id)

    @admin.display
    def outcome(self, transfer) -> str:
        """Show the status, or why it was refused."""
        return transfer.failure_code or transfer.get_status_display()

    @admin.display(description="from")
    def sender_name(self, transfer) -> str:
        """Show who pays."""
        return transfer.from_account.owner_name

    @admin.display(description="to")
    def receiver_name(self, transfer) -> str:
        """Show who is paid."""
        return transfer.to_account.owner_name

    @admin.display(description="from")
    def sender(self, transfer):
        """Link to the account that pays."""
        return _account_link(transfer.from_account)

    @admin.display(description="to")
    def receiver(self, transfer):
        """Link to the account that is paid."""
        return _account_link(transfer.to_account)

    @admin.display(description="numbers at that moment")
    def why(self, transfer) -> str:
        """Show the numbers that decided a refusal."""
        lines = in_words(transfer.failure_details, transfer.currency)
        return ", ".join(lines) or NOTHING

    @admin.display(description="sends back")
    def undoes(self, transfer):
        """Link to the transfer that this one reverses."""
        return _transfer_link(transfer.reverses) if transfer.reverses else NOTHING

    @admin.display(description="sent back by")
    def undone_by(self, transfer):
        """Link to the transfers that reverse this one, refused ones too."""
        links = [_transfer_link(one) for one in transfer.reversals.order_by("pk")]
        return format_html_join(mark_safe("<br>"), "{}", ((one,) for one in links)) or NOTHING

    @admin.display
    def ordered_by(self, transfer) -> str:
        """Show the user who ordered it."""
        return transfer.caller.username

    @admin.display(description="request id")
    def request(self, transfer):
        """Link to everything that happened in the same request."""
        return link("audit_auditlog_changelist", transfer.request_id, q=transfer.request_id)

    def get_queryset(self, request):
        """Return the transfers with everybody concerned."""
        return super().get_queryset(request).with_parties().select_related("caller")

    def matching(self, term):
        """Find by id, by request or by either side."""
        accounts = _accounts_named(term)
        return (
            Q(public_id=term)
            | Q(request_id=term)
            | Q(from_account__in=accounts)
            | Q(to_account__in=accounts)
        )

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        """Show the transfer with its audit rows."""
        context["timeline"] = timeline(
            obj.currency, object_type="transfer", object_id=obj.public_id
        )
        sides = (obj.from_account, obj.to_account)
        is_own = request.user.pk in {one.customer.user_id for one in sides if one.customer}
        context["can_be_reversed"] = not is_own and reversals.obstacle(obj, 1) is None
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)


def _transfer_link(transfer):
    text = f"{transfer.public_id}, {transfer.get_status_display().lower()}"
    return link("transfers_transfer_change", text, transfer.pk)


def _account_link(account):
    text = f"{account.masked_number} {account.owner_name}"
    return link("accounts_account_change", text, account.pk)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    """What each transfer did to each account."""

    list_display = ("entry", "created", "number", "owner", "amount", "balance_after", "order")
    list_filter = (PeriodFilter,)
    search_help_text = "Account number, name of the owner, public id of the transfer"
    fields = ("sequence", "created", "number", "owner", "amount", "balance_after", "order")
    ordering = ("-bank_date", "-id")  # as the indexes are
    csv_columns = {
        "account_id": "account.public_id",
        "account": "account.masked_number",
        "owner": "account.owner_name",
        "sequence": "sequence",
        "booked": "created_at",
        "bank_date": "bank_date",
        "currency": "account.currency",
        "amount": money_cell("amount_minor", "account.currency"),
        "balance_after": money_cell("balance_after_minor", "account.currency"),
        "transfer_id": "transfer.public_id",
    }

    amount = money_column("amount_minor", "amount", "account.currency")
    balance_after = money_column("balance_after_minor", "balance after", "account.currency")
    created = time_column("created_at", "booked")

    @admin.display
    def entry(self, entry) -> str:
        """Show the entry's place in its account."""
        return f"#{entry.sequence}"

    @admin.display(description="account")
    def number(self, entry):
        """Link to the account."""
        return link("accounts_account_change", entry.account.masked_number, entry.account_id)

    @admin.display
    def owner(self, entry) -> str:
        """Show whose account it is."""
        return entry.account.owner_name

    @admin.display(description="transfer")
    def order(self, entry):
        """Link to the transfer."""
        return link("transfers_transfer_change", short(entry.transfer.public_id), entry.transfer_id)

    def get_queryset(self, request):
        """Return the entries with their accounts and transfers."""
        entries = super().get_queryset(request)
        return entries.select_related("account__customer", "transfer")

    def matching(self, term):
        """Find by account or by transfer."""
        order = Transfer.objects.filter(public_id=term).values_list("pk", flat=True).first()
        return Q(transfer=order) if order else Q(account__in=_accounts_named(term))
