"""What the back office's read-only pages are made of: lists that stay fast, columns, exports."""

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpResponseRedirect, StreamingHttpResponse
from django.urls import path, reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from audit import export
from audit.models import Action
from audit.operations import Origin, record
from audit.periods import bank_time

NOTHING = "-"  # an empty cell, as Django writes it


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
    """Pages that show and never change, whoever asks: no form, no action, no forged POST.

    A subclass says in `matching` what the search box finds, and in `csv_columns` what an export of
    the list tells; lists stay fast because they neither count everything nor sort by columns
    without an index.
    """

    actions = None
    change_list_template = "admin/list.html"
    csv_columns: export.Columns = {}  # without any, the list is not exported
    export_action = Action.LIST_EXPORTED
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

    def get_urls(self):
        """Return the pages, with the export if there is one."""
        view = self.admin_site.admin_view(require_POST(self.export))
        own = [path("export/", view, name=self._page("export"))] if self.csv_columns else []
        return [*own, *super().get_urls()]

    def changelist_view(self, request, extra_context=None):
        """Show the list, with a button for those who may export it."""
        can_export = self.csv_columns and self.has_export_permission(request)
        url = reverse(f"admin:{self._page('export')}", query=request.GET) if can_export else None
        return super().changelist_view(request, {"export_url": url, **(extra_context or {})})

    def has_export_permission(self, request) -> bool:
        """Return whether this person may take the list out of the house."""
        may_export = request.user.has_perm("audit.export_lists")
        return may_export and self.has_view_permission(request)

    def export(self, request):
        """Send the rows that the list would show as CSV, and audit that. What was searched for is
        not told: it may be somebody's name."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        back = reverse(f"admin:{self._page('changelist')}", query=request.GET)
        try:
            changelist = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(back)
        if any(getattr(one, "problem", "") for one in changelist.filter_specs):
            return HttpResponseRedirect(back)  # which says what is wrong
        record(
            self.export_action,
            Origin.of(request),
            object_type=self.opts.verbose_name_plural,
            object_id="",
            filters={name: text for name, text in request.GET.items() if name != SEARCH_VAR},
            searched=bool(request.GET.get(SEARCH_VAR)),
        )
        return StreamingHttpResponse(
            export.lines(changelist.get_queryset(request), self.csv_columns),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{self.opts.db_table}.csv"'},
        )

    def _page(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"


class QueueFilter(admin.SimpleListFilter):
    """Shows what waits, unless something else is asked for: such a list is a queue."""

    waiting: str  # the choice that needs no parameter

    def value(self):
        """Return what was chosen, else what waits."""
        return super().value() or self.waiting

    def choices(self, changelist):
        """Yield the choices."""
        for value, title in self.lookup_choices:
            yield {
                "selected": value == self.value(),
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }


def time_column(attribute: str, label: str):
    """Return a column that shows a moment to the second, in the bank's time zone."""

    @admin.display(description=label)
    def column(self, row) -> str:
        moment = getattr(row, attribute)
        return bank_time(moment) if moment else NOTHING

    return column


def link(page: str, text: object, *args, **query):
    """Return a link to a page of the back office, such as ("accounts_account_change", "…", 5)."""
    url = reverse(f"admin:{page}", args=args, query=query or None)
    return format_html('<a href="{}">{}</a>', url, text)


def short(public_id: str) -> str:
    """Return enough of an id to tell rows of a list apart: the end, which is random."""
    return f"…{public_id[-8:]}"
