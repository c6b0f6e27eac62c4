"""The customer's own security: password, sessions, tokens, time-outs and what is kept over them."""

import datetime as dt

import pytest
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core import mail as outbox
from django.test import Client
from django.utils import timezone

from accounts import mail, tokens
from accounts.models import ApiToken, BrowserSession
from accounts.tests.browsing import Page, submit, visit
from conftest import PASSWORD
from transfers.models import Transfer

NEW = "another horse battery"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def signed_in(username="reena", **headers) -> Client:
    """A browser in which somebody has signed in at the door."""
    browser = Client(enforce_csrf_checks=True, raise_request_exception=False, **headers)
    page = visit(browser, "/login")
    submit(browser, "/login", page, username=username, password=PASSWORD)
    return browser


def is_in(browser) -> bool:
    return browser.get("/").status_code == 200


@pytest.fixture
def later(monkeypatch):
    """Stop the clock, and return a function that moves it to so many seconds from now."""
    start = timezone.now()

    def move(seconds):
        moment = start + dt.timedelta(seconds=seconds)
        monkeypatch.setattr(timezone, "now", lambda: moment)

    move(0)
    return move


# --- Sessions and tokens ----------------------------------------------------------------------


def test_the_page_names_the_last_sign_in_the_browsers_and_the_programs(reena):
    signed_in()
    browser = signed_in(headers={"User-Agent": FIREFOX})

    page = visit(browser, "/security")

    assert "You signed in before on" in page.text and "from 127.0.0.1" in page.text
    assert "Firefox, Linux (this browser)" in page.text
    assert reena.token[:8] in page.text
    assert reena.token not in page.text


def test_a_browser_is_signed_out_from_another_one(reena, audited):
    stolen, browser = signed_in(), signed_in()
    session = BrowserSession.objects.get(pk=stolen.session.session_key)
    path = f"/security/sessions/{session.public_id}/end"

    response = submit(browser, path, visit(browser, "/security"))

    assert response["Location"] == "/security"
    assert (is_in(stolen), is_in(browser)) == (False, True)
    assert [row.object_id for row in audited("session.ended")] == [session.public_id]


def test_nobody_ends_anothers_session_or_token(reena, anita):
    theirs = signed_in()
    session = BrowserSession.objects.get(pk=theirs.session.session_key)
    token = ApiToken.objects.get(user=reena.user)
    browser = signed_in("anita")
    page = visit(browser, "/security")

    for path in (f"sessions/{session.public_id}/end", f"tokens/{token.public_id}/revoke"):
        assert submit(browser, f"/security/{path}", page).status_code == 404
    assert is_in(theirs)
    assert reena.api.get("/me").status_code == 200


def test_a_program_is_stopped_at_once(reena, audited):
    browser = signed_in()
    token = ApiToken.objects.get(user=reena.user)

    submit(browser, f"/security/tokens/{token.public_id}/revoke", visit(browser, "/security"))

    assert reena.api.get("/me").status_code == 401
    assert [row.object_id for row in audited("token.revoked")] == [token.public_id]
    assert "None." in visit(browser, "/security").text


# --- The password -----------------------------------------------------------------------------


def test_one_button_signs_out_everywhere_but_here_and_leaves_programs_alone(reena, rahul, audited):
    browser = signed_in()
    assert "Sign out everywhere but here" not in visit(browser, "/security").text
    others, stranger = [signed_in(), signed_in()], signed_in("rahul")

    page = visit(browser, "/security")
    assert "Sign out everywhere but here" in page.text
    answer = submit(browser, "/security/sessions/end", page)

    assert (answer.status_code, answer["Location"]) == (302, "/security")
    assert [is_in(one) for one in (browser, *others, stranger)] == [True, False, False, True]
    assert reena.api.get("/me").status_code == 200
    assert len(audited("session.ended")) == 2


def change(browser, old=PASSWORD, new=NEW, again=NEW):
    page = visit(browser, "/security/password")
    typed = {"old_password": old, "new_password1": new, "new_password2": again}
    return submit(browser, "/security/password", page, **typed)


def test_who_changes_the_password_stays_and_everybody_else_is_out(reena, audited):
    elsewhere, browser = signed_in(), signed_in()

    assert change(browser)["Location"] == "/security?done=password"

    assert (is_in(browser), is_in(elsewhere)) == (True, False)
    assert BrowserSession.objects.filter(user=reena.user).count() == 1
    assert reena.api.get("/me").status_code == 401
    assert len(audited("password.changed")) == 1


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ({"old": "open sesame"}, "This is not your password."),
        ({"again": "something else here"}, "The two password fields didn’t match."),
        ({"new": "short", "again": "short"}, "This password is too short."),
    ],
)
def test_a_password_is_not_changed_to_what_is_weak_or_by_who_does_not_know_it(
    reena, typed, problem
):
    browser = signed_in()

    page = Page(change(browser, **typed))

    assert page.status == 400
    assert problem in page.problems[0]
    assert signed_in().get("/").status_code == 200


def test_guessing_the_old_password_is_counted_as_at_the_door(reena, settings, audited):
    settings.SIGN_IN_FAILURES = 3
    browser = signed_in()
    for _ in range(3):
        change(browser, old="open sesame")

    page = Page(change(browser))

    assert page.problems == ["Too many attempts. Try again in 15 minutes."]
    assert len(audited("sign_in.failed")) == 3


# --- Forgotten --------------------------------------------------------------------------------


@pytest.fixture
def letters(reena):
    """Return a function that gives the mails sent so far, once all are."""
    type(reena.user).objects.filter(pk=reena.user.pk).update(email="reena@post.example")

    def sent():
        mail.wait()
        return outbox.outbox

    return sent


def ask(email, **defaults):
    browser = Client(enforce_csrf_checks=True, **defaults)
    return browser, submit(browser, "/forgotten", visit(browser, "/forgotten"), email=email)


def test_a_forgotten_password_is_replaced_by_a_link_that_works_once(reena, letters):
    stolen = signed_in()
    browser, _ = ask("Reena@post.example")
    [letter] = letters()
    link = next(word for word in letter.body.split() if word.startswith("http"))
    path = link.removeprefix("http://testserver")

    typed = {"new_password1": NEW, "new_password2": NEW}
    response = submit(browser, path, visit(browser, path), **typed)

    assert response["Location"] == "/login?done=password"
    assert letter.to == ["reena@post.example"]
    assert not is_in(stolen)
    assert reena.api.get("/me").status_code == 401
    assert visit(browser, path).status == 404
    login = visit(browser, "/login")
    assert submit(browser, "/login", login, username="reena", password=NEW).status_code == 302


def test_nobody_learns_which_addresses_the_bank_knows(reena, teller, letters):
    type(teller.user).objects.filter(pk=teller.user.pk).update(email="teller@post.example")
    pages = [Page(ask(f"{name}@post.example")[1]) for name in ("reena", "nobody", "teller")]

    assert {page.text for page in pages} == {pages[0].text}
    assert {page.status for page in pages} == {200}
    assert [letter.to for letter in letters()] == [["reena@post.example"]]


def test_links_are_not_asked_for_without_end(reena, letters, settings):
    settings.RECOVERY_MAILS_PER_HOUR = 2
    for _ in range(2):
        ask("reena@post.example")

    page = Page(ask("reena@post.example")[1])

    assert (page.status, len(letters())) == (429, 2)


def test_no_mailbox_is_flooded_from_many_addresses_and_none_is_found_out_by_that(
    reena, letters, settings
):
    settings.RECOVERY_MAILS_PER_MAILBOX = 2
    for name in ("reena", "nobody"):
        answers = [
            ask(spelt, REMOTE_ADDR=f"198.51.100.{n}")[1].status_code
            for n, spelt in enumerate([f"{name}@post.example", f"{name.title()}@POST.example"] * 2)
        ]
        assert answers == [200, 200, 429, 429]
    assert len(letters()) == 2


@pytest.mark.parametrize("query", ["", "?customer=x&token=y", "?customer={id}&token=c-0"])
def test_a_link_that_nobody_sent_opens_nothing(client, reena, query):
    page = visit(client, f"/new-password{query.format(id=reena.customer.public_id)}")
    assert (page.status, page.fields.keys() & {"new_password1"}) == (404, set())


def test_a_link_is_too_old_after_an_hour(reena, letters, monkeypatch):
    browser, _ = ask("reena@post.example")
    link = next(word for word in letters()[0].body.split() if word.startswith("http"))
    hour = dt.datetime.now() + dt.timedelta(seconds=3601)
    monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda self: hour)

    assert visit(browser, link.removeprefix("http://testserver")).status == 404


# --- Time-outs --------------------------------------------------------------------------------


def test_after_idle_minutes_a_browser_is_signed_out(reena, later):
    browser = signed_in()
    later(14 * 60)
    assert is_in(browser)
    later(28 * 60)
    assert is_in(browser)

    later(44 * 60)
    assert browser.get("/")["Location"] == "/login?next=%2F&ended=1"
    assert (
        "You were signed out because nothing happened here"
        in visit(browser, "/login?next=%2F&ended=1").text
    )


def test_after_twelve_hours_a_browser_is_signed_out_however_busy_it_was(reena, later):
    browser = signed_in()
    for minute in range(0, 12 * 60, 10):
        later(minute * 60)
        assert is_in(browser)

    later(12 * 3600 + 1)
    assert not is_in(browser)


def test_what_was_being_filled_in_is_kept_over_a_time_out(reena, rahul, later):
    browser = signed_in()
    form = visit(browser, "/send")
    later(3600)
    typed = {"to_account_number": rahul.account.number, "amount": "250", "payee_name": "Rahul"}

    response = submit(browser, "/send/check", form, **typed)
    login = visit(browser, response["Location"])
    response = submit(browser, "/login", login, username="reena", password=PASSWORD)
    again = visit(browser, response["Location"])

    assert again.title == "Send money – SmartBank"
    assert again.fields.items() >= typed.items()
    assert Transfer.objects.filter(kind=Transfer.Kind.PAYMENT).count() == 0


def test_nobody_else_finds_what_was_being_filled_in(reena, rahul, anita, later):
    browser = signed_in()
    form = visit(browser, "/send")
    later(3600)
    typed = {"to_account_number": rahul.account.number, "amount": "250", "payee_name": "Rahul"}
    response = submit(browser, "/send/check", form, **typed)
    login = visit(browser, response["Location"])

    response = submit(browser, "/login", login, username="anita", password=PASSWORD)
    again = visit(browser, response["Location"])

    assert (again.fields["amount"], again.fields["to_account_number"]) == ("", "")


def test_a_page_that_is_only_read_writes_the_session_once_a_minute(reena, later):
    browser = signed_in()
    row = BrowserSession.objects.get(pk=browser.session.session_key)
    later(59)
    browser.get("/")
    assert BrowserSession.objects.get(pk=row.pk).seen_at == row.seen_at

    later(61)
    browser.get("/")
    assert BrowserSession.objects.get(pk=row.pk).seen_at == row.seen_at + 61


def test_a_token_lives_on_when_a_browser_is_signed_out(reena, later):
    secret, _ = tokens.create(reena.user, origin=reena.origin)
    browser = signed_in()
    later(3600)
    assert not is_in(browser)
    assert reena.api.get("/me").status_code == 200


# --- Before it ends ---------------------------------------------------------------------------


def left_of(browser, method="get") -> int:
    token = {"X-CSRFToken": browser.cookies["csrftoken"].value}
    return getattr(browser, method)("/session", headers=token).json()["seconds_left"]


def test_every_page_says_when_its_reader_is_signed_out(reena, settings):
    browser = signed_in()
    for path in ("/", "/send", "/security", "/limits", "/payees"):
        assert "Without a sign from you, you are signed out on " in visit(browser, path).text
    assert "signed out on" not in visit(Client(), "/login").text


def test_asking_how_long_a_session_lives_is_no_sign_and_staying_is(reena, later):
    browser = signed_in()
    visit(browser, "/")
    later(600)
    assert left_of(browser) == 300
    later(800)
    assert (left_of(browser), left_of(browser, "post"), left_of(browser)) == (100, 900, 900)
    later(1701)
    assert left_of(browser) == 0
    assert not is_in(browser)


def test_staying_does_not_outlast_twelve_hours(reena, later):
    browser = signed_in()
    visit(browser, "/")
    for quarter in range(1, 12 * 4):
        later(quarter * 15 * 60)
        left = left_of(browser, "post")
    assert left == 15 * 60
    later(12 * 3600 - 60)
    assert left_of(browser, "post") == 60, "and no more"
    later(12 * 3600 + 1)
    assert left_of(browser, "post") == 0


def test_strangers_and_deactivated_users_have_no_time_left(reena, later):
    browser = signed_in()
    assert left_of(browser) == 900
    type(reena.user).objects.filter(pk=reena.user.pk).update(is_active=False)
    assert left_of(browser) == 0
    assert Client().get("/session").json() == {"seconds_left": 0}


def test_another_site_keeps_nobody_signed_in(reena, later):
    browser = signed_in()
    later(600)
    assert browser.post("/session").status_code == 403
    assert left_of(browser) == 300


def test_a_payment_that_was_being_checked_is_checked_again_after_a_time_out(reena, rahul, later):
    browser = signed_in()
    form = visit(browser, "/send")
    typed = {"to_account_number": rahul.account.number, "amount": "250", "payee_name": "Rahul"}
    check = submit(browser, "/send/check", form, **typed)["Location"]
    later(3600)

    response = browser.get(check)
    login = visit(browser, response["Location"])
    response = submit(browser, "/login", login, username="reena", password=PASSWORD)

    assert response["Location"] == check
    assert "Send ₹250.00 to Rahul" in visit(browser, check).text
    assert Transfer.objects.filter(kind=Transfer.Kind.PAYMENT).count() == 0


def test_a_payment_sent_off_after_a_time_out_moves_nothing_and_is_kept(reena, rahul, later):
    browser = signed_in()
    form = visit(browser, "/send")
    typed = {"to_account_number": rahul.account.number, "amount": "250", "payee_name": "Rahul"}
    check = submit(browser, "/send/check", form, **typed)["Location"]
    checked = visit(browser, check)
    later(3600)

    response = submit(browser, "/send", checked)
    login = visit(browser, response["Location"])
    response = submit(browser, "/login", login, username="reena", password=PASSWORD)

    assert visit(browser, response["Location"]).fields["amount"] == "250"
    assert Transfer.objects.filter(kind=Transfer.Kind.PAYMENT).count() == 0
