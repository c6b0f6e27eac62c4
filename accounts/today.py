"""A customer's accounts as they are on this bank day: what can be spent, what is left of limits."""

import datetime as dt
from dataclasses import dataclass

from django.utils import timezone

from accounts import bank_day
from accounts.models import Account, AccountDailyUsage, Customer


@dataclass(frozen=True, slots=True)
class AccountToday:
    """An account, what was sent from it today, and when its limit starts anew."""

    account: Account
    used_minor: int
    resets_at: dt.datetime

    @property
    def left_minor(self) -> int:
        """What is left of today's limit."""
        return max(0, self.account.daily_limit_minor - self.used_minor)

    @property
    def sendable_minor(self) -> int:
        """The most that one payment may be now: bounded by what is there and by the limit."""
        return min(self.account.available_minor, self.left_minor)


def accounts_today(customer: Customer) -> list[AccountToday]:
    """Return the customer's accounts as they are today, in the order of their opening."""
    today = bank_day.of(timezone.now())
    usage = AccountDailyUsage.objects.filter(account__customer=customer, bank_date=today)
    used = dict(usage.values_list("account_id", "used_minor"))
    return [
        AccountToday(account, used.get(account.pk, 0), bank_day.end(today))
        for account in customer.accounts.order_by("pk")
    ]
