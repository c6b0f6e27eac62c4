"""The database carries out a COMMIT and its reply is lost: what was done is not done twice."""

from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from django.core.management import call_command
from django.db import connections

from accounts import customers, mail, operations, tokens
from accounts.models import Account, Customer
from audit.models import AuditLog
from conftest import PASSWORD, Api, set_limit
from office import approvals, disputes, erasure
from torture.proxy import Fate, Proxy
from transfers import webhooks
from transfers.models import Dispute, WebhookEndpoint

pytestmark = [pytest.mark.row_locks, pytest.mark.django_db(transaction=True)]

URL = "https://hooks.example.com/"


@pytest.fixture
def unsure(db):
    """Return a function that runs an operation and loses the reply to its first COMMIT. It returns
    what the operation returns, and the books and the audit log are proved afterwards."""
    proxies = []

    def run(operation):
        lost = []

        def judge(command):
            if command.is_commit and not lost:
                lost.append(command)
                return Fate.CUT_AFTER
            return Fate.PASS

        ours, before = connections["default"], rows()
        options = dict(ours.settings_dict["OPTIONS"])
        proxies.append(Proxy(options.pop("unix_socket"), judge))
        way = {"HOST": "127.0.0.1", "PORT": proxies[-1].port, "OPTIONS": options}
        connections["default"] = type(ours)(ours.settings_dict | way, "default")
        try:
            result = operation()
        finally:
            connections["default"].close()
            connections["default"] = ours
        assert len(lost) == 1
        written = rows() - before
        assert written, "it was done"
        assert set(written.values()) == {1}, "and once"
        return result

    yield run
    for proxy in proxies:
        proxy.close()
    call_command("verify_audit")


def rows() -> Counter:
    """Count the audit rows by what they say about which object."""
    return Counter(AuditLog.objects.values_list("action", "object_id"))


def test_a_customer_is_opened_once(unsure, teller):
    person = {"username": "kiran", "password": PASSWORD, "name": "Kiran Das"}
    opened = unsure(partial(operations.open_customer, **person, origin=teller.origin))
    assert Customer.objects.get(user__username="kiran") == opened


def test_a_customer_is_changed_once_and_hears_of_it_at_the_old_address(
    unsure, reena, teller, mailoutbox
):
    type(reena.user).objects.filter(pk=reena.user.pk).update(email="old@post.example")
    why = {"reason": "Asked", "origin": teller.origin}
    changed = unsure(partial(customers.change, reena.customer, email="new@post.example", **why))
    mail.wait()
    assert changed == ["email"]
    assert [letter.to for letter in mailoutbox] == [["old@post.example"]]


def test_a_customer_is_closed_once(unsure, make_customer, teller, manager):
    leaving = make_customer("kiran", balance=0)
    wish = approvals.ask_to_close(leaving.account, reason="Leaves", origin=teller.origin)
    approvals.approve(wish, answer="", origin=manager.origin)
    unsure(partial(customers.close, leaving.customer, reason="Leaves", origin=teller.origin))
    assert not type(leaving.user).objects.get(pk=leaving.user.pk).is_active


def test_an_account_is_opened_once(unsure, reena, teller):
    wish = {"name": "Travel", "currency": "INR", "daily_limit_minor": 1}
    opened = unsure(partial(operations.open_account, reena.customer, **wish, origin=teller.origin))
    assert Account.objects.get(name="Travel") == opened


@pytest.mark.parametrize("change", [set_limit, operations.lower_daily_limit])
def test_a_limit_is_changed_once_and_told_once(change, unsure, reena):
    endpoint = webhooks.create(reena.customer, URL, ["limit.changed"], origin=reena.origin)
    unsure(partial(change, reena.account, 700, reason="Asked", origin=reena.origin))
    assert Account.objects.get(pk=reena.account.pk).daily_limit_minor == 700
    assert endpoint.deliveries.count() == 1


def test_an_account_is_frozen_once(unsure, reena, teller):
    unsure(partial(operations.freeze, reena.account, reason="Lost phone", origin=teller.origin))
    assert Account.objects.get(pk=reena.account.pk).status == "FROZEN"


def test_a_webhook_is_made_once_and_its_secret_is_the_one_that_was_shown(unsure, reena):
    made = unsure(
        partial(webhooks.create, reena.customer, URL, ["limit.changed"], origin=reena.origin)
    )
    assert WebhookEndpoint.objects.get().secret == made.secret


def test_the_secret_that_a_receiver_knows_still_signs_after_the_new_one(unsure, reena):
    made = webhooks.create(reena.customer, URL, ["limit.changed"], origin=reena.origin)
    shown = unsure(partial(webhooks.rotate_secret, made, origin=reena.origin))
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.secret, endpoint.old_secret) == (shown, made.secret)


def test_whoever_disables_a_webhook_is_told_so(unsure, reena):
    made = webhooks.create(reena.customer, URL, ["limit.changed"], origin=reena.origin)
    assert unsure(partial(webhooks.disable, made, origin=reena.origin)) is True
    assert webhooks.disable(made, origin=reena.origin) is False


def test_a_replay_says_how_much_is_sent_again(unsure, reena):
    made = webhooks.create(reena.customer, URL, ["limit.changed"], origin=reena.origin)
    operations.lower_daily_limit(reena.account, 700, reason="Asked", origin=reena.origin)
    made.deliveries.update(state="DELIVERED")
    assert unsure(partial(webhooks.replay, made, made.created_at, origin=reena.origin)) == 1


def test_a_token_is_made_once_and_has_one_successor(unsure, reena):
    secret, made = unsure(partial(tokens.create, reena.user, origin=reena.origin))
    assert Api(secret).get("/me").status_code == 200
    successor, _ = unsure(partial(tokens.rotate, made, timedelta(hours=1), origin=reena.origin))
    assert Api(successor).get("/me").status_code == 200


def test_a_dispute_is_noted_on_once_and_explained_once(unsure, reena, rahul, teller):
    sent = reena.send(rahul, "100.00").json()["id"]
    rahul.api.post(f"/transfers/{sent}/receipt", {"received_amount": "90.00"})
    dispute = Dispute.objects.select_related("transfer").get()
    note = unsure(partial(disputes.note, dispute, "Called Rahul", origin=teller.origin))
    assert dispute.notes.get() == note
    unsure(partial(disputes.explain, dispute, "A slip", origin=teller.origin))
    assert Dispute.objects.get().resolution == "EXPLAINED"
    assert dispute.notes.count() == 2


def test_a_request_is_made_and_decided_once(unsure, reena, teller, manager):
    wish = unsure(
        partial(approvals.ask_for_limit, reena.account, 10**9, reason="Asked", origin=teller.origin)
    )
    unsure(partial(approvals.approve, wish, answer="", origin=manager.origin))
    assert Account.objects.get(pk=reena.account.pk).daily_limit_minor == 10**9


def test_a_customer_is_erased_once(unsure, make_customer, teller, manager):
    leaving = make_customer("kiran", balance=0)
    wish = approvals.ask_to_close(leaving.account, reason="Leaves", origin=teller.origin)
    approvals.approve(wish, answer="", origin=manager.origin)
    unsure(partial(erasure.erase, leaving.customer, reason="Asked", origin=manager.origin))
    assert Customer.objects.get(pk=leaving.customer.pk).name == erasure.ERASED
