"""The bank's day: the calendar day in the bank's time zone, computed here and never in SQL.

Servers without time-zone tables answer NULL to CONVERT_TZ, which would make every daily limit
look unspent. So the day is a DATE that Python works out and the database only stores.
"""

import datetime as dt
from zoneinfo import ZoneInfo

from django.conf import settings


def zone() -> ZoneInfo:
    """Return the bank's time zone (setting BANK_TIME_ZONE)."""
    return ZoneInfo(settings.BANK_TIME_ZONE)


def of(moment: dt.datetime) -> dt.date:
    """Return the bank's day on which the aware `moment` falls."""
    return moment.astimezone(zone()).date()


def start(day: dt.date) -> dt.datetime:
    """Return the moment (UTC) at which `day` begins."""
    return dt.datetime.combine(day, dt.time.min, tzinfo=zone()).astimezone(dt.UTC)


def end(day: dt.date) -> dt.datetime:
    """Return the moment (UTC) at which `day` is over: the first one of the next bank day."""
    return start(day + dt.timedelta(days=1))
