"""`manage.py dispatch` as it is run: when it stops, and what it throws away."""

import datetime as dt
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from transfers import delivery
from transfers.models import WebhookDelivery

STATES = WebhookDelivery.State


@pytest.fixture
def endpoint(reena, receiver):
    """An endpoint of Reena's, on which a program listens."""
    made = reena.api.post("/webhooks", {"url": receiver.url}).json()["id"]
    return reena.customer.webhooks.get(public_id=made)


@pytest.fixture
def told(endpoint):
    """Return a function that makes a message of that state and age; it returns its key."""

    def make(state, days) -> int:
        then = timezone.now() - dt.timedelta(days=days)
        return WebhookDelivery.objects.create(
            endpoint=endpoint,
            account_id=1,
            message_id=str(WebhookDelivery.objects.count()),
            event="transfer.completed",
            body="{}",
            state=state,
            next_attempt_at=then,
            created_at=then,
            delivered_at=then if state == STATES.DELIVERED else None,
        ).pk

    return make


def prune() -> str:
    printed = StringIO()
    call_command("dispatch", prune=True, stdout=printed)
    return printed.getvalue()


def kept() -> set[int]:
    return set(WebhookDelivery.objects.values_list("pk", flat=True))


def test_what_was_delivered_long_ago_goes_and_everything_else_stays(told, settings):
    settings.WEBHOOKS_KEPT_DAYS = 10
    old = told(STATES.DELIVERED, 11)
    young = told(STATES.DELIVERED, 9)
    undelivered = {told(STATES.WAITING, 400), told(STATES.FAILED, 400)}

    assert prune().startswith("1 deleted so far.\r1 webhooks that were delivered before ")

    assert kept() == {young, *undelivered}
    assert old not in kept()


def test_it_goes_on_in_steps_and_says_how_far_it_is(told, monkeypatch):
    monkeypatch.setattr(delivery, "PRUNED_AT_ONCE", 2)
    for _ in range(5):
        told(STATES.DELIVERED, 31)

    told_so_far = [line.split()[0] for line in prune().split("\r")]

    assert told_so_far == ["2", "4", "5", "5"]
    assert kept() == set()


def test_what_was_delivered_just_now_is_kept_as_long_as_the_setting_says(
    reena, rahul, endpoint, clock
):
    reena.send(rahul, "1.00")
    call_command("dispatch", once=True, verbosity=0)
    clock(29 * 24 * 3600)
    prune()
    assert WebhookDelivery.objects.get().state == STATES.DELIVERED

    clock(2 * 24 * 3600)
    prune()
    assert not WebhookDelivery.objects.exists()


@pytest.mark.django_db
def test_it_ends_with_its_standard_input(monkeypatch):
    """So that the demo's ends with the demo, whatever ends that."""
    monkeypatch.setattr("sys.stdin", StringIO())
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    printed = StringIO()
    call_command("dispatch", until_eof=True, stdout=printed)
    assert printed.getvalue() == "0 attempts.\n"
