"""The audit log in the back office, and what every read-only page there is made of."""

import datetime as dt
import json
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.text import Truncator

from audit.models import AuditLog

NOTHING = "-"  # an empty cell, as Django writes it

# Where the back office shows an object of an audit row; it is found there by its public id.
PAGES = {
    "account": "accounts_account",
    "customer": "accounts_customer",
    "token": "accounts_apitoken",
    "request": "office_approvalrequest",
    "transfer": "transfers_transfer",
    "webhook": "transfers_webhookendpoint",
}


class NewestPaginator(Paginator):
    """Counts no further than MAX rows: counting millions on every click would take seconds.

    What lies beyond is reached by searching and filtering.
    """

    MAX = 10_000

    @cached_property
    def count(self) -> int:
        """Return the number of rows, at most MAX."""
        return self.object_list[: self.MAX].count()


class ReadOnlyAdmin(admin.ModelAdmin):
    """Pages that show and never change, to superusers as well: no form, no action, no forged POST.

    A subclass says in `matching` what the search box finds; lists stay fast because they neither
    count everything nor sort by columns without an index.
    """

    actions = None
    change_form_template = "admin/read_only.html"
    list_per_page = 50
    ordering = ("-id",)
    paginator = NewestPaginator
    search_fields = ("pk",)  # shows the box; `matching` decides what it finds
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    sortable_by = ()

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def get_object(self, request, object_id, from_field=None):
        """Return the row. Raises PermissionDenied before looking for it, so that the answer says
        nothing to those who may not see it, and Http404 where Django would lead to the index."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = super().get_object(request, object_id, from_field)
        if found is None:
            raise Http404
        return found

    def history_view(self, request, object_id, extra_context=None):
        """Raise Http404: what happened is in the audit log, and Django's own history is empty."""
        raise Http404

    def get_search_results(self, request, queryset, search_term):
        """Return the rows that the search box finds, and that none of them comes twice."""
        term = search_term.strip()
        return (queryset.filter(self.matching(term)) if term else queryset), False

    def matching(self, term: str) -> Q:
        """Return the condition for what was typed into the search box."""
        raise NotImplementedError


class PeriodFilter(admin.SimpleListFilter):
    """Filters by the bank's days, worked out in Python.

    Django's own date filters ask the database for time zones, and a server that was never given
    any answers NULL.
    """

    title = "date"
    parameter_name = "period"

    def lookups(self, request, model_admin):
        """Return the periods to choose from."""
        return [
            ("today", "Today"),
            ("yesterday", "Yesterday"),
            ("week", "Past 7 days"),
            ("month", "This month"),
        ]

    def queryset(self, request, queryset):
        """Return the rows of the chosen period; all of them if none is chosen."""
        today = timezone.localdate(timezone=bank_zone())
        yesterday = today - dt.timedelta(days=1)
        spans = {
            "today": (today, today),
            "yesterday": (yesterday, yesterday),
            "week": (today - dt.timedelta(days=6), today),
            "month": (today.replace(day=1), today),
        }
        span = spans.get(self.value())
        return queryset.filter(self.between(*span)) if span else queryset

    def between(self, first: dt.date, last: dt.date) -> Q:
        """Return the condition for the bank's days from `first` to `last`, both included."""
        return Q(bank_date__range=(first, last))


class MomentPeriodFilter(PeriodFilter):
    """The same for rows that know their moment and not their bank day."""

    moment = "created_at"

    def between(self, first: dt.date, last: dt.date) -> Q:
        """Return the condition for the moments of these days."""
        after = last + dt.timedelta(days=1)
        start, end = f"{self.moment}__gte", f"{self.moment}__lt"
        return Q(**{start: _midnight(first), end: _midnight(after)})


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time.min, tzinfo=bank_zone())


def bank_zone() -> ZoneInfo:
    """Return the time zone in which staff read dates and times."""
    return ZoneInfo(settings.BANK_TIME_ZONE)


def time_column(attribute: str, label: str):
    """Return a column that shows a moment to the second, in the bank's time zone."""

    @admin.display(description=label)
    def column(self, row) -> str:
        moment = getattr(row, attribute)
        return f"{moment.astimezone(bank_zone()):%Y-%m-%d %H:%M:%S}" if moment else NOTHING

    return column


def link(page: str, text: object, *args, **query):
    """Return a link to a page of the back office, such as ("accounts_account_change", "…", 5)."""
    url = reverse(f"admin:{page}", args=args, query=query or None)
    return format_html('<a href="{}">{}</a>', url, text)


def short(public_id: str) -> str:
    """Return enough of an id to tell rows of a list apart: the end, which is random."""
    return f"…{public_id[-8:]}"


def with_actors(rows: QuerySet[AuditLog]) -> QuerySet[AuditLog]:
    """Return the audit rows with `actor_name`, the username of who did it, in the same query."""
    users = get_user_model().objects.filter(pk=OuterRef("actor_id"))
    return rows.annotate(actor_name=Subquery(users.values("username")[:1]))


class AuditLogAdmin(ReadOnlyAdmin):
    """Who did what, when, to which account, in which request.

    Nothing is known of accounts here: the subclass that accounts.admin registers shows the column
    `account`, and finds rows by it.
    """

    list_display = ("at", "action", "actor", "account", "object", "why", "request", "ip")
    list_display_links = ("at",)
    list_filter = ("action", MomentPeriodFilter)
    ordering = ("-created_at", "-id")  # as every index of the table ends
    search_help_text = "Request id, username, public id of a transfer, account, customer or token"
    fields = (
        *("at", "action", "actor", "account", "object", "object_id"),
        *("request_id", "request", "ip", "all_details"),
    )

    at = time_column("created_at", "when")

    def get_queryset(self, request):
        """Return the rows with their actors' names."""
        return with_actors(super().get_queryset(request))

    def matching(self, term):
        """Find by request, by object or by who did it."""
        users = get_user_model().objects.filter(username=term).values_list("pk", flat=True)
        return Q(request_id=term) | Q(object_id=term) | Q(actor_id__in=list(users))

    @admin.display
    def actor(self, row):
        """Link to everything that the same actor did."""
        if row.actor_id is None:
            return NOTHING
        return link("audit_auditlog_changelist", row.actor_name, actor_id=row.actor_id)

    @admin.display
    def object(self, row):
        """Link to the object, if it is one that the back office shows."""
        if row.object_type in ("user", "group"):
            text = f"{row.object_type} {row.object_id}"
            return link(f"auth_{row.object_type}_change", text, row.object_id)
        if row.object_type not in PAGES or not row.object_id:
            return row.object_type
        text = f"{row.object_type} {short(row.object_id)}"
        return link(f"{PAGES[row.object_type]}_changelist", text, q=row.object_id)

    @admin.display(description="reason")
    def why(self, row) -> str:
        """Show the reason that staff gave, or the code of a refusal."""
        return row.details.get("reason") or row.details.get("code") or NOTHING

    @admin.display(description="same request")
    def request(self, row):
        """Link to everything that happened in the same request."""
        if not row.request_id:
            return NOTHING
        text = Truncator(row.request_id).chars(13)
        return link("audit_auditlog_changelist", text, q=row.request_id)

    @admin.display(description="details")
    def all_details(self, row):
        """Show the details as they are stored, amounts in minor units."""
        text = json.dumps(row.details, indent=2, sort_keys=True, ensure_ascii=False)
        return format_html("<pre>{}</pre>", text)
