"""Mails about money in and out: written with the transfer, sent until the mail server has them."""

import logging
import re
import threading
from smtplib import SMTPServerDisconnected

import pytest
from django.core.mail.backends.locmem import EmailBackend
from django.core.management import call_command
from django.db import connection

from accounts.tests.browsing import submit, visit
from conftest import PASSWORD
from transfers import cash, claims, notices
from transfers.models import Notice


@pytest.fixture(autouse=True)
def switched_on(settings):
    """Notices are on, and the opening deposits before it told nobody."""
    settings.MAIL_NOTICES = True


@pytest.fixture
def letters(reena, rahul, mailoutbox):
    """Return a function that sends what waits and returns the mails by their receivers."""
    Notice.objects.all().delete()  # of the opening deposits
    for person in (reena, rahul):
        person.user.email = f"{person.user.username}@post.example"
        person.user.save()

    def sent():
        call_command("dispatch", once=True, verbosity=0)
        return {letter.to[0].partition("@")[0]: letter for letter in mailoutbox}

    return sent


@pytest.fixture
def no_mail_server(monkeypatch):
    """Nobody takes mails, until `undo`."""

    def away(self, messages):
        raise SMTPServerDisconnected("no mail server")

    monkeypatch.setattr(EmailBackend, "send_messages", away)
    return monkeypatch


def test_both_sides_are_told_once_and_neither_of_the_others_balance_or_name(
    reena, rahul, letters, mailoutbox
):
    reena.send(rahul, "25.00", key="once")
    reena.send(rahul, "25.00", key="once")
    reena.send(rahul, "6000.00")

    sent = letters()

    assert len(mailoutbox) == 2
    assert sent["reena"].subject == "SmartBank: ₹25.00 sent"
    assert sent["rahul"].subject == "SmartBank: ₹25.00 received"
    for person, other in ((reena, rahul), (rahul, reena)):
        text = sent[person.user.username].body
        assert f"•••• {person.account.number[-4:]}" in text
        for secret in (person.account.number, other.account.number, other.customer.name):
            assert secret not in text
        assert "₹4,975.00" not in text and "₹3,025.00" not in text
    assert not Notice.objects.exists()


def test_what_happens_to_an_account_at_once_is_one_mail(reena, rahul, letters, mailoutbox):
    order = {"from_account_id": reena.account.public_id, "amount": "1.00"}
    order["to_account_id"] = rahul.account.public_id
    wishes = [order | {"idempotency_key": str(number)} for number in range(30)]
    results = reena.api.post("/transfers/bulk", {"transfers": wishes}).json()["results"]

    sent = letters()

    assert len(mailoutbox) == 2
    assert sent["reena"].subject == "SmartBank: 30 movements in your account"
    numbers = re.findall(r"Payment number: (\S+)", sent["reena"].body)
    assert numbers == [one["transfer"]["id"] for one in results]
    assert sent["reena"].body.count("₹1.00 left your account") == 30
    assert sent["rahul"].body.count("₹1.00 came to your account") == 30
    assert not Notice.objects.exists()


def test_a_mail_holds_only_so_much(reena, rahul, letters, mailoutbox, monkeypatch):
    monkeypatch.setattr(notices, "MOST_IN_A_MAIL", 2)
    for _ in range(3):
        reena.send(rahul, "1.00")
    letters()
    assert sorted(one.body.count("Payment number") for one in mailoutbox) == [1, 1, 2, 2]


def test_cash_is_told_too(reena, letters, teller):
    cash.deposit(reena.account, 100, reference="Cash", key="k" * 32, origin=teller.origin)
    assert letters()["reena"].subject == "SmartBank: ₹1.00 received"


def test_a_notice_exists_exactly_if_the_money_moved(reena, rahul, letters, monkeypatch):
    def fail(rows, now):
        notices_written(rows, now)
        raise RuntimeError

    notices_written = notices.write
    monkeypatch.setattr("transfers.operations.notices.write", fail)
    assert reena.send(rahul, "25.00").status_code == 500
    monkeypatch.undo()

    assert not Notice.objects.exists()
    assert reena.balance() == 500_000


def test_each_is_told_in_the_language_read_last(reena, rahul, letters):
    browser = rahul.browser
    assert submit(browser, "/language", visit(browser, "/"), language="hi").status_code == 302
    reena.send(rahul, "25.00")

    sent = letters()

    assert sent["reena"].body.startswith("Hello Reena,")
    assert sent["rahul"].subject == "SmartBank: ₹25.00 मिले"
    assert sent["rahul"].body.startswith("नमस्ते Rahul,")


def test_signing_in_tells_the_language(client, reena):
    client.cookies["django_language"] = "hi"
    typed = {"username": "reena", "password": PASSWORD}
    assert client.post("/login", typed).status_code == 302
    reena.customer.refresh_from_db()
    assert reena.customer.language == "hi"


@pytest.mark.parametrize(
    ("chosen", "noted"), [("", "en"), ("xx", "en"), ("hi-IN-nonsense", "hi"), ("en-gb", "en")]
)
def test_only_our_languages_are_noted(chosen, noted, reena):
    browser = reena.browser
    submit(browser, "/language", visit(browser, "/"), language=chosen)
    reena.customer.refresh_from_db()
    assert reena.customer.language == noted


def test_while_the_mail_server_is_away_the_mail_waits(
    reena, rahul, letters, no_mail_server, clock, caplog
):
    with caplog.at_level(logging.ERROR, "smartbank.mail"):
        assert reena.send(rahul, "25.00").status_code == 201
        assert letters() == {}
    assert "a mail was not sent" in caplog.text

    no_mail_server.undo()
    assert letters() == {}, "not before the pause is over"


def test_after_the_pause_it_goes_out_under_the_same_id(reena, rahul, letters, clock, monkeypatch):
    ids = []
    send = EmailBackend.send_messages

    def lost(self, messages):
        ids.extend(one.message()["Message-ID"] for one in messages)
        raise SMTPServerDisconnected("taken, and its answer lost")

    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", lost)
        reena.send(rahul, "25.00")
        letters()
    clock(61)
    sent = letters()

    assert EmailBackend.send_messages is send
    assert sorted(one.message()["Message-ID"] for one in sent.values()) == sorted(ids)
    assert len(set(ids)) == 2


def test_after_a_day_it_is_given_up(reena, rahul, letters, no_mail_server, clock, caplog):
    reena.send(rahul, "25.00")
    with caplog.at_level(logging.ERROR, "smartbank.mail"):
        for _ in range(len(notices.PAUSES) + 1):
            assert Notice.objects.count() == 2
            letters()
            clock(6 * 3600 + 1)
    assert not Notice.objects.exists()
    assert caplog.text.count("was given up") == 2


def test_a_dispatcher_that_dies_keeps_no_mail(reena, rahul, letters, clock):
    reena.send(rahul, "25.00")
    waiting = Notice.objects.all()
    assert [claims.claim(waiting, waiting, 60) for _ in range(3)][2] is None
    assert letters() == {}

    clock(61)
    assert sorted(letters()) == ["rahul", "reena"]


@pytest.mark.row_locks
@pytest.mark.django_db(transaction=True)
def test_ten_dispatchers_at_once_tell_each_movement_once(reena, rahul, letters, mailoutbox):
    for _ in range(10):
        reena.send(rahul, "1.00")

    def work():
        while notices.send_next():
            pass
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(10)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    told = [
        (one.to[0], number)
        for one in mailoutbox
        for number in re.findall(r"Payment number: (\S+)", one.body)
    ]
    assert (len(told), len(set(told))) == (20, 20)


def test_who_has_no_address_or_may_not_sign_in_is_not_told(reena, rahul, letters):
    reena.send(rahul, "25.00")
    users = type(reena.user).objects
    users.filter(pk=reena.user.pk).update(email="")
    users.filter(pk=rahul.user.pk).update(is_active=False)
    assert letters() == {}
    assert not Notice.objects.exists()


def test_without_the_setting_nothing_is_written(reena, rahul, letters, settings):
    settings.MAIL_NOTICES = False
    reena.send(rahul, "25.00")
    assert not Notice.objects.exists()
    assert letters() == {}
