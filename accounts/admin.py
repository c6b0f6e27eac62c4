"""Customers, accounts, limits and tokens in the back office, and who works there.

Whatever concerns money is shown and never edited; what staff may change are operations with pages
of their own (accounts.staff_views). Users and groups are edited by superusers alone.
"""

import re
from operator import attrgetter

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.urls import path, reverse
from django.utils import timezone

from accounts import bank_day, money, staff_views, tokens
from accounts.models import Account, AccountDailyUsage, ApiToken, Customer
from accounts.staff_tokens import MakeToken
from audit.admin import (
    NOTHING,
    AuditLogAdmin,
    PeriodFilter,
    ReadOnlyAdmin,
    link,
    time_column,
    with_actors,
)
from audit.models import Action, AuditLog
from audit.operations import Origin, record

LATEST = 10  # rows of history on a page; the lists have the rest
MOST_ACCOUNTS = 200  # of one name or beginning of a number, when searching what they did


def money_column(attribute: str, label: str, currency: str = "currency"):
    """Return a column that shows minor units as people write them.

    Attributes of related rows are reached with dots: load them in the same query.
    """
    minor_of, currency_of = attrgetter(attribute), attrgetter(currency)

    @admin.display(description=label)
    def column(self, row) -> str:
        minor = minor_of(row)
        return NOTHING if minor is None else money.display(minor, currency_of(row))

    return column


def accounts_named(term: str) -> QuerySet[Account]:
    """Return the accounts meant by `term`: the start of a number, however it is spaced; a public
    id, the account's or its customer's; or a part of the owner's name."""
    digits = re.sub(r"[\s-]", "", term)
    if re.fullmatch("[0-9]{1,12}", digits):
        return Account.objects.filter(number__startswith=digits)
    return Account.objects.filter(
        Q(public_id=term) | Q(customer__public_id=term) | Q(customer__name__icontains=term)
    )


def timeline(currency: str, **about) -> dict:
    """Return what admin/timeline.html shows: the latest audit rows about something, newest first.

    `about` is the filter, also for the link to all of them. Amounts are shown in `currency`.
    """
    rows = with_actors(AuditLog.objects.filter(**about)).order_by("-created_at", "-id")
    return {
        "rows": [(row, in_words(row.details, currency)) for row in rows[:LATEST]],
        "list": reverse("admin:audit_auditlog_changelist", query=about),
    }


def in_words(details: dict, currency: str) -> list[str]:
    """Return the details of an audit row or of a refusal as lines for people."""
    lines = []
    for name in sorted(details, key=lambda name: (name != "before", name != "after", name)):
        value = details[name]
        if isinstance(value, dict):
            lines += [f"{name}: {line}" for line in in_words(value, currency)]
        elif name.endswith("_minor"):
            title = name.removesuffix("_minor").replace("_", " ")
            lines.append(f"{title} {money.display(value, currency)}")
        elif name != "currency" and value not in ("", None):
            lines.append(f"{name.replace('_', ' ')} {value}")
    return lines


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    """Who the customers are, and their accounts."""

    change_form_template = "admin/accounts/customer/change_form.html"
    list_display = ("name", "username", "opened", "public_id")
    search_help_text = "Name, username, public id, or the number of an account"
    fields = ("name", "username", "opened", "public_id")

    opened = time_column("created_at", "opened")

    @admin.display(description="signs in as")
    def username(self, customer) -> str:
        """Show the name to sign in with."""
        return customer.user.username

    def get_queryset(self, request):
        """Return the customers with their users."""
        return super().get_queryset(request).select_related("user")

    def matching(self, term):
        """Find by who it is or by what the customer owns."""
        return (
            Q(name__icontains=term)
            | Q(user__username=term)
            | Q(public_id=term)
            | Q(pk__in=accounts_named(term).values("customer_id"))
        )

    def get_urls(self):
        """Return the pages, with the operations on customers."""
        view = self.admin_site.admin_view
        return [
            path(
                "open/",
                view(staff_views.OpenCustomer.as_view()),
                name="accounts_customer_open",
            ),
            path(
                "<int:customer_id>/open-account/",
                view(staff_views.OpenAccount.as_view()),
                name="accounts_account_open",
            ),
            *super().get_urls(),
        ]

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        """Show the customer with the accounts and the latest changes."""
        context["accounts"] = obj.accounts.order_by("pk")
        context["timeline"] = timeline("", object_type="customer", object_id=obj.public_id)
        context["is_own"] = obj.user_id == request.user.pk
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    """What an account holds, may do and has done."""

    change_form_template = "admin/accounts/account/change_form.html"
    list_display = (
        *("number", "owner_name", "name", "status", "kind"),
        *("balance", "available", "daily_limit"),
    )
    list_filter = ("status", "kind")
    search_help_text = "Account number or its beginning, name of the owner, public id"
    fields = ("number", "name", "owner", "status", "kind", "currency", "opened", "public_id")

    balance = money_column("balance_minor", "balance")
    available = money_column("available_minor", "available")
    daily_limit = money_column("daily_limit_minor", "daily limit")
    opened = time_column("created_at", "opened")

    @admin.display(description="owner")
    def owner_name(self, account) -> str:
        """Show whose account it is."""
        return account.owner_name

    @admin.display(description="owner")
    def owner(self, account):
        """Link to the customer; the bank's own accounts have none."""
        if account.customer is None:
            return "the bank"
        return link("accounts_customer_change", account.customer, account.customer_id)

    def get_queryset(self, request):
        """Return the accounts with their owners."""
        return super().get_queryset(request).select_related("customer")

    def matching(self, term):
        """Find by number, owner or public id."""
        return Q(pk__in=accounts_named(term))

    def get_urls(self):
        """Return the pages, with the operations on accounts."""
        view = self.admin_site.admin_view
        return [
            path(
                "<int:account_id>/freeze/",
                view(staff_views.Freeze.as_view()),
                name="accounts_account_freeze",
            ),
            path(
                "<int:account_id>/verify/",
                view(staff_views.Verify.as_view()),
                name="accounts_account_verify",
            ),
            *super().get_urls(),
        ]

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        """Show the account with its figures, and its history as far as the viewer may see it."""
        used_minor = AccountDailyUsage.used_on(obj, bank_day.of(timezone.now()))
        left_minor = max(0, obj.daily_limit_minor - used_minor)
        figures = [
            ("Balance", obj.balance_minor),
            ("Held", obj.held_minor),
            ("Available", obj.available_minor),
        ]
        if obj.kind == Account.Kind.CUSTOMER:
            figures += [
                ("Daily limit", obj.daily_limit_minor),
                ("Used today", used_minor),
                ("Left today", left_minor),
            ]
        context["figures"] = [
            (label, money.display(minor, obj.currency)) for label, minor in figures
        ]
        context["timeline"] = timeline(obj.currency, account_id=obj.pk)
        context["is_own"] = obj.customer is not None and obj.customer.user_id == request.user.pk
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)


@admin.register(AccountDailyUsage)
class AccountDailyUsageAdmin(ReadOnlyAdmin):
    """How much of its daily limit an account used, day by day."""

    list_display = ("bank_date", "number", "owner", "used", "daily_limit")
    list_filter = (PeriodFilter,)
    search_help_text = "Account number or its beginning, name of the owner, public id"
    fields = ("bank_date", "number", "owner", "used", "daily_limit")

    used = money_column("used_minor", "used", "account.currency")
    daily_limit = money_column("account.daily_limit_minor", "daily limit now", "account.currency")

    @admin.display(description="account")
    def number(self, usage):
        """Link to the account."""
        return link("accounts_account_change", usage.account.number, usage.account_id)

    @admin.display
    def owner(self, usage) -> str:
        """Show whose account it is."""
        return usage.account.owner_name

    def get_queryset(self, request):
        """Return the usage with accounts and owners."""
        return super().get_queryset(request).select_related("account__customer")

    def matching(self, term):
        """Find by account."""
        return Q(account__in=accounts_named(term))


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Which programs may act for whom; the tokens themselves are known to nobody."""

    change_form_template = "admin/accounts/apitoken/change_form.html"
    list_display = ("hint", "name", "username", "state", "scopes", "last_used", "expires")
    search_help_text = "How the token begins, username, name of the customer, public id"
    fields = (
        *("hint", "name", "username", "state", "scopes", "allowed_ips"),
        *("created", "last_used", "rotated", "expires", "revoked", "public_id"),
    )

    last_used = time_column("last_used_at", "last used")
    rotated = time_column("rotated_at", "rotated")
    created = time_column("created_at", "made")
    expires = time_column("expires_at", "expires")
    revoked = time_column("revoked_at", "revoked")

    @admin.display(description="acts for")
    def username(self, token) -> str:
        """Show whose token it is."""
        return token.user.username

    @admin.display
    def state(self, token) -> str:
        """Show whether the token still opens something."""
        if token.revoked_at:
            return "revoked"
        return "expired" if token.expires_at <= timezone.now() else "valid"

    def get_queryset(self, request):
        """Return the tokens with their users."""
        return super().get_queryset(request).select_related("user")

    def matching(self, term):
        """Find by token or by whom it acts for."""
        return (
            Q(public_id=term)
            | Q(hint=term)
            | Q(user__username=term)
            | Q(user__customer__name__icontains=term)
        )

    def get_urls(self):
        """Return the pages, with the operations on tokens."""
        return [
            path(
                "<int:token_id>/revoke/",
                self.admin_site.admin_view(staff_views.RevokeToken.as_view()),
                name="accounts_apitoken_revoke",
            ),
            path(
                "make/<int:customer_id>/",
                self.admin_site.admin_view(MakeToken.as_view()),
                name="accounts_apitoken_make",
            ),
            *super().get_urls(),
        ]

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        """Show the token with what happened to it."""
        context["timeline"] = timeline("", object_type="token", object_id=obj.public_id)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)


@admin.register(AuditLog)
class AccountAuditLogAdmin(AuditLogAdmin):
    """The audit log, in which accounts have numbers and owners."""

    search_help_text = f"{AuditLogAdmin.search_help_text}, account number, name of the customer"

    def get_queryset(self, request):
        """Return the rows with the numbers of their accounts."""
        accounts = Account.objects.filter(pk=OuterRef("account_id"))
        return (
            super()
            .get_queryset(request)
            .annotate(account_number=Subquery(accounts.values("number")[:1]))
        )

    def matching(self, term):
        """Find also by account and by customer, concerned or only named."""
        accounts = list(accounts_named(term)[:MOST_ACCOUNTS])
        customers = Customer.objects.filter(name__icontains=term)[:MOST_ACCOUNTS]
        named = [name for one in accounts for name in (one.public_id, one.number)]
        named += [one.public_id for one in customers]
        keys = [one.pk for one in accounts]
        return super().matching(term) | Q(account_id__in=keys) | Q(object_id__in=named)

    @admin.display
    def account(self, row):
        """Link to the account concerned."""
        if row.account_id is None:
            return NOTHING
        text = row.account_number or row.account_id  # the log outlives what it speaks of
        return link("accounts_account_change", text, row.account_id)


# --- Who may sign in --------------------------------------------------------------------------


class SuperusersAdmin(admin.ModelAdmin):
    """Pages on which superusers decide who may do what, and every change is audited with it."""

    actions = None
    object_type: str
    # Fields whose values go into the audit log. Names and passwords never do.
    standing = ()

    def has_add_permission(self, request):
        return request.user.is_superuser

    def has_change_permission(self, request, obj=None):
        return request.user.is_superuser

    def has_delete_permission(self, request, obj=None):
        return request.user.is_superuser

    def history_view(self, request, object_id, extra_context=None):
        """Show the history. Raises PermissionDenied before looking whether there is such a row,
        so that its answer says nothing to those who may not know."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)

    def save_related(self, request, form, formsets, change):
        """Save what belongs to the row, and audit the change in the same transaction."""
        super().save_related(request, form, formsets, change)
        told = [name for name in form.changed_data if name in self.standing]
        self.audit(
            request,
            form.instance,
            changed=sorted(form.changed_data),
            before={name: _plain(form.initial[name]) for name in told if name in form.initial},
            after={name: _plain(form.cleaned_data[name]) for name in told},
        )

    def delete_model(self, request, obj):
        """Delete the row, and audit that in the same transaction."""
        self.audit(request, obj, deleted=True)
        super().delete_model(request, obj)

    def audit(self, request, obj, **details) -> None:
        """Write an audit row about a user or a group."""
        record(
            Action.USER_CHANGED,
            Origin.of(request),
            object_type=self.object_type,
            object_id=str(obj.pk),
            **details,
        )


def _plain(value: object) -> object:
    """Return a flag as it is and a choice of rows as their names, for JSON."""
    return value if isinstance(value, bool) else sorted(str(one) for one in value)


admin.site.unregister([User, Group])


@admin.register(User)
class SafeUserAdmin(SuperusersAdmin, UserAdmin):
    """Who signs in. Nobody is ever deleted, only deactivated: the audit log speaks of them."""

    object_type = "user"
    standing = ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")
    show_full_result_count = False

    def has_delete_permission(self, request, obj=None):
        return False

    def get_fieldsets(self, request, obj=None):
        """Return the fields; what is stored of a password is for those who may change it."""
        fieldsets = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj):
            return fieldsets
        return [(None, {"fields": ("username",)}), *fieldsets[1:]]

    def user_change_password(self, request, id, form_url=""):
        """Set somebody's password, end the tokens made with the old one, and audit all that in the
        same transaction."""
        with transaction.atomic():
            response = super().user_change_password(request, id, form_url)
            # Django also redirects back to the same page, to say that it did nothing.
            if response.status_code == 302 and response.url != request.get_full_path():
                user = self.get_object(request, id)
                self.audit(request, user, changed=["password"])
                tokens.revoke_all(user, origin=Origin.of(request), reason="Password changed")
        return response


@admin.register(Group)
class SafeGroupAdmin(SuperusersAdmin, GroupAdmin):
    """What each role may do."""

    object_type = "group"
    standing = ("permissions",)
