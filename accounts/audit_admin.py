"""The audit log as the back office shows it: accounts have numbers there, masked, and owners."""

from django.contrib import admin
from django.db.models import OuterRef, Q, Subquery

from accounts.admin import MOST_ACCOUNTS, accounts_named
from accounts.models import Account, Customer
from accounts.numbers import is_valid, mask_all, masked
from audit.admin import AuditLogAdmin, details_of
from audit.models import AuditLog
from audit.pages import NOTHING, link


@admin.register(AuditLog)
class AccountAuditLogAdmin(AuditLogAdmin):
    """The audit log, in which accounts have numbers and owners."""

    search_help_text = f"{AuditLogAdmin.search_help_text}, account number, name of the customer"
    csv_columns = {
        **AuditLogAdmin.csv_columns,
        "object_id": lambda row: mask_all(row.object_id),
        "details": lambda row: mask_all(details_of(row)),
    }

    def get_queryset(self, request):
        """Return the rows with the numbers of their accounts."""
        accounts = Account.objects.filter(pk=OuterRef("account_id"))
        return (
            super()
            .get_queryset(request)
            .annotate(
                account_number=Subquery(accounts.values("number")[:1]),
                account_public_id=Subquery(accounts.values("public_id")[:1]),
            )
        )

    def matching(self, term):
        """Find also by account and by customer, concerned or only named."""
        accounts = list(accounts_named(term)[:MOST_ACCOUNTS])
        customers = Customer.objects.filter(name__icontains=term)[:MOST_ACCOUNTS]
        named = [name for one in accounts for name in (one.public_id, one.number)]
        named += [one.public_id for one in customers]
        keys = [one.pk for one in accounts]
        return super().matching(term) | Q(account_id__in=keys) | Q(object_id__in=named)

    def shown(self, text):
        """Return the text without the numbers by which orders named accounts."""
        return mask_all(text)

    @admin.display
    def object(self, row):
        """Link to the object, unless it is a number that somebody typed."""
        if is_valid(row.object_id):
            return f"{row.object_type} {masked(row.object_id)}"
        return super().object(row)

    @admin.display
    def account(self, row):
        """Link to the account concerned."""
        if row.account_id is None:
            return NOTHING
        number = row.account_number
        text = masked(number) if number else row.account_id  # the log outlives what it speaks of
        return link("accounts_account_change", text, row.account_id)
