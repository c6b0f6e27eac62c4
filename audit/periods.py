"""Choosing rows of a list by the bank's days, worked out in Python.

Django's own date filters ask the database for time zones, and a server that was never given any
answers NULL.
"""

import datetime as dt
import re
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import admin
from django.db.models import Q
from django.utils import timezone

SINCE, UNTIL = "since", "until"
YEARS = range(1970, 3000)  # whose days are days in every time zone


class WrongPeriod(ValueError):
    """What was typed is no period; the message says why, to the member of staff."""


class PeriodFilter(admin.SimpleListFilter):
    """Filters by the bank's days: those of a link, or those from one typed date to another."""

    title = "date"
    parameter_name = "period"
    template = "admin/period_filter.html"
    problem = ""  # what is wrong with the dates; the list is empty then

    def __init__(self, request, params, model, model_admin):
        super().__init__(request, params, model, model_admin)
        self.since, self.until = (params.pop(name, [""])[-1].strip() for name in (SINCE, UNTIL))

    def expected_parameters(self):
        """Return the names of the link's parameter and of both dates."""
        return [self.parameter_name, SINCE, UNTIL]

    def lookups(self, request, model_admin):
        """Return the periods to choose from."""
        return [
            ("today", "Today"),
            ("yesterday", "Yesterday"),
            ("week", "Past 7 days"),
            ("month", "This month"),
        ]

    def choices(self, changelist):
        """Yield the links, and keep for the form what else the list is filtered by."""
        own = self.expected_parameters()
        self.others = [one for one in changelist.params.items() if one[0] not in own]
        chosen = "typed" if self.since or self.until else self.value()
        for value, title in [(None, "All"), *self.lookup_choices]:
            yield {
                "selected": value == chosen,
                "query_string": changelist.get_query_string({self.parameter_name: value}, own[1:]),
                "display": title,
            }

    def queryset(self, request, queryset):
        """Return the rows of the period; all of them if none is chosen, none if it is wrong."""
        try:
            first, last = self.span()
        except WrongPeriod as wrong:
            self.problem = str(wrong)
            return queryset.none()
        return queryset.filter(self.between(first, last)) if first or last else queryset

    def span(self) -> tuple[dt.date | None, dt.date | None]:
        """Return the first and the last day, None where there is no bound. Raises WrongPeriod."""
        if self.since or self.until:
            first, last = _day(self.since), _day(self.until)
            if first and last and last < first:
                raise WrongPeriod("The last day is before the first.")
            return first, last
        today = timezone.localdate(timezone=bank_zone())
        yesterday = today - dt.timedelta(days=1)
        spans = {
            "today": (today, today),
            "yesterday": (yesterday, yesterday),
            "week": (today - dt.timedelta(days=6), today),
            "month": (today.replace(day=1), today),
        }
        return spans.get(self.value(), (None, None))

    def between(self, first: dt.date | None, last: dt.date | None) -> Q:
        """Return the condition for the bank's days from `first` to `last`, both included."""
        return _bounds(bank_date__gte=first, bank_date__lte=last)


class MomentPeriodFilter(PeriodFilter):
    """The same for rows that know their moment and not their bank day."""

    moment = "created_at"

    def between(self, first: dt.date | None, last: dt.date | None) -> Q:
        """Return the condition for the moments of these days."""
        start = first and _midnight(first)
        end = last and _midnight(last + dt.timedelta(days=1))
        return _bounds(**{f"{self.moment}__gte": start, f"{self.moment}__lt": end})


def _bounds(**conditions) -> Q:
    return Q(**{name: value for name, value in conditions.items() if value is not None})


def _day(text: str) -> dt.date | None:
    if not text:
        return None
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) and int(text[:4]) in YEARS:
            return dt.date.fromisoformat(text)
    except ValueError:
        pass
    today = timezone.localdate(timezone=bank_zone())
    raise WrongPeriod(f"“{text[:40]}” is no date. Type one like {today}.")


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time.min, tzinfo=bank_zone())


def bank_zone() -> ZoneInfo:
    """Return the time zone in which staff read dates and times."""
    return ZoneInfo(settings.BANK_TIME_ZONE)


def bank_time(moment: dt.datetime) -> str:
    """Return a moment to the second, in the bank's time zone."""
    return f"{moment.astimezone(bank_zone()):%Y-%m-%d %H:%M:%S}"
