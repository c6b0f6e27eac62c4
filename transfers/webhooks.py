"""What a customer can do about webhooks: say where to, stop, take a new secret, ask again."""

import base64
import datetime as dt
import secrets
from functools import partial

from django.utils import timezone

from accounts import transactions
from accounts.models import Account, Customer
from audit.models import Action, AuditLog
from audit.operations import Origin, record
from transfers import webhook_targets
from transfers.models import WebhookDelivery, WebhookEndpoint

OLD_SECRET_HOURS = 24
MOST_REPLAYED = 1_000


class TooManyEndpoints(Exception):
    """The customer has as many endpoints as one may have."""


class Disabled(Exception):
    """The endpoint is told nothing any more."""


def new_secret() -> str:
    """Return a secret as Standard Webhooks write them."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def create(customer: Customer, url: str, events: list[str], *, origin: Origin) -> WebhookEndpoint:
    """Tell `url` from now on what happens to the customer's accounts.

    Raises webhook_targets.TargetRefused, TooManyEndpoints.
    """
    webhook_targets.check(url)
    wish = WebhookEndpoint(
        customer=customer,
        url=url,
        events=" ".join(dict.fromkeys(events)),
        secret=new_secret(),
        created_at=timezone.now(),
    )
    return transactions.run(partial(_create, wish, origin))


def _create(wish: WebhookEndpoint, origin) -> WebhookEndpoint:
    customer = wish.customer
    _lock(customer)
    if made := customer.webhooks.filter(public_id=wish.public_id).first():
        return made  # our COMMIT arrived and its reply did not
    active = customer.webhooks.filter(disabled_at=None)
    if active.count() >= WebhookEndpoint.MOST:
        raise TooManyEndpoints(f"At most {WebhookEndpoint.MOST} endpoints.")
    wish.pk = None  # the attempt before this one may have been rolled back
    wish.save(force_insert=True)
    customer.accounts.update(has_webhooks=True)
    _record(wish, "created", origin, events=wish.events)
    return wish


def disable(endpoint: WebhookEndpoint, *, reason: str = "", origin: Origin) -> bool:
    """Tell the endpoint nothing any more, also of what is waiting; False if it was disabled."""
    return transactions.run(partial(_disable, endpoint, timezone.now(), reason, origin))


def _disable(endpoint, now: dt.datetime, reason, origin) -> bool:
    _lock(endpoint.customer)
    active = WebhookEndpoint.objects.filter(customer=endpoint.customer, disabled_at=None)
    if not active.filter(pk=endpoint.pk).update(disabled_at=now):
        # It was, unless our COMMIT arrived and its reply did not.
        return WebhookEndpoint.objects.filter(pk=endpoint.pk, disabled_at=now).exists()
    waiting = WebhookDelivery.State.WAITING
    endpoint.deliveries.filter(state=waiting).update(state=WebhookDelivery.State.FAILED)
    if not active.exists():
        endpoint.customer.accounts.update(has_webhooks=False)
    _record(endpoint, "disabled", origin, reason=reason)
    return True


def rotate_secret(endpoint: WebhookEndpoint, *, origin: Origin) -> str:
    """Return a new secret. For OLD_SECRET_HOURS each message is signed with the old one, too."""
    return transactions.run(partial(_rotate_secret, endpoint, new_secret(), origin))


def _rotate_secret(endpoint, secret: str, origin) -> str:
    locked = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
    if locked.secret == secret:
        return secret  # our COMMIT arrived and its reply did not
    locked.old_secret, locked.secret = locked.secret, secret
    locked.old_secret_until = timezone.now() + dt.timedelta(hours=OLD_SECRET_HOURS)
    locked.save(update_fields=["old_secret", "secret", "old_secret_until"])
    _record(locked, "secret rotated", origin)
    return secret


def replay(
    endpoint: WebhookEndpoint, since: dt.datetime, *, reason: str = "", origin: Origin
) -> int:
    """Send again, under their old ids and in order, the first MOST_REPLAYED messages that were
    delivered or given up since then; return how many. Raises Disabled."""
    return transactions.run(partial(_replay, endpoint, since, timezone.now(), reason, origin))


def _replay(endpoint, since: dt.datetime, now: dt.datetime, reason, origin) -> int:
    _lock(endpoint.customer)
    told = AuditLog.objects.filter(object_id=endpoint.public_id, created_at=now)
    if mine := told.filter(details__change="replayed").first():
        return mine.details["count"]  # our COMMIT arrived and its reply did not
    if WebhookEndpoint.objects.get(pk=endpoint.pk).disabled_at:
        raise Disabled
    waiting = WebhookDelivery.State.WAITING
    again = endpoint.deliveries.filter(created_at__gte=since).exclude(state=waiting)
    first = list(again.order_by("pk").values_list("pk", flat=True)[:MOST_REPLAYED])
    count = endpoint.deliveries.filter(pk__in=first).update(
        state=waiting, attempts=0, next_attempt_at=now, delivered_at=None
    )
    why = {"reason": reason} if reason else {}
    _record(endpoint, "replayed", origin, count=count, created_at=now, **why)
    return count


def _lock(customer: Customer) -> None:
    """Let no event of the customer be written, and no account opened, while who listens changes."""
    Account.objects.locked(customer.accounts.values_list("pk", flat=True))
    Customer.objects.select_for_update().get(pk=customer.pk)  # as opening an account does


def _record(endpoint: WebhookEndpoint, change: str, origin: Origin, **details) -> None:
    record(
        Action.WEBHOOK_CHANGED,
        origin,
        object_type="webhook",
        object_id=endpoint.public_id,
        change=change,
        customer=endpoint.customer.public_id,
        **details,
    )
