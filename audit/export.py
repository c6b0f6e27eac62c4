"""Audit rows as CSV, for a spreadsheet or another program."""

import csv
import json
from collections.abc import Iterator

from django.db.models import QuerySet

from audit.models import AuditLog

CHUNK = 1_000
COLUMNS = (
    *("id", "when", "action", "actor", "account", "object", "object_id", "request", "ip"),
    *("details", "sequence", "epoch", "tag", "link"),
)
# What makes a spreadsheet take text for a formula, and run it.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def lines(rows: QuerySet[AuditLog]) -> Iterator[str]:
    """Yield the rows as CSV, the oldest first, in pieces: they need not fit into memory. A row's
    `account_number` and `actor_name` are told if the queryset has them."""
    writer = csv.writer(Echo())
    yield writer.writerow(COLUMNS)
    last = 0
    rows = rows.order_by("id")
    while found := list(rows.filter(id__gt=last)[:CHUNK]):
        last = found[-1].id
        yield "".join(writer.writerow(map(harmless, _cells(row))) for row in found)


def harmless(value: object) -> str:
    """Return the value as text that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _cells(row: AuditLog) -> tuple[object, ...]:
    return (
        *(row.id, row.created_at.isoformat(), row.action, getattr(row, "actor_name", row.actor_id)),
        getattr(row, "account_number", row.account_id),
        *(row.object_type, row.object_id, row.request_id, row.ip),
        json.dumps(row.details, sort_keys=True, ensure_ascii=False),
        *(row.sequence, row.epoch, row.tag, row.link),
    )


class Echo:
    """A file for csv.writer that hands each line back."""

    @staticmethod
    def write(line: str) -> str:
        return line
