"""What webhooks will tell, written down in the very transaction that it is about.

So an event exists exactly if what it tells was committed. An account that nobody listens to costs
nothing: `has_webhooks` is read with the account, under its lock. `delivery` sends what is here.
"""

import datetime as dt
import json
from dataclasses import dataclass

from django.db import models
from django.utils import timezone

from accounts import money, public_ids
from accounts.models import Account
from accounts.serializers import utc
from transfers.models import LedgerEntry, Transfer, WebhookDelivery, WebhookEndpoint


class EventType(models.TextChoices):
    """What can be told. Names are stable."""

    COMPLETED = "transfer.completed", "Money was sent"
    REFUSED = "transfer.refused", "A transfer was refused"
    RECEIVED = "transfer.received", "Money came in"
    REVERSED = "transfer.reversed", "A transfer was taken back"
    RECEIPT_CONFIRMED = "receipt.confirmed", "The receiver confirmed the amount"
    RECEIPT_DISPUTED = "receipt.disputed", "The receiver disputes the amount"
    LIMIT_CHANGED = "limit.changed", "The daily limit was changed"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an account whose customer wants to be told."""

    type: EventType
    account: Account
    data: dict


def of_transfer(transfer: Transfer | None, entries: list[LedgerEntry]) -> list[Event]:
    """Return what a settled transfer tells: each side its own entry, a refusal the sender alone."""
    if transfer is None:
        return []
    if not entries:
        return _told(EventType.REFUSED, transfer.from_account, _refused, transfer)
    events = []
    for entry in entries:
        usual = EventType.COMPLETED if entry.amount_minor < 0 else EventType.RECEIVED
        is_reversal = transfer.kind == Transfer.Kind.REVERSAL
        event_type = EventType.REVERSED if is_reversal else usual
        events += _told(event_type, entry.account, _booked, transfer, entry)
    return events


def of_receipt(transfer: Transfer, credited_minor: int) -> list[Event]:
    """Return what a receipt tells the sender. Load the transfer with its parties."""
    confirmed = transfer.receipt_status == Transfer.Receipt.CONFIRMED
    event_type = EventType.RECEIPT_CONFIRMED if confirmed else EventType.RECEIPT_DISPUTED
    return _told(event_type, transfer.from_account, _receipt, transfer, credited_minor)


def of_limit(account: Account, limit_minor: int) -> list[Event]:
    """Return what a new daily limit tells the account's customer."""
    return _told(EventType.LIMIT_CHANGED, account, _limit, account, limit_minor)


def of_change(account: Account, columns: dict) -> None:
    """Write what a change of a locked account tells, in the same transaction."""
    if "daily_limit_minor" in columns:
        write(of_limit(account, columns["daily_limit_minor"]), timezone.now())


def write(events: list[Event], now: dt.datetime) -> None:
    """Write the events for all endpoints that want them, in the transaction that is open."""
    if not events:
        return
    customers = {event.account.customer_id for event in events}
    endpoints = WebhookEndpoint.objects.filter(customer__in=customers, disabled_at=None)
    endpoints = list(endpoints.order_by("pk"))
    deliveries = []
    for event in events:
        message_id, body = public_ids.new(), _body(event, now)
        deliveries += [
            WebhookDelivery(
                endpoint=endpoint,
                account_id=event.account.pk,
                message_id=message_id,
                event=event.type,
                body=body,
                next_attempt_at=now,
                created_at=now,
            )
            for endpoint in endpoints
            if endpoint.customer_id == event.account.customer_id
            and event.type in endpoint.events.split()
        ]
    WebhookDelivery.objects.bulk_create(deliveries)


def _told(event_type: EventType, account: Account, data, *of) -> list[Event]:
    return [Event(event_type, account, data(*of))] if account.has_webhooks else []


def _body(event: Event, now: dt.datetime) -> str:
    data = {"account_id": event.account.public_id, **event.data}
    return json.dumps({"type": event.type, "timestamp": utc(now), "data": data})


def _transfer(transfer: Transfer) -> dict:
    return {
        "transfer_id": transfer.public_id,
        "amount": money.format(transfer.amount_minor, transfer.currency),
        "currency": transfer.currency,
        "reference": transfer.reference,
    }


def _booked(transfer: Transfer, entry: LedgerEntry) -> dict:
    return {
        **_transfer(transfer),
        "sequence": entry.sequence,
        "entry_amount": money.format(entry.amount_minor, transfer.currency),
        "balance_after": money.format(entry.balance_after_minor, transfer.currency),
    }


def _refused(transfer: Transfer) -> dict:
    return {**_transfer(transfer), "failure_code": transfer.failure_code}


def _receipt(transfer: Transfer, credited_minor: int) -> dict:
    return {
        **_transfer(transfer),
        "credited_amount": money.format(credited_minor, transfer.currency),
        "received_amount": money.format(transfer.received_minor, transfer.currency),
    }


def _limit(account: Account, limit_minor: int) -> dict:
    return {
        "daily_limit": money.format(limit_minor, account.currency),
        "currency": account.currency,
    }
