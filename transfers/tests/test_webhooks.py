"""Webhooks: what is told, to whom, how it is signed, and what becomes of it if nobody listens."""

import ipaddress
import json
import re
import socket
import threading
from contextlib import suppress

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import operations, tokens
from accounts.models import Account
from conftest import PASSWORD, Api
from smartbank.bootstrap import ROOT
from transfers import cash, delivery, webhook_targets, webhooks
from transfers.models import WebhookDelivery, WebhookEndpoint
from transfers.tests.receiver import is_signed

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"


def listen(person, receiver, *events) -> dict:
    """Make an endpoint for the person's accounts and return the answer."""
    body = {"url": receiver.url} | ({"events": list(events)} if events else {})
    response = person.api.post("/webhooks", body)
    assert response.status_code == 201, response.content
    return response.json()


def dispatch():
    call_command("dispatch", once=True)


# --- What is told -----------------------------------------------------------------------------


def test_each_side_is_told_of_its_own_entry_and_nothing_of_the_others(reena, rahul, receiver):
    listen(reena, receiver)
    listen(rahul, receiver)
    sent = reena.send(rahul, "25.00", reference="Dinner").json()
    dispatch()

    told = sorted((json.loads(body) for _, body in receiver.messages), key=lambda one: one["type"])
    common = {
        "transfer_id": sent["id"],
        "amount": "25.00",
        "currency": "INR",
        "reference": "Dinner",
    }
    assert [one["type"] for one in told] == ["transfer.completed", "transfer.received"]
    assert told[0]["data"] == {
        "account_id": reena.account.public_id,
        **common,
        "sequence": 2,
        "entry_amount": "-25.00",
        "balance_after": "4975.00",
    }
    assert told[1]["data"] == {
        "account_id": rahul.account.public_id,
        **common,
        "sequence": 2,
        "entry_amount": "25.00",
        "balance_after": "3025.00",
    }
    assert told[0]["timestamp"] == sent["created_at"]


def test_only_what_was_asked_for_is_told(reena, rahul, receiver):
    listen(reena, receiver, "transfer.received")
    reena.send(rahul, "25.00")
    rahul.send(reena, "1.00")
    dispatch()
    assert receiver.events == ["transfer.received"]


def test_a_replayed_order_is_told_once(reena, rahul, receiver):
    listen(reena, receiver)
    for _ in range(3):
        reena.send(rahul, "25.00", key="once")
    dispatch()
    assert receiver.events == ["transfer.completed"]


def test_what_is_rolled_back_is_never_told(reena, rahul, receiver, monkeypatch):
    listen(reena, receiver)
    write = delivery.WebhookDelivery.objects.bulk_create

    def fail(rows):
        write(rows)
        raise RuntimeError

    monkeypatch.setattr("transfers.models.WebhookDelivery.objects.bulk_create", fail)
    assert reena.send(rahul, "25.00").status_code == 500
    monkeypatch.undo()

    assert reena.balance() == 500_000
    assert not WebhookDelivery.objects.exists()


def test_who_does_not_listen_pays_no_statement_for_it(reena, rahul, anita, receiver):
    def statements(person):
        with CaptureQueriesContext(connection) as asked:
            assert person.send(rahul, "1.00").status_code == 201
        return len(asked)

    statements(reena), statements(anita)  # today's usage is there from now on
    without = statements(anita)
    assert statements(reena) == without
    listen(reena, receiver)
    assert statements(reena) == without + 2, "who listens, and what they will be told"
    assert statements(anita) == without


def test_an_account_opened_later_is_listened_to_as_well(reena, teller, receiver):
    listen(reena, receiver)
    new = operations.open_account(
        reena.customer,
        name="Travel",
        currency="INR",
        daily_limit_minor=1,
        origin=teller.origin,
    )
    cash.deposit(new, 100, reference="Cash", key="k" * 32, origin=teller.origin)
    dispatch()
    assert receiver.events == ["transfer.received"]


def test_the_first_account_of_somebody_who_listens_already_is_listened_to(teller, receiver):
    newcomer = operations.open_customer(
        username="kiran", password=PASSWORD, name="Kiran Das", origin=teller.origin
    )
    webhooks.create(newcomer, receiver.url, ["transfer.received"], origin=teller.origin)
    first = operations.open_account(
        newcomer, name="Savings", currency="INR", daily_limit_minor=1, origin=teller.origin
    )
    cash.deposit(first, 100, reference="Cash", key="k" * 32, origin=teller.origin)
    dispatch()
    assert receiver.events == ["transfer.received"]


# --- How it is sent ---------------------------------------------------------------------------


def test_a_message_is_signed_and_says_when_it_was_sent(reena, rahul, receiver, clock):
    secret = listen(reena, receiver)["secret"]
    reena.send(rahul, "25.00")
    dispatch()

    [(headers, body)] = receiver.messages
    assert headers["content-type"] == "application/json"
    assert headers["webhook-timestamp"] == str(int(timezone.now().timestamp()))
    assert is_signed(headers, body, secret)
    assert not is_signed(headers, body + " ", secret)
    assert not is_signed({**headers, "webhook-id": UNKNOWN_ID}, body, secret)


def test_the_documented_check_takes_real_messages_and_nothing_else(reena, rahul, receiver):
    [code] = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs/webhooks.md").read_text(), re.M | re.S
    )
    documented = {}
    exec(code, documented)
    verify = documented["verify"]
    secret = listen(reena, receiver)["secret"]
    reena.send(rahul, "25.00")
    dispatch()

    [(headers, body)] = receiver.messages
    assert verify(headers, body, secret)
    assert not verify(headers, body.replace("25.00", "95.00"), secret)
    assert not verify(headers, body, webhooks.new_secret())
    assert not verify({**headers, "webhook-timestamp": "1700000000"}, body, secret)


def test_while_a_secret_changes_both_sign(reena, rahul, receiver, clock):
    made = listen(reena, receiver)
    new = reena.api.post(f"/webhooks/{made['id']}/secret").json()["secret"]
    reena.send(rahul, "1.00")
    dispatch()
    clock(24 * 3600)
    reena.send(rahul, "1.00")
    dispatch()

    overlapping, later = receiver.messages
    assert [is_signed(*overlapping, one) for one in (made["secret"], new)] == [True, True]
    assert [is_signed(*later, one) for one in (made["secret"], new)] == [False, True]


@pytest.mark.parametrize("status", [500, 404, 302, 0])
def test_what_is_not_answered_2xx_is_sent_again_under_the_same_id(
    status, reena, rahul, receiver, clock
):
    listen(reena, receiver)
    reena.send(rahul, "25.00")
    receiver.answer = lambda: status
    for _ in range(3):
        dispatch()
    assert len(receiver.messages) == 1, "not before the pause is over"

    receiver.answer = lambda: 200
    clock(7)
    dispatch()
    assert len(receiver.messages) == 2
    assert len(set(receiver.ids)) == 1
    assert WebhookDelivery.objects.get().state == "DELIVERED"


def test_the_events_of_an_account_wait_for_the_one_before_them(reena, rahul, receiver, clock):
    listen(reena, receiver)
    for n in range(1, 4):
        reena.send(rahul, f"{n}.00")
    receiver.answer = lambda: 503
    dispatch()
    assert len(receiver.messages) == 1
    receiver.answer = lambda: 200
    clock(7)
    dispatch()

    amounts = [json.loads(body)["data"]["amount"] for _, body in receiver.messages]
    assert amounts == ["1.00", "1.00", "2.00", "3.00"]


def test_a_receiver_that_is_away_holds_up_no_other(reena, rahul, receiver):
    listen(reena, receiver)
    WebhookEndpoint.objects.update(url="http://localhost:9/hook")
    listen(rahul, receiver)
    reena.send(rahul, "25.00")
    dispatch()
    assert receiver.events == ["transfer.received"]
    assert WebhookDelivery.objects.get(state="WAITING").last_answer == "ConnectionRefusedError"


def test_an_address_that_cannot_be_looked_up_holds_up_no_other(reena, rahul, receiver):
    listen(reena, receiver)
    WebhookEndpoint.objects.update(url=f"https://{'a' * 64}.com/")  # stored when it was accepted
    listen(rahul, receiver)
    reena.send(rahul, "25.00")
    dispatch()
    assert receiver.events == ["transfer.received"]
    waiting = WebhookDelivery.objects.get(state="WAITING")
    assert (waiting.attempts, waiting.last_answer) == (1, "This is not an address.")


def test_what_nobody_foresaw_is_a_failed_attempt_of_one_message(
    reena, rahul, receiver, monkeypatch
):
    listen(reena, receiver)
    listen(rahul, receiver)
    reena.send(rahul, "25.00")
    post, failures = webhook_targets.post, iter([RuntimeError("a surprise")])

    def fail_once(*message):
        for failure in failures:
            raise failure
        return post(*message)

    monkeypatch.setattr(webhook_targets, "post", fail_once)
    dispatch()
    assert len(receiver.messages) == 1
    assert WebhookDelivery.objects.get(state="WAITING").last_answer == "RuntimeError"


def byte_by_byte(answer: bytes) -> list[bytes]:
    return [bytes([one]) for one in answer]


SLOW_ANSWERS = {
    "a byte now and then": ("http", byte_by_byte(b"HTTP/1.1 200 OK\r\nX-Slow: yes\r\n")),
    "one interim answer after the other": ("http", [b"HTTP/1.1 100 Continue\r\n\r\n"] * 30),
    "a handshake without end": ("https", byte_by_byte(b"\x16\x03\x03\x10\x00" + b"\x02" * 25)),
}


@pytest.mark.parametrize(("scheme", "parts"), SLOW_ANSWERS.values(), ids=SLOW_ANSWERS)
def test_an_answer_that_takes_its_time_is_none(scheme, parts, settings, monkeypatch):
    settings.WEBHOOK_PRIVATE_HOSTS = ["localhost"]
    monkeypatch.setattr(webhook_targets, "SECONDS", 0.5)
    hung_up = threading.Event()

    def answer_slowly():
        receiver, _ = listener.accept()
        with receiver, suppress(OSError):
            for part in parts:
                hung_up.wait(0.1)
                receiver.sendall(part)
            receiver.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_slowly)
        thread.start()
        url = f"{scheme}://localhost:{listener.getsockname()[1]}/"
        with pytest.raises(TimeoutError):
            webhook_targets.post(url, b"{}", {})
        hung_up.set()
        thread.join()


def test_after_three_days_it_is_given_up_and_can_be_asked_for_again(reena, rahul, receiver, clock):
    made = listen(reena, receiver)
    reena.send(rahul, "25.00")
    receiver.answer = lambda: 500
    for _ in range(len(delivery.PAUSES) + 3):
        dispatch()
        clock(15 * 3600)
    assert len(receiver.messages) == len(delivery.PAUSES) + 1
    assert WebhookDelivery.objects.get().state == "FAILED"

    receiver.answer = lambda: 200
    body = {"since": "2026-01-01T00:00:00Z"}
    assert reena.api.post(f"/webhooks/{made['id']}/replay", body).json() == {"count": 1}
    dispatch()
    assert len(set(receiver.ids)) == 1
    assert WebhookDelivery.objects.get().state == "DELIVERED"


def test_who_answers_410_is_told_nothing_any_more(reena, rahul, receiver, audited):
    listen(reena, receiver)
    receiver.answer = lambda: 410
    for _ in range(3):
        reena.send(rahul, "1.00")
        dispatch()
    assert len(receiver.messages) == 1
    assert not Account.objects.filter(has_webhooks=True).exists()
    assert audited("webhook.changed")[-1].details["change"] == "disabled"


def test_a_claim_that_was_left_behind_runs_out(reena, rahul, receiver, clock):
    listen(reena, receiver)
    reena.send(rahul, "1.00")
    assert delivery._claim() is not None  # and dies
    dispatch()
    assert receiver.messages == []
    clock(delivery.CLAIM_SECONDS)
    dispatch()
    assert receiver.events == ["transfer.completed"]


# --- Where it may go --------------------------------------------------------------------------

FORBIDDEN = [
    *("http://example.com/", "ftp://example.com/", "example.com", "https://", "https:///x", ""),
    *("https://user@example.com/", "https://a:b@example.com/", "https://example.com/#x"),
    *("https://example.com:0/", "https://example.com:99999/", "https://exa mple.com/"),
    *(
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/",
    ),
    *("https://[::1]/", "https://[fe80::1]/", "https://[fd00::1]/", "https://0.0.0.0/"),
    *("https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/"),
    *("https://224.0.0.1/", "https://100.64.0.1/", "https://bücher.example/"),
    *(f"https://{'a' * 64}.com/", "https://a..b/", "https://.example.com/"),
]


@pytest.mark.parametrize("url", FORBIDDEN)
def test_no_endpoint_is_made_where_the_bank_does_not_call(url, reena):
    response = reena.api.post("/webhooks", {"url": url})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "url")
    assert not WebhookEndpoint.objects.exists()


def test_a_public_address_over_tls_is_taken(reena):
    for url in ("https://hooks.example.com/bank?x=1", "https://93.184.216.34:8443/"):
        assert reena.api.post("/webhooks", {"url": url}).status_code == 201


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "::1", "::ffff:192.168.0.1"])
def test_a_name_that_stands_for_a_private_address_is_not_called(
    address, reena, rahul, receiver, monkeypatch
):
    """Also if it was public when the endpoint was made, and if only one of its addresses is not."""
    reena.api.post("/webhooks", {"url": "https://hooks.example.com/"})
    reena.send(rahul, "1.00")
    found = [(2, 1, 6, "", (one, 443)) for one in ("93.184.216.34", address)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
    connected = []
    monkeypatch.setattr(socket, "create_connection", lambda *args: connected.append(args))
    dispatch()

    assert connected == []
    assert WebhookDelivery.objects.get().last_answer == "This host is not public."


def test_the_address_that_was_checked_is_the_one_that_is_called(monkeypatch):
    """A name server that answers differently the second time (DNS rebinding) is asked once."""
    answers = iter([[(2, 1, 6, "", ("93.184.216.34", 443))], [(2, 1, 6, "", ("127.0.0.1", 443))]])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: next(answers))
    connected = []

    def connect(address, timeout):
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(ConnectionRefusedError):
        webhook_targets.post("https://hooks.example.com/", b"{}", {})
    assert connected == [("93.184.216.34", 443)]


@pytest.mark.parametrize("text", ["8.8.8.8", "2001:4860:4860::8888"])
def test_public_addresses_are_public(text):
    assert webhook_targets.is_public(ipaddress.ip_address(text))


# --- The API ----------------------------------------------------------------------------------


def test_the_secret_is_shown_when_it_is_made_and_never_again(reena, receiver):
    made = listen(reena, receiver, "transfer.completed")
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made == {
        "id": made["id"],
        "url": receiver.url,
        "events": ["transfer.completed"],
        "status": "ACTIVE",
        "created_at": made["created_at"],
    }
    assert reena.api.get(f"/webhooks/{made['id']}").json() == made
    assert reena.api.get("/webhooks").json()["results"] == [made]


def test_nobody_sees_or_changes_anothers_endpoints(reena, anita, receiver):
    made = listen(reena, receiver)["id"]
    for method, path in [
        ("get", ""),
        ("delete", ""),
        ("post", "/secret"),
        ("post", "/replay"),
        ("get", "/deliveries"),
    ]:
        answers = [
            getattr(anita.api, method)(f"/webhooks/{one}{path}", X_Request_ID="same")
            for one in (made, UNKNOWN_ID)
        ]
        assert [one.status_code for one in answers] == [404, 404]
        assert answers[0].content == answers[1].content
    assert anita.api.get("/webhooks").json()["results"] == []
    assert WebhookEndpoint.objects.get().disabled_at is None


def test_deleting_an_endpoint_ends_it_for_good(reena, rahul, receiver):
    made = listen(reena, receiver)["id"]
    reena.send(rahul, "1.00")
    assert reena.api.delete(f"/webhooks/{made}").status_code == 204
    reena.send(rahul, "1.00")
    dispatch()

    assert receiver.messages == []
    assert reena.api.get(f"/webhooks/{made}").json()["status"] == "DISABLED"
    again = reena.api.post(f"/webhooks/{made}/replay", {"since": "2026-01-01T00:00:00Z"})
    assert again.status_code == 404


def test_a_replay_that_comes_after_the_end_sends_nothing(reena, rahul, receiver):
    listen(reena, receiver)
    reena.send(rahul, "1.00")
    looked_up = WebhookEndpoint.objects.select_related("customer").get()
    webhooks.disable(WebhookEndpoint.objects.get(), origin=reena.origin)
    with pytest.raises(webhooks.Disabled):
        webhooks.replay(looked_up, looked_up.created_at, origin=reena.origin)
    assert WebhookDelivery.objects.get().state == "FAILED"


def test_what_still_waits_for_a_disabled_endpoint_is_not_sent(reena, rahul, receiver):
    listen(reena, receiver)
    reena.send(rahul, "1.00")
    WebhookEndpoint.objects.update(disabled_at=timezone.now())
    dispatch()
    assert receiver.messages == []


def test_a_replay_sends_so_many_messages_at_most_the_first_ones_first(
    reena, rahul, receiver, monkeypatch
):
    monkeypatch.setattr(webhooks, "MOST_REPLAYED", 2)
    made = listen(reena, receiver)["id"]
    for _ in range(3):
        reena.send(rahul, "1.00")
    dispatch()
    again = reena.api.post(f"/webhooks/{made}/replay", {"since": "2026-01-01T00:00:00Z"})
    assert again.json() == {"count": 2}
    dispatch()
    assert receiver.ids[3:] == receiver.ids[:2]


def test_replays_are_throttled(reena, receiver, settings):
    settings.REPLAYS_PER_HOUR = 1
    replay = f"/webhooks/{listen(reena, receiver)['id']}/replay"
    since = {"since": "2026-01-01T00:00:00Z"}
    assert [reena.api.post(replay, since).status_code for _ in range(2)] == [200, 429]


def test_the_deliveries_tell_what_became_of_each_message(reena, rahul, receiver):
    made = listen(reena, receiver)["id"]
    reena.send(rahul, "1.00")
    dispatch()
    reena.send(rahul, "2.00")

    waiting, done = reena.api.get(f"/webhooks/{made}/deliveries").json()["results"]
    assert (waiting["status"], waiting["attempts"], done["status"]) == ("WAITING", 0, "DELIVERED")
    assert (done["attempts"], done["last_answer"]) == (1, "204")
    assert done["message"] == json.loads(receiver.messages[0][1])
    assert done["message_id"] == receiver.ids[0]
    page = reena.api.get(f"/webhooks/{made}/deliveries?limit=1").json()
    assert reena.api.get(page["next"]).json()["results"] == [done]
    for status, rows in (("WAITING", [waiting]), ("DELIVERED", [done]), ("FAILED", [])):
        page = reena.api.get(f"/webhooks/{made}/deliveries?status={status}").json()
        assert page["results"] == rows
    wrong = reena.api.get(f"/webhooks/{made}/deliveries?status=LOST")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "status")


def test_a_customer_has_at_most_five_endpoints(reena, receiver):
    for _ in range(5):
        listen(reena, receiver)
    response = reena.api.post("/webhooks", {"url": receiver.url})
    assert response.json()["errors"][0]["detail"] == "At most 5 endpoints."


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("", {}, "url"),
        ("", {"url": 5}, "url"),
        ("", {"url": "https://example.com/", "events": []}, "events"),
        ("", {"url": "https://example.com/", "events": ["transfer.lost"]}, "events"),
        ("", {"url": "https://example.com/", "secret": "whsec_x"}, "secret"),
        ("/{id}/replay", {"since": "yesterday"}, "since"),
        ("/{id}/replay", {"since": "2026-13-01T00:00:00Z"}, "since"),
        ("/{id}/replay", {"since": "2026-01-01T00:00:00+01:00"}, "since"),
    ],
)
def test_what_is_of_the_wrong_form_is_answered_400(path, body, field, reena, receiver):
    made = listen(reena, receiver)["id"]
    response = reena.api.post("/webhooks" + path.format(id=made), body)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, field)


def test_staff_have_no_webhooks(teller):
    assert teller.api.post("/webhooks", {"url": "https://example.com/"}).status_code == 403


def test_a_token_needs_the_scope(reena):
    secret, _ = tokens.create(reena.user, scopes="transfers:write", origin=reena.origin)
    assert Api(secret).get("/webhooks").json()["missing_scope"] == "webhooks"
