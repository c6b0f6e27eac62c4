"""Rows of a list as CSV, for a spreadsheet or another program."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from operator import attrgetter

from django.db.models import Model, QuerySet

CHUNK = 1_000
# What makes a spreadsheet take text for a formula, and run it. A number below zero is a number.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)

# What each heading tells of a row: an attribute, dots reach related rows, or a function of the row.
Columns = Mapping[str, str | Callable[[Model], object]]


def lines(rows: QuerySet, columns: Columns) -> Iterator[str]:
    """Yield the rows as CSV, the oldest first, in pieces: they need not fit into memory.

    Of each piece first the keys are read, by an index, and then these rows with all that is joined
    to them, as for a page of the list.
    """
    writer = csv.writer(Echo())
    yield writer.writerow(columns)
    cells = [one if callable(one) else attrgetter(one) for one in columns.values()]
    last, rows = 0, rows.order_by("pk")
    while keys := list(rows.filter(pk__gt=last).values_list("pk", flat=True)[:CHUNK]):
        last = keys[-1]
        yield "".join(
            writer.writerow([harmless(cell(row)) for cell in cells])
            for row in rows.filter(pk__in=keys)
        )


def harmless(value: object) -> str:
    """Return the value as text that no spreadsheet takes for a formula."""
    if isinstance(value, datetime):
        return value.isoformat()
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text


class Echo:
    """A file for csv.writer that hands each line back."""

    @staticmethod
    def write(line: str) -> str:
        return line
