"""The audit log in the back office, and what is known of its being right."""

import datetime as dt
import json

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator

from audit.models import Action, AuditLog, Seal
from audit.pages import NOTHING, ReadOnlyAdmin, link, short, time_column
from audit.periods import MomentPeriodFilter, bank_time

EVERY_DAY = dt.timedelta(hours=25)  # that a daily job may be late

# Where the back office shows an object of an audit row; it is found there by its public id.
PAGES = {
    "account": "accounts_account",
    "customer": "accounts_customer",
    "token": "accounts_apitoken",
    "request": "office_approvalrequest",
    "transfer": "transfers_transfer",
    "webhook": "transfers_webhookendpoint",
}


def with_actors(rows: QuerySet[AuditLog]) -> QuerySet[AuditLog]:
    """Return the audit rows with `actor_name`, the username of who did it, in the same query."""
    users = get_user_model().objects.filter(pk=OuterRef("actor_id"))
    return rows.annotate(actor_name=Subquery(users.values("username")[:1]))


def last_check(*actions: Action) -> dict[str, object] | None:
    """Return when something was last proved as a whole, what was found and how many rows were
    read: by the newest row of these actions. `is_old` is what a daily job has missed."""
    said = AuditLog.objects.filter(action__in=actions, object_id="")
    row = said.order_by("-created_at", "-id").first()
    if row is None:
        return None
    found = row.details.get("wrong")
    return {
        "at": bank_time(row.created_at),
        "is_wrong": bool(found),
        "wrong": found,
        "is_old": timezone.now() - row.created_at > EVERY_DAY,
        "rows": row.details,
    }


def last_verification() -> dict[str, object] | None:
    """Return when the whole log was last verified, and what was found."""
    return last_check(Action.AUDIT_VERIFIED, Action.AUDIT_FOUND_WRONG)


def last_seal() -> dict[str, object] | None:
    """Return when the chains were last sealed, and the number of that seal."""
    seal = Seal.objects.order_by("number").last()
    return {"at": bank_time(seal.sealed_at), "number": seal.number} if seal else None


def details_of(row: AuditLog, **layout) -> str:
    """Return the details of a row as JSON."""
    return json.dumps(row.details, sort_keys=True, ensure_ascii=False, **layout)


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
        *("at", "action", "actor", "account", "object", "named"),
        *("request_id", "request", "ip", "all_details"),
        *("place", "epoch", "tag", "link"),
    )

    export_action = Action.AUDIT_EXPORTED
    csv_columns = {
        "id": "id",
        "when": "created_at",
        "action": "action",
        "actor": "actor_name",
        "account": "account_public_id",
        "object": "object_type",
        "object_id": "object_id",
        "request": "request_id",
        "ip": "ip",
        "details": details_of,
        "sequence": "sequence",
        "epoch": "epoch",
        "tag": "tag",
        "link": "link",
    }

    at = time_column("created_at", "when")

    def get_queryset(self, request):
        """Return the rows with their actors' names."""
        return with_actors(super().get_queryset(request))

    def changelist_view(self, request, extra_context=None):
        """Show the list under what is known of its being right."""
        known = {"verified": last_verification(), "sealed": last_seal()}
        return super().changelist_view(request, {**known, **(extra_context or {})})

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

    @admin.display(description="object id")
    def named(self, row) -> str:
        """Show the object's id."""
        return self.shown(row.object_id)

    def shown(self, text: str) -> str:
        """Return what may be shown of a text of the log."""
        return text

    @admin.display(description="details")
    def all_details(self, row):
        """Show the details as they are stored, amounts in minor units."""
        return format_html("<pre>{}</pre>", self.shown(details_of(row, indent=2)))
