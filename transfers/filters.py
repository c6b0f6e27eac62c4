"""What lists of transfers and entries can be asked for. What is known and wrong is 400."""

import datetime as dt

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from accounts import money
from accounts.models import Account
from accounts.serializers import query, query_choice, query_date, query_id
from transfers.models import Transfer
from transfers.serializers import check_amount


def transfers(request: Request) -> list[QuerySet]:
    """Return the transfers that the caller may see and asks for: by account, direction, status,
    bank dates and amounts. They come in parts, an account and a direction each, because each of
    those is one index in the order of the list."""
    user, currency = request.user, query(request, "currency")
    mine = Account.objects.visible_to(user)
    if currency is not None and currency not in money.EXPONENTS:
        raise ValidationError({"currency": "This is not a currency that we know."})
    account_id, direction = query_id(request, "account_id"), _direction(request)
    sees_all = user.is_staff and user.has_perm("transfers.view_transfer")
    if sees_all and direction and not account_id:
        raise ValidationError({"direction": "Say of which account_id."})
    if account_id:
        account = get_object_or_404(mine, public_id=account_id)
        currency = currency or account.currency
    if sees_all and not account_id:
        parts = [Transfer.objects.all()]
    elif sees_all:
        parts = _sides([account], None, direction)
    else:
        own = list(Account.objects.filter(customer__user=user).order_by("pk"))
        wanted = [one for one in own if not account_id or one == account]
        parts = _sides(wanted, own, direction)
    return [_asked_for(request, part, currency) for part in parts]


def _sides(
    accounts: list[Account], mine: list[Account] | None, direction: str | None
) -> list[QuerySet]:
    """Return what the accounts sent, and what they received. A refused transfer to one of them is
    seen by its sender only: `mine` are the caller's accounts, None for staff."""
    parts = []
    for account in accounts:
        if direction != "in":
            parts.append(Transfer.objects.filter(from_account=account))
        if direction != "out":
            received = Transfer.objects.filter(to_account=account)
            if mine is not None:
                refused = Q(status=Transfer.Status.REJECTED)
                received = received.filter(~refused | Q(from_account__in=mine))
            parts.append(received)
    return parts


def _asked_for(request: Request, found: QuerySet, currency: str | None) -> QuerySet:
    if status := query_choice(request, "status", Transfer.Status.values):
        found = found.filter(status=status)
    if query(request, "currency"):
        found = found.filter(currency=currency)
    least, most = _amounts(request, currency)
    if least is not None or most is not None:
        found = found.filter(currency=currency)  # 100 yen are not 100 paise
    if least is not None:
        found = found.filter(amount_minor__gte=least)
    if most is not None:
        found = found.filter(amount_minor__lte=most)
    return _between_dates(request, found)


def entries(request: Request, found: QuerySet, currency: str) -> QuerySet:
    """Return those of an account's entries that the caller asks for: by direction, bank dates and
    amounts, which count without their sign."""
    direction = _direction(request)
    least, most = _amounts(request, currency)
    comes, goes = Q(amount_minor__gt=0), Q(amount_minor__lt=0)
    if least is not None:
        comes, goes = comes & Q(amount_minor__gte=least), goes & Q(amount_minor__lte=-least)
    if most is not None:
        comes, goes = comes & Q(amount_minor__lte=most), goes & Q(amount_minor__gte=-most)
    if direction or least is not None or most is not None:
        found = found.filter({"in": comes, "out": goes}.get(direction, comes | goes))
    return _between_dates(request, found)


def _direction(request: Request) -> str | None:
    return query_choice(request, "direction", ["in", "out"])


def period(request: Request) -> tuple[dt.date | None, dt.date | None]:
    """Return the bank dates `since` and `until`, each None if not given. Raises ValidationError."""
    since, until = query_date(request, "since"), query_date(request, "until")
    if since and until and until < since:
        raise ValidationError({"until": "This must not be before since."})
    return since, until


def _between_dates(request: Request, found: QuerySet) -> QuerySet:
    since, until = period(request)
    if since:
        found = found.filter(bank_date__gte=since)
    if until:
        found = found.filter(bank_date__lte=until)
    return found


def _amounts(request: Request, currency: str | None) -> tuple[int | None, int | None]:
    bounds = []
    for name in ("min_amount", "max_amount"):
        text = query(request, name)
        if text is not None and currency is None:
            raise ValidationError({name: "Say of which currency or account_id."})
        bounds.append(
            None if text is None else check_amount(name, text, currency, zero_allowed=True)
        )
    least, most = bounds
    if least is not None and most is not None and most < least:
        raise ValidationError({"max_amount": "This must not be below min_amount."})
    return least, most
