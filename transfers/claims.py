"""Work that waits in a table, taken by any number of processes, each piece by one at a time.

A row is claimed by pushing its next attempt beyond the time that one attempt may take, in a short
transaction. A process that dies keeps nothing: the claim runs out, and another takes the row.
"""

import datetime as dt

from django.db.models import F, QuerySet
from django.utils import timezone

LOOKED_AT = 20


def claim(waiting: QuerySet, next_ones: QuerySet, seconds: float):
    """Return the row that is due for the longest time, so that nobody else gets it for so many
    `seconds`, with its attempt counted; None if there is none.

    `next_ones` are those of the rows `waiting` whose turn it is.
    """
    now = timezone.now()
    due = next_ones.filter(next_attempt_at__lte=now).order_by("next_attempt_at")
    for key in list(due.values_list("pk", flat=True)[:LOOKED_AT]):
        one = waiting.filter(pk=key, next_attempt_at__lte=now)
        if found := one.select_for_update(skip_locked=True).first():
            take([found], seconds)
            return found
    return None


def take(locked: list, seconds: float) -> None:
    """Claim these rows, which the caller has locked, for so many `seconds`."""
    if not locked:
        return
    until = timezone.now() + dt.timedelta(seconds=seconds)
    taken = type(locked[0]).objects.filter(pk__in=[row.pk for row in locked])
    taken.update(next_attempt_at=until, attempts=F("attempts") + 1)
    for row in locked:
        row.attempts += 1
