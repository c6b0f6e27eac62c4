"""What bank staff change about the person behind the accounts: name, e-mail, and signing in.

The audit log is told which fields were changed and by whom. What stood in them and stands there now
it is not told: it holds no personal data.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts import mail, transactions
from accounts.models import Account, Customer
from audit import operations as audit
from audit.models import Action, AuditLog
from audit.operations import Origin

Result = TypeVar("Result")


class NotChanged(Exception):
    """Nothing was changed; the message says why, to the member of staff."""


def change(customer: Customer, *, reason: str, origin: Origin, **wanted) -> list[str]:
    """Give a customer another `name`, `email` or `is_active` (may sign in), as far as `wanted`.

    Return the names of the fields that were changed. Whoever gets another address is told so at
    the old one. Raises NotChanged.
    """
    changed, old_email = _once(customer, partial(_change, wanted, reason, origin))
    if "email" in changed:
        _tell(customer, old_email)
    return changed


def _tell(customer: Customer, old_email: str) -> None:
    with translation.override(customer.language):
        mail.send(
            old_email,
            _("{bank}: your e-mail address was changed").format(bank=settings.BANK_NAME),
            _(
                "We have noted another e-mail address for you, and send no more mail to this "
                "one.\n\n"
                "If you did not ask for it, call us at once: {contact}."
            ).format(contact=settings.BANK_CONTACT),
        )


def _change(
    wanted: dict, reason: str, origin: Origin, customer: Customer, user, now
) -> tuple[list[str], str]:
    is_now = {"name": customer.name, "email": user.email, "is_active": user.is_active}
    new = {name: value for name, value in wanted.items() if value != is_now[name]}
    if not new:
        raise NotChanged("This is what is stored already: nothing was changed.")
    if user.is_staff and new.keys() != {"name"}:
        raise NotChanged("This customer works here: how staff sign in, administrators change.")
    if "name" in new:
        Customer.objects.filter(pk=customer.pk).update(name=new["name"])
    if of_user := {name: new[name] for name in new.keys() & {"email", "is_active"}}:
        type(user).objects.filter(pk=user.pk).update(**of_user)
    told = new.keys() & {"is_active"}
    _record(
        Action.CUSTOMER_CHANGED,
        customer,
        origin,
        created_at=now,
        reason=reason,
        changed=sorted(new),
        before={name: is_now[name] for name in told},
        after={name: new[name] for name in told},
    )
    return sorted(new), user.email


def close(customer: Customer, *, reason: str, origin: Origin) -> None:
    """Let a customer whose accounts are all closed sign in no more. Raises NotChanged."""
    _once(customer, partial(_close, reason, origin))


def _close(reason: str, origin: Origin, customer: Customer, user, now) -> None:
    if customer.accounts.exclude(status=Account.Status.CLOSED).exists():
        raise NotChanged("An account is open: close all accounts first.")
    if user.is_staff:
        raise NotChanged("This customer works here: how staff sign in, administrators change.")
    if not user.is_active:
        raise NotChanged("This customer may not sign in already.")
    type(user).objects.filter(pk=user.pk).update(is_active=False)
    facts = {"reason": reason, "before": {"is_active": True}, "after": {"is_active": False}}
    _record(Action.CUSTOMER_CLOSED, customer, origin, created_at=now, **facts)


def reveal(customer: Customer, *, reason: str, origin: Origin) -> list[tuple[str, str]]:
    """Return what the back office masks of a customer, and audit that somebody has seen it.

    Load the customer with the user.
    """
    accounts = list(customer.accounts.order_by("pk"))
    _record(Action.DATA_REVEALED, customer, origin, reason=reason, accounts=len(accounts))
    return [
        ("E-mail", customer.user.email or "none"),
        *((f"Account {one.name}", one.number) for one in accounts),
    ]


def _once(customer: Customer, change: Callable[..., Result]) -> Result:
    """Lock customer and user and `change` them, as one transaction; return what that returns.

    It must write an audit row of the customer with the moment that it is given. By that row it is
    recognised, and not done again, if our COMMIT arrived and its reply did not.
    """
    now, results = timezone.now(), []

    def work() -> Result:
        locked = Customer.objects.select_for_update().get(pk=customer.pk)
        user = get_user_model().objects.select_for_update().get(pk=locked.user_id)
        told = AuditLog.objects.filter(object_id=locked.public_id, created_at=now)
        if not (results and told.exists()):
            results.append(change(locked, user, now))
        return results[-1]

    return transactions.run(work)


def _record(action: Action, customer: Customer, origin: Origin, **details) -> None:
    audit.record(action, origin, object_type="customer", object_id=customer.public_id, **details)
