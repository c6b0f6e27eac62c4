"""Every error on every path is problem+json, and says nothing that is nobody's business."""

import io
import re

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError
from django.middleware.csrf import _get_new_csrf_string
from django.test import Client

from accounts.transactions import Busy
from conftest import Api
from smartbank.catalogue import PROBLEMS
from smartbank.middleware import ProblemMiddleware

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"
INTERNALS = re.compile(
    r"Traceback|File \"|line \d+, in|SELECT |INSERT |UPDATE |\.py|site-packages|django|MariaDB"
    r"|sqlite|<html|canary",
    re.IGNORECASE,
)


@pytest.fixture(params=[False, True], ids=["debug off", "debug on"])
def debug(request, settings):
    """Run the test with DEBUG off and with DEBUG on: a client must see no difference."""
    settings.DEBUG = request.param


@pytest.fixture
def caller(reena):
    """Reena's token, from a client without CSRF cookie, as programs are."""
    return Api(reena.token, enforce_csrf_checks=True)


def assert_problem(response, status, code, **members):
    """Check that the response is that problem and holds these members and no others."""
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body == {
        "type": f"/problems/{code}",
        "title": PROBLEMS[code].title,
        "status": status,
        "detail": body["detail"],
        "code": code,
        "request_id": response["X-Request-ID"],
        **members,
    }
    assert response.status_code == status
    assert body["detail"]
    assert not INTERNALS.search(response.text)


ANONYMOUS = [
    ("GET", "/me"),
    ("GET", f"/customers/{UNKNOWN_ID}/accounts"),
    ("GET", f"/accounts/{UNKNOWN_ID}"),
    ("GET", f"/accounts/{UNKNOWN_ID}/limits"),
    ("GET", f"/accounts/{UNKNOWN_ID}/entries"),
    ("GET", "/transfers"),
    ("POST", "/transfers"),
    ("GET", f"/transfers/{UNKNOWN_ID}"),
    ("POST", f"/transfers/{UNKNOWN_ID}/receipt"),
    ("DELETE", "/auth/token"),
]


@pytest.mark.parametrize(("method", "path"), ANONYMOUS)
def test_without_credentials_every_path_answers_401(method, path, db, debug):
    response = Api(enforce_csrf_checks=True).generic(
        method, path, "{}", content_type="application/json"
    )
    assert_problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Bearer"


LOST = [
    *("/nope", "/transfers/", "/me/", "/v1/transfers", "/transfers.json", "/accounts", "/auth"),
    *("/transfers/a/b", "/%00", "/a%0Ab", "/%ED%A0%80", "/🙂"),
]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_path_that_does_not_exist_answers_404(method, caller, debug, subtests):
    for path in LOST:
        with subtests.test(path):
            response = caller.generic(
                method, path, "{}", content_type="application/json", headers=caller.credentials
            )
            assert_problem(response, 404, "not_found")


METHODS = {
    "/me": {"GET"},
    "/transfers": {"GET", "POST"},
    f"/transfers/{UNKNOWN_ID}": {"GET"},
    f"/transfers/{UNKNOWN_ID}/receipt": {"POST"},
    f"/accounts/{UNKNOWN_ID}": {"GET"},
    f"/accounts/{UNKNOWN_ID}/limits": {"GET"},
    f"/accounts/{UNKNOWN_ID}/entries": {"GET"},
    f"/customers/{UNKNOWN_ID}/accounts": {"GET"},
    "/auth/token": {"POST", "DELETE"},
}


@pytest.mark.parametrize("path", METHODS)
def test_a_method_that_a_path_does_not_have_answers_405(path, caller, debug, subtests):
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} - METHODS[
        path
    ]:
        with subtests.test(method):
            response = caller.generic(
                method, path, "{}", content_type="application/json", headers=caller.credentials
            )
            assert_problem(response, 405, "method_not_allowed")
            with_head = {"HEAD"} if "GET" in METHODS[path] else set()
            assert set(response["Allow"].split(", ")) == METHODS[path] | with_head


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
def test_a_plain_view_answers_405_like_the_api_does(method, path, db, debug):
    response = Api(enforce_csrf_checks=True).generic(method, path)
    assert_problem(response, 405, "method_not_allowed")
    assert response["Allow"] == "GET, HEAD"


def test_another_method_on_a_redirect_answers_405(stranger, db, debug):
    # RedirectView answers every method but what HTTP does not know.
    response = stranger.generic("BREW", "/admin")
    assert_problem(response, 405, "method_not_allowed")


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml", "image/*", ";;;", "a/b/c", "x; charset*=no''x"]
)
def test_a_client_that_does_not_take_json_is_answered_406(accept, caller, debug):
    assert_problem(caller.get("/me", Accept=accept), 406, "not_acceptable")


@pytest.mark.parametrize(
    "accept",
    ["", " ", "application/problem+json", "text/html, Application/Problem+JSON;q=0.5"],
)
def test_an_empty_accept_header_and_the_form_of_errors_take_json(accept, caller, debug):
    response = caller.get("/me", Accept=accept)
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    assert_problem(caller.get(f"/transfers/{UNKNOWN_ID}", Accept=accept), 404, "not_found")


def test_a_browser_that_takes_anything_is_answered_in_json(caller, debug):
    response = caller.get("/me", Accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize("path", ["/transfers", "/auth/token", "/nope", "/healthz"])
def test_a_body_over_64_kib_is_answered_413(path, caller, debug):
    response = caller.post(path, raw=b" " * (64 * 1024 + 1))
    assert_problem(response, 413, "payload_too_large")


def test_a_body_of_64_kib_is_read(caller, debug):
    response = caller.post("/transfers", raw=b" " * (64 * 1024))
    assert_problem(response, 400, "malformed_request")


@pytest.mark.parametrize("length", ["abc", "1e3", "0x10", "1,1"])
def test_a_content_length_that_is_no_number_is_answered_400(length, stranger, db, debug):
    response = stranger.generic("POST", "/transfers", b"{}", CONTENT_LENGTH=length)
    assert_problem(response, 400, "malformed_request")


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/form-data"],
)
def test_a_body_that_is_not_said_to_be_json_is_answered_415(content_type, caller, debug):
    response = caller.post("/transfers", raw=b"{}", content_type=content_type)
    assert_problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"a": 1, "a": 1}', b"[" * 60_000])
def test_malformed_json_is_answered_400(body, caller, debug):
    assert_problem(caller.post("/transfers", raw=body), 400, "malformed_request")


def test_a_wrong_member_is_named_in_the_errors(caller, reena, rahul, debug):
    order = reena.order(rahul, "25.00", amonut="25.00", reference=5)
    response = caller.post("/transfers", order)
    errors = [
        {"field": "amonut", "code": "unknown", "detail": "This member is not known."},
        {"field": "reference", "code": "type", "detail": "This must be a string."},
    ]
    assert_problem(response, 400, "validation_error", errors=errors)


def test_members_named_like_parts_of_an_error_are_named_too(caller, reena, rahul):
    response = caller.post("/transfers", reena.order(rahul, "25.00", message="m", code="c"))
    errors = [
        {"field": name, "code": "unknown", "detail": "This member is not known."}
        for name in ("message", "code")
    ]
    assert_problem(response, 400, "validation_error", errors=errors)


def test_a_missing_member_is_named_in_the_errors(caller, debug):
    errors = [
        {"field": name, "code": "required", "detail": "This field is required."}
        for name in ("from_account_id", "amount")
    ]
    response = caller.post("/transfers", {"to_account_id": UNKNOWN_ID})
    assert_problem(response, 400, "validation_error", errors=errors)


@pytest.mark.parametrize("host", ["evil.example", "testserver.evil.example", "a b", "[::1"])
@pytest.mark.parametrize("path", ["/me", "/nope", "/healthz"])
def test_a_host_that_is_not_ours_is_answered_400(host, path, caller, debug):
    assert_problem(caller.get(path, Host=host), 400, "malformed_request")


# --- CSRF: browsers come with a cookie --------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-CSRFToken": "wrong"},
        {"X-CSRFToken": "a" * 32},
        {"X-CSRFToken": "ours", "Origin": "https://evil.example"},
        {"X-CSRFToken": "ours", "Origin": "null"},
    ],
)
def test_a_browser_without_a_good_csrf_token_is_answered_403(headers, reena, rahul, books, debug):
    browser, token = reena.browser, _get_new_csrf_string()
    browser.cookies["csrftoken"] = token
    headers = {name: token if value == "ours" else value for name, value in headers.items()}
    before = books()
    response = browser.post(
        "/transfers", reena.order(rahul, "25.00"), content_type="application/json", headers=headers
    )
    assert_problem(response, 403, "permission_denied")
    assert books() == before


def test_a_browser_with_its_csrf_token_pays(reena, rahul, debug):
    browser, token = reena.browser, _get_new_csrf_string()
    browser.cookies["csrftoken"] = token
    response = browser.post(
        "/transfers",
        reena.order(rahul, "25.00"),
        content_type="application/json",
        headers={"X-CSRFToken": token},
    )
    assert response.status_code == 201
    assert reena.balance() == 497_500


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/plain"],
)
def test_another_site_cannot_make_a_browser_post_a_form(content_type, reena, books, debug):
    browser, token = reena.browser, _get_new_csrf_string()
    before = books()
    response = browser.post("/transfers", "a=b", content_type=content_type)
    assert_problem(response, 403, "permission_denied")
    browser.cookies["csrftoken"] = token
    response = browser.post(
        "/transfers", "a=b", content_type=content_type, headers={"X-CSRFToken": token}
    )
    assert_problem(response, 415, "unsupported_media_type")
    assert books() == before


# --- What breaks ------------------------------------------------------------------------------


@pytest.fixture
def breaking(monkeypatch):
    """Return a function that makes paying raise an error."""

    def make(error):
        def pay(*args, **kwargs):
            raise error

        monkeypatch.setattr("transfers.payments.pay", pay)

    return make


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("canary /srv/secret.py"),
        KeyError("canary"),
        AssertionError("canary"),
        RecursionError("canary"),
        DatabaseError(1064, "canary SELECT * FROM accounts"),
    ],
)
def test_what_nobody_foresaw_is_answered_500(error, reena, rahul, breaking, books, debug):
    before = books()
    breaking(error)
    response = reena.send(rahul, "25.00")
    assert_problem(response, 500, "internal_error")
    assert books() == before


@pytest.mark.parametrize(
    "error",
    [
        OperationalError(2006, "canary: the server has gone away"),
        OperationalError("canary: database is locked"),
        InterfaceError(0, "canary"),
        Busy("canary"),
    ],
)
def test_a_database_that_is_away_is_answered_503(error, reena, rahul, breaking, books, debug):
    before = books()
    breaking(error)
    response = reena.send(rahul, "25.00")
    assert_problem(response, 503, "busy")
    assert int(response["Retry-After"]) >= 1
    assert books() == before


def test_a_database_that_is_away_when_the_token_is_looked_up_is_answered_503(
    reena, monkeypatch, debug
):
    def look_up(*query):
        raise OperationalError(2002, "canary")

    monkeypatch.setattr("accounts.tokens.rows.joined", look_up)
    assert_problem(reena.api.get("/me"), 503, "busy")


def test_a_database_that_is_away_when_the_session_is_looked_up_is_answered_503(
    reena, monkeypatch, debug
):
    browser = reena.browser

    def load(self):
        raise OperationalError(2002, "canary")

    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", load)
    assert_problem(browser.get("/me"), 503, "busy")


def test_what_breaks_in_a_plain_view_is_answered_500(stranger, monkeypatch, db, debug):
    def broken(*args):
        raise RuntimeError("canary")

    monkeypatch.setattr("smartbank.health._is_migrated", broken)
    assert_problem(stranger.get("/readyz"), 500, "internal_error")


def test_a_lost_browser_is_shown_a_page_and_no_details(db, debug):
    response = Client(raise_request_exception=False).get("/nope", headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert not re.search(r"Traceback|URLconf|smartbank\.urls", response.text)


# --- Refused before the view was found: the path alone says who is asking ------------------------


class Sent(io.RawIOBase):
    """A body that is being sent, and how much of it was taken."""

    def __init__(self, length: int):
        self.left = length
        self.taken = self.longest = 0

    def read(self, size: int = -1) -> bytes:
        size = min(self.left, self.left if size < 0 else size)
        self.left -= size
        self.taken += size
        self.longest = max(self.longest, size)
        return b"x" * size


@pytest.mark.parametrize("path", ["/transfers", "/transfers/bulk", "/send", "/nope"])
@pytest.mark.parametrize(
    ("length", "headers", "taken"),
    [
        (5_000_000, {}, 5_000_000),
        (10**9, {}, 8 * 1024 * 1024),
        (5_000_000, {"HTTP_EXPECT": "100-continue"}, 0),
    ],
)
def test_a_large_body_is_taken_in_pieces_before_it_is_refused(rf, path, length, headers, taken):
    body = Sent(length)
    sent = {"wsgi.input": body, "CONTENT_LENGTH": str(length), **headers}
    request = rf.generic("POST", path, **sent)
    request.request_id = "test"
    assert ProblemMiddleware(get_response=None)(request).status_code == 413
    assert body.taken == taken
    assert body.longest <= 64 * 1024


@pytest.mark.parametrize("accept", ["text/html", "*/*", "application/json"])
@pytest.mark.parametrize("path", ["/transfers", "/me", "/auth/token"])
def test_an_api_path_refuses_a_large_body_as_a_problem_whatever_is_accepted(caller, path, accept):
    answer = caller.post(path, raw=b"x" * 70_000, Accept=accept)
    assert_problem(answer, 413, "payload_too_large")


@pytest.mark.parametrize("path", ["/login", "/send", "/admin/login/"])
def test_a_page_refuses_a_large_body_as_a_page(caller, path):
    answer = caller.post(path, raw=b"x" * 70_000)
    assert (answer.status_code, answer["Content-Type"]) == (413, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded; charset=latin-1", b"username=a"),
        ("application/x-www-form-urlencoded", b"a=1&" * 1_500),
        ("multipart/form-data", b"no boundary"),
    ],
)
@pytest.mark.parametrize("path", ["/login", "/logout", "/send", "/admin/login/"])
def test_a_form_that_cannot_be_read_is_a_page_that_says_400(
    caller, debug, path, content_type, body
):
    answer = caller.post(path, raw=body, content_type=content_type)
    assert (answer.status_code, answer["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert answer["X-Request-ID"]
