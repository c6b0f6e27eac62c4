"""Webhooks in the back office: an endpoint ended, or told again, for a reason."""

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from accounts import bank_day
from accounts.tests.back_office import errors, fill_in, forge
from audit.models import Action
from transfers.models import WebhookEndpoint


@pytest.fixture
def page(reena, receiver):
    """Return a function that gives the address of an operation on Reena's endpoint."""
    reena.api.post("/webhooks", {"url": receiver.url})
    key = WebhookEndpoint.objects.get().pk
    return lambda name: reverse(f"admin:transfers_webhookendpoint_{name}", args=[key])


def dispatch():
    call_command("dispatch", once=True, verbosity=0)


def today() -> str:
    return bank_day.of(timezone.now()).isoformat()


def test_a_manager_has_everything_since_a_day_told_again_under_the_old_ids(
    manager, reena, rahul, page, receiver, audited
):
    reena.send(rahul, "1.00")
    reena.send(rahul, "2.00")
    dispatch()
    told = list(receiver.ids)

    answer = fill_in(manager, page("replay"), since=today(), reason="Their disk was lost")
    dispatch()

    assert (answer.status_code, answer.url) == (302, page("change"))
    assert receiver.ids == told * 2
    row = audited(Action.WEBHOOK_CHANGED)[-1]
    assert row.actor_id == manager.user.pk
    assert (row.details["change"], row.details["reason"], row.details["count"]) == (
        "replayed",
        "Their disk was lost",
        2,
    )


@pytest.mark.parametrize("since", ["", "yesterday", "0001-01-01", "2026-02-30"])
def test_a_day_that_is_none_is_refused_and_nothing_is_told_again(
    since, manager, reena, rahul, page, receiver
):
    reena.send(rahul, "1.00")
    dispatch()
    answer = fill_in(manager, page("replay"), since=since)
    dispatch()
    assert list(errors(answer)) == ["since"]
    assert len(receiver.ids) == 1


def test_an_endpoint_that_was_ended_is_told_nothing_again(
    manager, reena, rahul, page, receiver, audited
):
    reena.send(rahul, "1.00")
    dispatch()
    assert fill_in(manager, page("disable"), reason="Asked by phone").status_code == 302

    answer = fill_in(manager, page("replay"), since=today())
    reena.send(rahul, "1.00")
    dispatch()

    assert errors(answer) == {"__all__": ["This endpoint is disabled."]}
    again = fill_in(manager, page("disable"), reason="Asked by phone")
    assert errors(again) == {"__all__": ["This endpoint was disabled before."]}
    assert len(receiver.ids) == 1


def test_a_teller_does_neither(teller, page):
    assert forge(teller, page("replay"), since=today(), reason="r").status_code == 403
    assert forge(teller, page("disable"), reason="r").status_code == 403
    assert WebhookEndpoint.objects.get().disabled_at is None
