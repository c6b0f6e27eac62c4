"""The audit log in the back office, and what every read-only page there is made of."""

import datetime as dt
import json
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpResponseRedirect, StreamingHttpResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.text import Truncator
from django.views.decorators.http import require_POST

from audit import export
from audit.models import Action, AuditLog, Seal
from audit.operations import WHOLE_LOG, Origin, record

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
        return self.object_list.order_by().values("pk")[: self.MAX].count()  # sorts nothing

    def page(self, number):
        """Return a page of rows: first their keys, by an index, and then these rows with all that
        is joined to them. In one statement MariaDB may begin at the small tables and sort what it
        joins: 94 seconds at a million transfers.
        """
        page = super().page(number)
        keys = list(page.object_list.values_list("pk", flat=True))
        rows = {row.pk: row for row in self.object_list.order_by().filter(pk__in=keys)}
        page.object_list = [rows[key] for key in keys if key in rows]
        return page


class KeyedChangeList(ChangeList):
    """A list that always comes from its paginator, also when it fits on one page."""

    def get_results(self, request):
        """Read the rows of this page."""
        super().get_results(request)
        if not self.multi_page:
            self.result_list = self.paginator.page(1).object_list


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

    def get_changelist(self, request, **kwargs):
        """Return the class that reads a page of the list."""
        return KeyedChangeList

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
        return bank_time(moment) if moment else NOTHING

    return column


def bank_time(moment: dt.datetime) -> str:
    """Return a moment to the second, in the bank's time zone."""
    return f"{moment.astimezone(bank_zone()):%Y-%m-%d %H:%M:%S}"


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


def last_verification() -> dict[str, object] | None:
    """Return when the whole log was last verified, and what was found."""
    said = AuditLog.objects.filter(
        action__in=[Action.AUDIT_VERIFIED, Action.AUDIT_FOUND_WRONG], object_type=WHOLE_LOG
    )
    row = said.order_by("-created_at", "-id").first()
    if row is None:
        return None
    wrong = row.details.get("wrong")
    return {"at": bank_time(row.created_at), "is_wrong": bool(wrong), "wrong": wrong}


def last_seal() -> dict[str, object] | None:
    """Return when the chains were last sealed, and the number of that seal."""
    seal = Seal.objects.order_by("number").last()
    return {"at": bank_time(seal.sealed_at), "number": seal.number} if seal else None


class AuditLogAdmin(ReadOnlyAdmin):
    """Who did what, when, to which account, in which request.

    Nothing is known of accounts here: the subclass that accounts.admin registers shows the column
    `account`, and finds rows by it.
    """

    change_list_template = "admin/audit/auditlog/change_list.html"
    list_display = ("at", "action", "actor", "account", "place", "object", "why", "request", "ip")
    list_display_links = ("at",)
    list_filter = ("action", MomentPeriodFilter)
    ordering = ("-created_at", "-id")  # as every index of the table ends
    search_help_text = "Request id, username, public id of a transfer, account, customer or token"
    fields = (
        *("at", "action", "actor", "account", "object", "object_id"),
        *("request_id", "request", "ip", "all_details"),
        *("place", "epoch", "tag", "link"),
    )

    at = time_column("created_at", "when")

    def get_queryset(self, request):
        """Return the rows with their actors' names."""
        return with_actors(super().get_queryset(request))

    def get_urls(self):
        """Return the pages, with the export."""
        view = self.admin_site.admin_view(require_POST(self.export))
        return [path("export/", view, name="audit_auditlog_export"), *super().get_urls()]

    def changelist_view(self, request, extra_context=None):
        """Show the list under what is known of its being right."""
        known = {"verified": last_verification(), "sealed": last_seal()}
        return super().changelist_view(request, {**known, **(extra_context or {})})

    def export(self, request):
        """Send the rows that the list would show as CSV, and audit that. What was searched for is
        not told: it may be somebody's name."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            rows = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(reverse("admin:audit_auditlog_changelist"))
        record(
            Action.AUDIT_EXPORTED,
            Origin.of(request),
            object_type=WHOLE_LOG,
            object_id="",
            filters={name: text for name, text in request.GET.items() if name != SEARCH_VAR},
            searched=bool(request.GET.get(SEARCH_VAR)),
        )
        return StreamingHttpResponse(
            export.lines(rows),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="audit_log.csv"'},
        )

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

    @admin.display(description="chain")
    def place(self, row) -> str:
        """Show the row's place in the chain of its account."""
        return NOTHING if row.sequence is None else f"#{row.sequence}"

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
