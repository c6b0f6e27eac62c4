"""Dispatchers that are killed, again and again: nothing lost, no event under two ids, in order."""

import json
import os
import random
import signal
import time
from collections import defaultdict
from datetime import timedelta

import pytest
from django.db import connection

from accounts.transactions import Busy
from transfers import delivery, operations
from transfers.models import Transfer, WebhookDelivery
from transfers.orders import Order
from transfers.tests.receiver import is_signed, listening

KILLS, AT_ONCE, EVENTS = 200, 2, 400


def dispatching() -> int:
    """Start a process that delivers until it is killed, and return its id."""
    connection.close()  # a child that kept it would talk on the same line
    child = os.fork()
    if child:
        return child
    try:
        while True:
            try:
                if not delivery.deliver_next():
                    time.sleep(0.002)
            except Busy:
                pass
    finally:
        os._exit(1)


def pay(sender, receiver, times: int) -> None:
    """Order so many payments at once."""
    operations.post(
        [
            Order(
                kind=Transfer.Kind.PAYMENT,
                caller_id=sender.user.pk,
                customer_id=sender.customer.pk,
                from_account_id=sender.account.pk,
                to_account_id=receiver.account.pk,
                amount_minor=1,
                currency="INR",
                origin=sender.origin,
            )
            for _ in range(times)
        ]
    )


@pytest.mark.row_locks
@pytest.mark.django_db(transaction=True)
def test_dispatchers_killed_200_times_lose_nothing_and_keep_the_order(
    reena, rahul, settings, monkeypatch, record_property
):
    settings.WEBHOOK_PRIVATE_HOSTS = ["localhost"]
    monkeypatch.setattr(delivery, "CLAIM_SECONDS", 0.05)
    monkeypatch.setattr(delivery, "PAUSES", [timedelta(milliseconds=5)] * 10_000)
    chance = random.Random(1)
    with listening() as receiver:
        receiver.answer = lambda: chance.choices([200, 500, 0], [8, 1, 1])[0]
        secrets = {}
        for person in (reena, rahul):
            made = person.api.post("/webhooks", {"url": receiver.url}).json()
            secrets[person.account.public_id] = made["secret"]
        for _ in range(EVENTS // 80):
            pay(reena, rahul, 20)
            pay(rahul, reena, 20)

        for _ in range(KILLS // AT_ONCE):
            children = [dispatching() for _ in range(AT_ONCE)]
            time.sleep(chance.uniform(0.05, 0.2))
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        left = WebhookDelivery.objects.filter(state="WAITING").count()
        give_up_at = time.monotonic() + 60
        while WebhookDelivery.objects.filter(state="WAITING").exists():
            assert time.monotonic() < give_up_at
            delivery.deliver_next()

    ids, sequences = defaultdict(set), defaultdict(list)
    for headers, body in receiver.messages:
        data = json.loads(body)["data"]
        account = data["account_id"]
        assert is_signed(headers, body, secrets[account])
        ids[account, data["sequence"]].add(headers["webhook-id"])
        if data["sequence"] not in sequences[account]:
            sequences[account].append(data["sequence"])
    in_order = list(range(2, EVENTS // 2 + 2))
    assert sequences == dict.fromkeys(secrets, in_order), "every event, in the order of the account"
    assert {len(one) for one in ids.values()} == {1}, "one id for each event"
    assert WebhookDelivery.objects.filter(state="DELIVERED").count() == EVENTS
    assert left < EVENTS, "some got through between the kills"
    repeated = len(receiver.messages) - EVENTS
    record_property(
        "by chance", f"{KILLS} kills, {EVENTS} events, {repeated} repeated, {left} left"
    )
