"""Sending what is in the outbox, as Standard Webhooks: signed, in order, until it is answered 2xx.

A dispatcher that dies keeps nothing (`claims`): the same message goes out again under the same id.
The oldest waiting one of an account blocks those after it, so each endpoint gets the events of an
account in the order in which they happened.
"""

import base64
import datetime as dt
import hashlib
import hmac
import http.client
import logging
import random
from collections.abc import Iterator
from functools import partial

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts import transactions
from audit.operations import Origin
from transfers import claims, webhook_targets, webhooks
from transfers.models import WebhookDelivery, WebhookEndpoint

logger = logging.getLogger("smartbank.webhooks")

CLAIM_SECONDS = 3 * webhook_targets.SECONDS
GONE = 410  # the receiver's word for "never again"
PRUNED_AT_ONCE = 1_000

# After which pause it is tried again: for three days, then it is given up.
PAUSES = [
    dt.timedelta(seconds=seconds) for seconds in (5, 30, 120, 900, 3600, 4 * 3600, *[12 * 3600] * 5)
]

WAITING, DELIVERED, FAILED = WebhookDelivery.State


def deliver_next() -> bool:
    """Send one delivery that is due; return False if there is none.

    Raises transactions.Busy if the database is away; then it is sent again later.
    """
    delivery = transactions.run(_claim)
    if delivery is None:
        return False
    status, words = _send(delivery)
    transactions.run(partial(_note, delivery, status, words))
    if status == GONE:
        origin = Origin.command("dispatch")
        webhooks.disable(delivery.endpoint, reason="It answered 410 Gone.", origin=origin)
    return True


def prune(before: dt.datetime) -> Iterator[int]:
    """Delete what was delivered before that moment, some rows at a time; yield how many each time.

    What waits and what was given up stays: neither has been told yet.
    """
    # A delivered one is never claimed again, so its claim says when it was; that has an index.
    old = WebhookDelivery.objects.filter(state=DELIVERED, next_attempt_at__lt=before)
    oldest = old.order_by("next_attempt_at").values_list("pk", flat=True)
    while keys := list(oldest[:PRUNED_AT_ONCE]):
        yield transactions.run(partial(_delete, old.filter(pk__in=keys)))


def _delete(rows: QuerySet) -> int:
    return rows.delete()[0]


def signature(secret: str, message_id: str, timestamp: int, body: str) -> str:
    """Return the signature of a message (Standard Webhooks, version 1)."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _claim() -> WebhookDelivery | None:
    waiting = WebhookDelivery.objects.filter(state=WAITING)
    earlier = waiting.filter(
        endpoint=OuterRef("endpoint"), account_id=OuterRef("account_id"), pk__lt=OuterRef("pk")
    )
    next_ones = waiting.filter(~Exists(earlier), endpoint__disabled_at=None)
    found = claims.claim(waiting, next_ones, CLAIM_SECONDS)
    if found:
        endpoints = WebhookEndpoint.objects.select_related("customer")
        found.endpoint = endpoints.get(pk=found.endpoint_id)
    return found


def _send(delivery: WebhookDelivery) -> tuple[int, str]:
    """Return the status of the answer, 0 if there was none, and it in words."""
    endpoint, now = delivery.endpoint, timezone.now()
    stamp = int(now.timestamp())
    secrets = [endpoint.secret]
    if endpoint.old_secret_until and endpoint.old_secret_until > now:
        secrets.append(endpoint.old_secret)
    signatures = [signature(one, delivery.message_id, stamp, delivery.body) for one in secrets]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "SmartBank-Webhooks",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": " ".join(signatures),
    }
    try:
        status = webhook_targets.post(endpoint.url, delivery.body.encode(), headers)
        return status, str(status)
    except webhook_targets.TargetRefused as refused:
        return 0, str(refused)
    except (OSError, http.client.HTTPException) as error:
        return 0, type(error).__name__
    except Exception as error:  # whatever it is: one message must not end all others
        logger.exception("a webhook could not be sent")
        return 0, type(error).__name__


def _note(delivery: WebhookDelivery, status: int, words: str) -> None:
    now = timezone.now()
    changes = {"last_answer": words[:80]}
    if 200 <= status < 300:
        changes |= {"state": DELIVERED, "delivered_at": now}
    elif delivery.attempts > len(PAUSES):
        changes |= {"state": FAILED}
    else:
        pause = PAUSES[delivery.attempts - 1]
        changes |= {"next_attempt_at": now + pause + pause * random.randrange(20) // 100}
    WebhookDelivery.objects.filter(pk=delivery.pk, state=WAITING).update(**changes)
