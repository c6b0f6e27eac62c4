"""How templates write money, account numbers and the bank's name."""

import datetime as dt

from django import template
from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localtime

from accounts import money, numbers, sessions

register = template.Library()


@register.simple_tag
def bank_name() -> str:
    """Return the bank's name (setting BANK_NAME)."""
    return settings.BANK_NAME


@register.simple_tag(takes_context=True)
def session_end(context) -> dict | None:
    """Return when the reader is signed out without another sign, and in how many seconds that is;
    None for strangers."""
    request = context.get("request")
    left = sessions.seconds_left(request) if request else 0
    if not left:
        return None
    return {"at": timezone.now().replace(microsecond=0) + dt.timedelta(seconds=left), "in": left}


@register.filter(name="money")
def in_words_of_money(minor: int, currency: str) -> str:
    """Return minor units as people write them: 2500|money:"INR" -> ₹25.00."""
    return money.display(minor, currency)


@register.filter
def spaced(number: str) -> str:
    """Return an account number in groups of four, as it is easiest to compare."""
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4))


register.filter(numbers.masked)


@register.filter
def plain(minor: int, currency: str) -> str:
    """Return minor units as a form sends them: 2500|plain:"INR" -> 25.00."""
    return money.format(minor, currency)


@register.filter
def sign(currency: str) -> str:
    """Return the currency's sign, or its code if it has none."""
    return money.SYMBOLS.get(currency, currency)


@register.filter
def moment(when) -> str:
    """Return a moment to the minute in the bank's time zone, which is named: 1 May, 16:30 IST."""
    local = localtime(when)
    return f"{date_format(local, 'j F')}, {local:%H:%M %Z}"


@register.filter
def browser(agent: str) -> str:
    """Return what people call the browser and the system that a User-Agent header names."""
    names = [("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome")]
    systems = ["Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux"]
    name = next((name for mark, name in [*names, ("Safari/", "Safari")] if mark in agent), "")
    system = next((one for one in systems if one in agent), "")
    return ", ".join(filter(None, [name, system])) or agent or "?"
