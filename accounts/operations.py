"""What bank staff change about customers and accounts, other than money.

Each operation locks the account, changes the columns that it names, and writes an audit row with
who, why, before and after, the next of the account's chain, all in one transaction. None of them
can touch a balance.
"""

from collections.abc import Callable
from typing import TypeVar

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError

from accounts import money, numbers, public_ids, transactions
from accounts.models import Account, Customer
from audit import operations as audit
from audit.models import Action, AuditLog
from audit.operations import Origin

Result = TypeVar("Result")

# What the layers above write into the transaction of a change: functions that are called with the
# locked account and the columns that it gets.
also_written: list[Callable[[Account, dict], None]] = []


class UsernameTaken(Exception):
    """Somebody already signs in with that name."""


class NotLower(Exception):
    """The limit that was to be lowered is not above what was asked for."""


class WrongStatus(Exception):
    """The account is not in the status that this change starts from."""


def open_customer(
    *,
    username: str,
    password: str,
    name: str,
    email: str = "",
    reason: str = "",
    origin: Origin,
) -> Customer:
    """Create a customer and the user to sign in with. Raises UsernameTaken.

    Whether the password is good enough is for the form to say.
    """
    users = get_user_model().objects
    password = make_password(password)  # slow on purpose, so outside the transaction
    public_id = public_ids.new()

    def work() -> Customer:
        if opened := Customer.objects.filter(public_id=public_id).first():
            return opened  # our COMMIT arrived and its reply did not
        if users.filter(username=username).exists():
            raise UsernameTaken(f"The username {username} is taken.")
        user = users.create(username=username, email=email, password=password)
        customer = Customer.objects.create(public_id=public_id, user=user, name=name)
        audit.record(
            Action.CUSTOMER_OPENED,
            origin,
            object_type="customer",
            object_id=customer.public_id,
            reason=reason,
            before={},
            after={"user_id": user.pk},
        )
        return customer

    return transactions.run(work)


def open_account(
    customer: Customer,
    *,
    name: str,
    currency: str,
    daily_limit_minor: int,
    number: str | None = None,
    reason: str = "",
    origin: Origin,
) -> Account:
    """Open an active account with a balance of zero. Without a `number` the bank makes one."""
    if currency not in money.EXPONENTS:
        raise ValueError(f"{currency} is not a currency.")
    public_id = public_ids.new()

    def work() -> Account:
        owner = Customer.objects.select_for_update().get(pk=customer.pk)
        if opened := Account.objects.filter(public_id=public_id).first():
            return opened  # our COMMIT arrived and its reply did not
        account = Account.objects.create(
            public_id=public_id,
            number=number or numbers.new(),
            customer=customer,
            name=name,
            currency=currency,
            daily_limit_minor=daily_limit_minor,
            has_webhooks=owner.webhooks.filter(disabled_at=None).exists(),
        )
        write(
            account,
            {},
            Action.ACCOUNT_OPENED,
            origin,
            reason=reason,
            before={},
            after=as_opened(account),
        )
        return account

    return transactions.run(work)  # a number that is taken is a duplicate key: run again


def as_opened(account: Account) -> dict:
    """Return what the audit log says about an account that is opened."""
    return {
        "customer": account.customer.public_id,
        "currency": account.currency,
        "daily_limit_minor": account.daily_limit_minor,
        "status": account.status,
    }


def cash_account(currency: str) -> Account:
    """Return the bank's own cash account of that currency, opening it the first time."""
    role = f"cash:{currency}"
    try:
        return Account.objects.get(house_role=role)
    except Account.DoesNotExist:
        pass
    try:
        return Account.objects.create(
            kind=Account.Kind.HOUSE,
            house_role=role,
            number=numbers.new(),
            name=f"Cash {currency}",
            currency=currency,
        )
    except IntegrityError:  # somebody else opened it meanwhile
        return Account.objects.get(house_role=role)


def lower_daily_limit(account: Account, limit_minor: int, *, reason: str, origin: Origin) -> None:
    """Set a lower limit, as its owner and staff may at any time, alone. Raises NotLower if it is
    not below the one that there is under the lock."""

    def lower(locked: Account) -> None:
        if limit_minor >= locked.daily_limit_minor:
            limit = money.display(locked.daily_limit_minor, locked.currency)
            raise NotLower(f"The daily limit is {limit}: this would not lower it.")
        columns = {"daily_limit_minor": limit_minor}
        change_locked(locked, Action.LIMIT_CHANGED, columns, reason=reason, origin=origin)

    once(account.pk, lower)


def freeze(account: Account, *, reason: str, origin: Origin) -> None:
    """Stop all money into and out of the account. Raises WrongStatus unless it is active."""

    def stop(locked: Account) -> None:
        if locked.status != Account.Status.ACTIVE:
            raise WrongStatus(f"The account is {locked.status}, not {Account.Status.ACTIVE}.")
        columns = {"status": Account.Status.FROZEN}
        change_locked(locked, Action.ACCOUNT_FROZEN, columns, reason=reason, origin=origin)

    once(account.pk, stop)


def once(key: int, change: Callable[[Account], Result]) -> Result:
    """Lock the account with that key and `change` it, as one transaction; return what that returns.

    It must write an audit row of the account. By that row it is recognised, and not done again, if
    our COMMIT arrived and its reply did not.
    """
    attempts: list[tuple[dict, Result]] = []

    def work() -> Result:
        locked = Account.objects.locked([key])[key]
        for end, result in attempts:
            rows = AuditLog.objects.filter(account_id=key, sequence=end["audit_sequence"])
            if rows.filter(link=end["audit_head"]).exists():
                return result
        result = change(locked)
        attempts.append((locked.chain_end, result))
        return result

    return transactions.run(work)


def change_locked(account: Account, action: str, columns: dict, *, origin: Origin, **why) -> None:
    """Change columns of an account that the open transaction has locked, and audit it in there."""
    before = {name: getattr(account, name) for name in columns}
    write(account, columns, action, origin, before=before, after=columns, **why)
    for add in also_written:
        add(account, columns)


def write(account: Account, columns: dict, action: str, origin: Origin, **facts) -> None:
    """Change these columns of a locked account, and write the audit row that says so.

    The row is about the account itself, unless `facts` name another object.
    """
    named = {"object_type": "account", "object_id": account.public_id}
    told = audit.row(action, origin, account=account, **named | facts)
    Account.objects.filter(pk=account.pk).update(**columns, **account.chain_end)
    told.save()
