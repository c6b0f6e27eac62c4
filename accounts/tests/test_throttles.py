"""How often is too often: exact where it must be, cheap elsewhere, and told to the caller."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts import throttles
from accounts.models import ApiToken, ThrottleWindow
from audit.models import AuditLog
from conftest import PASSWORD, Api

ATTEMPTS, THREADS, LIMIT = 1_000, 20, 10


@pytest.fixture(autouse=True)
def no_pace_from_other_tests():
    throttles.Pace._windows.clear()


def sign_in(username="reena", password=PASSWORD, **defaults):
    return Api(**defaults).post("/auth/token", {"username": username, "password": password})


def many_at_once(job) -> Counter:
    """Run the job ATTEMPTS times in THREADS threads that start together, and count its results."""
    start = threading.Barrier(THREADS)

    def run(_):
        try:
            start.wait()
            return [job() for _ in range(ATTEMPTS // THREADS)]
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return Counter(result for results in pool.map(run, range(THREADS)) for result in results)


# --- Exact ------------------------------------------------------------------------------------


@pytest.mark.row_locks
@pytest.mark.django_db(transaction=True)
def test_of_a_thousand_simultaneous_guesses_exactly_ten_are_looked_at(reena, settings, audited):
    settings.SIGN_IN_FAILURES = LIMIT

    answers = many_at_once(lambda: sign_in(password="wrong").status_code)

    assert answers == {401: LIMIT, 429: ATTEMPTS - LIMIT}
    assert len(audited("sign_in.failed")) == LIMIT


@pytest.mark.row_locks
@pytest.mark.django_db(transaction=True)
def test_of_a_thousand_simultaneous_sign_ins_exactly_ten_make_a_token(reena, settings):
    settings.SIGN_IN_FAILURES = 10**6  # so that it is the tokens' own limit that stops them
    settings.SIGN_IN_FAILURES_PER_ADDRESS = 10**6
    settings.TOKENS_PER_HOUR = LIMIT
    before = ApiToken.objects.count()

    answers = many_at_once(lambda: sign_in().status_code)

    assert answers == {200: LIMIT, 429: ATTEMPTS - LIMIT}
    assert ApiToken.objects.count() == before + LIMIT


def test_a_flood_is_refused_without_writing_anything(reena, settings, django_assert_num_queries):
    settings.SIGN_IN_FAILURES = 1
    sign_in(password="wrong")
    rows = AuditLog.objects.count()
    with django_assert_num_queries(1):
        assert sign_in(password="wrong").status_code == 429
    assert AuditLog.objects.count() == rows


# --- Whom it stops ----------------------------------------------------------------------------


def test_one_password_tried_on_many_names_stops_the_address_and_nobody_else(db, reena, settings):
    settings.SIGN_IN_FAILURES_PER_ADDRESS = 5
    guesses = [sign_in(f"name{n}", "monsoon-2026").status_code for n in range(7)]

    assert guesses == [401] * 5 + [429] * 2
    assert sign_in().status_code == 429, "from the same address"
    assert sign_in(REMOTE_ADDR="203.0.113.9").status_code == 200


def test_an_office_behind_one_address_signs_in_as_often_as_it_likes(reena, settings):
    settings.SIGN_IN_FAILURES_PER_ADDRESS = 2
    assert {sign_in().status_code for _ in range(6)} == {200}


def test_whoever_is_guessed_at_from_everywhere_still_signs_in_from_home(reena, settings):
    settings.SIGN_IN_FAILURES = 2
    for n in range(1, 40):
        sign_in(password="wrong", REMOTE_ADDR=f"198.51.100.{n}")
    assert sign_in().status_code == 200


def test_another_address_of_the_same_ipv6_network_does_not_open_another_count(reena, settings):
    settings.SIGN_IN_FAILURES = 3
    addresses = ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:1", "2001:db8:0:0:9::1"]
    answers = [sign_in(password="x", REMOTE_ADDR=one).status_code for one in addresses]

    assert answers == [401, 401, 401, 429]
    assert sign_in(REMOTE_ADDR="2001:db8:0:1::1").status_code == 200


def test_what_one_user_used_up_is_there_for_another(reena, rahul, settings):
    settings.TOKENS_PER_HOUR = 2
    assert [sign_in("reena").status_code for _ in range(3)] == [200, 200, 429]
    assert sign_in("rahul").status_code == 200


def test_a_window_ends_though_its_caller_never_stopped_trying(reena, settings, clock):
    settings.TOKENS_PER_HOUR = 1
    assert sign_in().status_code == 200
    for _ in range(6):
        clock(599)
        assert sign_in().status_code == 429
    clock(6)
    assert sign_in().status_code == 200


def test_counts_say_nothing_of_what_was_typed_and_go_when_they_are_over(db, clock, settings):
    sign_in("canary", "canary")
    assert "canary" not in str(list(ThrottleWindow.objects.values()))
    for n in range(4):
        clock(settings.SIGN_IN_WINDOW_SECONDS)
        sign_in(f"name{n}", "x")
    assert ThrottleWindow.objects.count() == 2, "the last name's window, and the address's"


# --- What is told -----------------------------------------------------------------------------


def test_an_answer_says_how_much_is_left_and_a_refusal_when_to_come_back(reena, settings, clock):
    settings.SIGN_IN_FAILURES = 2
    first, second, third = (sign_in(password="wrong") for _ in range(3))

    assert first["RateLimit-Policy"] == '"sign-in";q=2;w=900, "sign-in-address";q=200;w=900'
    assert first["RateLimit"] == '"sign-in";r=1;t=900, "sign-in-address";r=199;t=900'
    assert second["RateLimit"] == '"sign-in";r=0;t=900, "sign-in-address";r=198;t=900'
    clock(0)
    assert third["RateLimit"] == second["RateLimit"], "what is refused is not counted"
    assert (third.status_code, third["Retry-After"]) == (429, "900")
    assert third.json()["type"] == "/problems/throttled"
    assert third.json()["detail"] == "Too many attempts. Try again in 900 seconds."


def test_the_limit_of_an_account_and_the_limit_on_calls_cannot_be_mistaken(meera, rahul, settings):
    over = meera.send(rahul, "100.01")
    settings.REQUESTS_PER_MINUTE = 1
    throttled = meera.send(rahul, "1.00")

    assert over.status_code == throttled.status_code == 429
    assert (over.json()["code"], throttled.json()["code"]) == ("daily_limit_exceeded", "throttled")
    assert "transfer_id" in over.json()
    assert "transfer_id" not in throttled.json()


# --- Cheap ------------------------------------------------------------------------------------


def test_calls_are_paced_by_token_without_a_statement(reena, rahul, settings):
    settings.REQUESTS_PER_MINUTE = 3
    answers = [reena.api.get("/me") for _ in range(5)]

    assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
    assert "RateLimit" not in answers[0], "far from it, and a replay must be the first answer again"
    assert answers[2]["RateLimit-Policy"] == '"calls";q=3;w=60'
    assert answers[2]["RateLimit"].startswith('"calls";r=0;t=')
    assert answers[3]["RateLimit"].startswith('"calls";r=0;t=')
    assert 1 <= int(answers[3]["Retry-After"]) <= 60
    assert rahul.api.get("/me").status_code == 200
    assert Api(sign_in().json()["token"]).get("/me").status_code == 200, "another token of hers"
    assert not ThrottleWindow.objects.filter(used=5).exists()


def test_a_session_is_paced_as_its_user(reena, settings):
    settings.REQUESTS_PER_MINUTE = 2
    answers = [reena.browser.get("/me").status_code for _ in range(3)]
    assert answers == [200, 200, 429]


def test_what_is_throttled_uses_no_idempotency_key(reena, rahul, settings):
    settings.REQUESTS_PER_MINUTE = 0
    assert reena.send(rahul, "1.00", key="k").status_code == 429
    settings.REQUESTS_PER_MINUTE = 10
    throttles.Pace._windows.clear()
    assert reena.send(rahul, "2.00", key="k").status_code == 201


def test_a_process_forgets_callers_rather_than_remembering_without_end(reena, monkeypatch):
    monkeypatch.setattr(throttles, "MOST_PACED", 3)
    throttles.Pace._windows.update({("token", -n): [0, 10**12] for n in range(3)})
    assert reena.api.get("/me").status_code == 200
    assert len(throttles.Pace._windows) == 1
