"""The back office's first page: what the bank did today, what waits, and whether the books agree.

Days that are over do not change any more, so their figures are counted once in each process; of
today only what came since is counted anew.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.db.models import Count, F, Q, Sum
from django.utils import timezone

from accounts import bank_day, money
from accounts.models import Account, AccountDailyUsage
from audit.admin import last_check, last_seal, last_verification
from audit.models import Action
from office.models import ApprovalRequest
from transfers.models import Dispute, Transfer

DAYS = 8  # today, and the seven days before: the first is the same day of last week
LATE = dt.timedelta(minutes=5)  # after which no transaction is open any more
NEWEST = 20_000  # transfers that are always counted anew
NEARLY = 80  # per cent of its limit that an account has used to be near it
NEAREST = 10

# A chart's size, in the units of its own drawing.
WIDTH, HEIGHT, GAP = 320, 90, 8


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of a chart: where its bar stands, and what it says."""

    day: dt.date
    text: str
    x: int
    y: int
    width: int
    height: int
    is_compared: bool  # today, and the same day of last week


def of(user) -> dict | None:
    """Return what this member of staff may see on the first page; None if that is nothing."""
    if not user.has_perm("transfers.view_transfer"):
        return None
    now = timezone.now()
    today = bank_day.of(now)
    days = [today - dt.timedelta(days=back) for back in reversed(range(DAYS))]
    currency = settings.DEFAULT_CURRENCY
    volumes, values = zip(*(_moved_on(day, currency, now) for day in days), strict=True)
    may_see_accounts = user.has_perm("accounts.view_account")
    may_read_the_log = user.has_perm("audit.view_auditlog")
    return {
        "verified": last_verification() if may_read_the_log else None,
        "sealed": last_seal() if may_read_the_log else None,
        "reconciled": _last_reconciliation() if may_see_accounts else None,
        "today": today,
        "currency": currency,
        "charts": [
            ("Completed transfers", _bars(days, volumes, [f"{one:,}" for one in volumes])),
            (
                f"Sent by customers, {currency}",
                _bars(days, values, [money.display(one, currency) for one in values]),
            ),
        ],
        "changes": [
            ("Completed today", f"{volumes[-1]:,}", f"{volumes[0]:,}"),
            (
                f"Sent today, {currency}",
                money.display(values[-1], currency),
                money.display(values[0], currency),
            ),
        ],
        "refusals": _refusals(today),
        "near_limit": _near_limit(today) if may_see_accounts else [],
        "queues": _queues(user),
        "balances": _trial_balance() if may_see_accounts else [],
    }


def _moved_on(day: dt.date, currency: str, now: dt.datetime) -> tuple[int, int]:
    is_over = now > bank_day.end(day) + LATE  # what was late at midnight is there by now
    return _moved_for_good(day, currency) if is_over else _moved(day, currency, now)


def _moved(day: dt.date, currency: str, now: dt.datetime) -> tuple[int, int]:
    """Return how many transfers of all kinds were completed that day, and what customers sent in
    one currency.

    No transfer is read, as there may be a million: an index counts them, and each account knows
    what it sent.
    """
    used = AccountDailyUsage.objects.filter(bank_date=day, account__currency=currency)
    sent = used.aggregate(sent=Sum("used_minor"))["sent"]
    return _completed_on(day, now), int(sent or 0)


@lru_cache(maxsize=32)
def _moved_for_good(day: dt.date, currency: str) -> tuple[int, int]:
    return _moved(day, currency, timezone.now())


_counted: dict[dt.date, tuple[int, int]] = {}  # up to which key, and how many


def _completed_on(day: dt.date, now: dt.datetime) -> int:
    """Return how many transfers were completed that day, of which this process has counted most
    before: nothing is committed any more before one that is LATE old."""
    completed = Transfer.objects.filter(status=Transfer.Status.COMPLETED, bank_date=day)
    upto, count = _counted.get(day, (0, 0))
    newest_first = Transfer.objects.order_by("-pk").values_list("pk", "created_at")
    newest, _ = newest_first.first() or (0, now)
    settled, made_at = newest_first.filter(pk__lte=newest - NEWEST).first() or (0, now)
    if settled > upto and made_at < now - LATE:
        count += completed.filter(pk__gt=upto, pk__lte=settled).count()
        upto = settled
        _counted[day] = upto, count
    return count + completed.filter(pk__gt=upto).count()


def _bars(days: list[dt.date], numbers: Sequence[int], texts: list[str]) -> list[Bar]:
    """Return the bars of a chart, the highest as high as it is."""
    top = max(*numbers, 1)
    step = WIDTH // len(days)
    return [
        Bar(
            day=day,
            text=text,
            x=at * step,
            y=HEIGHT - number * HEIGHT // top,
            width=step - GAP,
            height=number * HEIGHT // top,
            is_compared=at in (0, len(days) - 1),
        )
        for at, (day, number, text) in enumerate(zip(days, numbers, texts, strict=True))
    ]


def _last_reconciliation() -> dict | None:
    """Return when the books were last proved, with `checked`, the number of transfers: by
    `reconcile`, or by `verify_audit`, which proves them as well."""
    said = last_check(Action.BOOKS_RIGHT, Action.BOOKS_FOUND_WRONG, Action.AUDIT_VERIFIED)
    if said:
        rows = said["rows"]
        checked = rows.get("transfers completed", 0) + rows.get("transfers refused", 0)
        said["checked"] = f"{checked:,}"
    return said


def _refusals(today: dt.date) -> list[tuple[str, int]]:
    refused = Transfer.objects.filter(status=Transfer.Status.REJECTED, bank_date=today)
    counts = refused.values("failure_code").annotate(count=Count("pk")).order_by("failure_code")
    return [(one["failure_code"], one["count"]) for one in counts]


def _near_limit(today: dt.date) -> list[tuple[Account, str, str, int]]:
    """Return the accounts that used most of what they may send today, the nearest first."""
    used = AccountDailyUsage.objects.filter(
        bank_date=today,
        account__daily_limit_minor__gt=0,
        used_minor__gte=F("account__daily_limit_minor") * NEARLY / 100,
    ).select_related("account__customer")
    return [
        (
            one.account,
            money.display(one.used_minor, one.account.currency),
            money.display(one.account.daily_limit_minor, one.account.currency),
            one.used_minor * 100 // one.account.daily_limit_minor,
        )
        for one in used.order_by(F("used_minor") * -100 / F("account__daily_limit_minor"))[:NEAREST]
    ]


def _queues(user) -> list[tuple[str, str, int]]:
    """Return what waits for somebody: a title, the list's name, and how many there are."""
    queues = []
    if user.has_perm("office.view_approvalrequest"):
        waiting = ApprovalRequest.objects.filter(status=ApprovalRequest.Status.PENDING)
        queues.append(
            (
                "Requests that wait for a second person",
                "admin:office_approvalrequest_changelist",
                waiting.count(),
            )
        )
    if user.has_perm("transfers.view_dispute"):
        disputes = Dispute.objects.filter(resolution=None)
        queues.append(("Open disputes", "admin:transfers_dispute_changelist", disputes.count()))
    return queues


def _trial_balance() -> list[tuple[str, str, str, str, bool]]:
    """Return for each currency what customers have, what the bank's own accounts have, and both
    together, which must be nothing."""
    is_house = Q(kind=Account.Kind.HOUSE)
    sums = Account.objects.values_list("currency").annotate(
        customers=Sum("balance_minor", filter=~is_house),
        house=Sum("balance_minor", filter=is_house),
    )
    lines = []
    for currency, customers, house in sums.order_by("currency"):
        customers, house = int(customers or 0), int(house or 0)
        amounts = (money.display(one, currency) for one in (customers, house, customers + house))
        lines.append((currency, *amounts, customers + house == 0))
    return lines
