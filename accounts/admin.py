"""Customers, accounts, limits and tokens in the back office.

Whatever concerns money is shown and never edited; what staff may change are operations with pages
of their own (accounts.staff_views). Account numbers and e-mail addresses are masked, here as on all
pages of the back office: whoever needs them reveals them, which is audited.
"""

import re
from operator import attrgetter

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.urls import path, reverse
from django.utils import timezone

from accounts import bank_day, mail, money, staff_views, users_admin  # noqa: F401
from accounts.models import Account, AccountDailyUsage, ApiToken, Customer
from accounts.numbers import mask_all
from accounts.staff_tokens import MakeToken
from audit.admin import with_actors
from audit.models import AuditLog
from audit.pages import NOTHING, ReadOnlyAdmin, link, time_column
from audit.periods import PeriodFilter

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


def money_cell(attribute: str, currency: str = "currency"):
    """Return what an export tells of minor units: the plain amount, its currency stands beside."""
    minor_of, currency_of = attrgetter(attribute), attrgetter(currency)

    def cell(row) -> str:
        minor = minor_of(row)
        return "" if minor is None else money.format(minor, currency_of(row))

    return cell


def accounts_named(term: str) -> QuerySet[Account]:
    """Return the accounts meant by `term`: the start of a number, however it is spaced, or its last
    four digits; a public id, the account's or its customer's; or a part of the owner's name."""
    digits = re.sub(r"[\s-]", "", term)
    if re.fullmatch("[0-9]{4}", digits):
        return Account.objects.filter(Q(number__startswith=digits) | Q(number__endswith=digits))
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
            lines.append(mask_all(f"{name.replace('_', ' ')} {value}"))
    return lines


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    """Who the customers are, and their accounts."""

    change_form_template = "admin/accounts/customer/change_form.html"
    change_list_template = "admin/accounts/customer/change_list.html"
    list_display = ("name", "username", "opened", "public_id")
    search_help_text = "Name, username, public id, or the number of an account"
    fields = ("name", "username", "may_sign_in", "email", "opened", "public_id")

    opened = time_column("created_at", "opened")

    @admin.display(description="signs in as")
    def username(self, customer) -> str:
        """Show the name to sign in with."""
        return customer.user.username

    @admin.display(description="may sign in", boolean=True)
    def may_sign_in(self, customer) -> bool:
        """Show whether the door opens."""
        return customer.user.is_active

    @admin.display(description="e-mail")
    def email(self, customer) -> str:
        """Show whether there is an address."""
        return mail.masked(customer.user.email)

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
        pages = [
            ("open/", staff_views.OpenCustomer, "customer_open"),
            ("<int:customer_id>/open-account/", staff_views.OpenAccount, "account_open"),
            ("<int:customer_id>/update/", staff_views.ChangeCustomer, "customer_update"),
            ("<int:customer_id>/close/", staff_views.CloseCustomer, "customer_close"),
            ("<int:customer_id>/reveal/", staff_views.RevealCustomer, "customer_reveal"),
        ]
        wrap = self.admin_site.admin_view
        own = [
            path(url, wrap(view.as_view()), name=f"accounts_{name}") for url, view, name in pages
        ]
        return [*own, *super().get_urls()]

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
        *("masked_number", "owner_name", "name", "status", "kind"),
        *("balance", "available", "daily_limit"),
    )
    list_filter = ("status", "kind")
    search_help_text = "Account number, its beginning or last four digits, owner, public id"
    fields = ("masked_number", "name", "owner", "status", "kind", "currency", "opened", "public_id")
    csv_columns = {
        "id": "public_id",
        "number": "masked_number",
        "owner": "owner_name",
        "name": "name",
        "kind": "kind",
        "status": "status",
        "currency": "currency",
        "balance": money_cell("balance_minor"),
        "available": money_cell("available_minor"),
        "daily_limit": money_cell("daily_limit_minor"),
        "opened": "created_at",
    }

    balance = money_column("balance_minor", "balance")
    available = money_column("available_minor", "available")
    daily_limit = money_column("daily_limit_minor", "daily limit")
    opened = time_column("created_at", "opened")

    @admin.display(description="number")
    def masked_number(self, account) -> str:
        """Show how the number ends."""
        return account.masked_number

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
    search_help_text = "Account number, its beginning or last four digits, owner, public id"
    fields = ("bank_date", "number", "owner", "used", "daily_limit")
    ordering = ("-bank_date", "-id")  # as the index is
    csv_columns = {
        "bank_date": "bank_date",
        "account_id": "account.public_id",
        "account": "account.masked_number",
        "owner": "account.owner_name",
        "currency": "account.currency",
        "used": money_cell("used_minor", "account.currency"),
        "daily_limit_now": money_cell("account.daily_limit_minor", "account.currency"),
    }

    used = money_column("used_minor", "used", "account.currency")
    daily_limit = money_column("account.daily_limit_minor", "daily limit now", "account.currency")

    @admin.display(description="account")
    def number(self, usage):
        """Link to the account."""
        return link("accounts_account_change", usage.account.masked_number, usage.account_id)

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
