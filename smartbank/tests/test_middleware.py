"""The request id, the headers that protect browsers, and whose address a request has."""

import re

import pytest
from django.test import Client

from audit.operations import Origin
from conftest import Api

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


@pytest.mark.parametrize("given", ["a", "0", "Ab.9_-", "x" * 64, "-", "..."])
def test_a_good_request_id_is_given_back(given, stranger, db):
    assert stranger.get("/healthz", X_Request_ID=given)["X-Request-ID"] == given


@pytest.mark.parametrize(
    "given",
    [
        *("", " ", "x" * 65, "a b", "a/b", "a\r\nSet-Cookie: b=c", "id\n", "é", "٣", "<a>", "{}"),
        Origin.command("pay").request_id,
    ],
)
def test_any_other_request_id_is_replaced_by_a_new_one(given, stranger, db):
    response = stranger.get("/healthz", X_Request_ID=given)
    assert re.fullmatch("[0-9a-f]{32}", response["X-Request-ID"])


def test_two_requests_without_an_id_get_different_ones(stranger, db):
    first, second = (stranger.get("/healthz")["X-Request-ID"] for _ in range(2))
    assert first != second


def test_a_problem_has_the_request_id_in_its_body(stranger, db):
    response = stranger.get("/me", X_Request_ID="mine")
    assert (response["X-Request-ID"], response.json()["request_id"]) == ("mine", "mine")


# --- Headers ----------------------------------------------------------------------------------


def test_every_answer_carries_the_headers_that_protect_browsers(reena, monkeypatch, subtests):
    def broken(self, request):
        raise RuntimeError

    api = reena.api
    answers = {
        200: api.get("/me"),
        400: api.post("/transfers", raw=b"{"),
        401: Api().get("/me"),
        404: api.get("/nope"),
        405: api.put("/me", headers=api.credentials),
        406: api.get("/me", Accept="text/html"),
        415: api.post("/transfers", raw=b"{}", content_type="text/plain"),
        413: api.post("/transfers", raw=b" " * 70_000),
        "bad host": api.get("/me", Host="evil.example"),
        "lost browser": Client().get("/nope", headers={"Accept": "text/html"}),
        "page": Client().get("/admin/login/"),
    }
    monkeypatch.setattr("accounts.api.MeViewSet.retrieve", broken)
    answers[500] = api.get("/me")
    for status, answer in answers.items():
        with subtests.test(str(status)):
            assert answer.status_code == status or isinstance(status, str)
            assert {name: answer.get(name) for name in HEADERS} == HEADERS


def test_the_content_security_policy_starts_from_nothing(stranger, db):
    policy = stranger.get("/healthz")["Content-Security-Policy"]
    directives = dict(one.split(" ", 1) for one in policy.split("; "))
    assert directives["default-src"] == "'none'"
    assert directives["base-uri"] == "'none'"
    assert directives["frame-ancestors"] == "'none'"
    assert directives["form-action"] == "'self'"
    assert "unsafe" not in policy
    assert "http" not in policy


def test_over_tls_browsers_are_told_to_stay_there(db, settings):
    settings.SECURE_HSTS_SECONDS = 31_536_000
    response = Client().get("/healthz", secure=True)
    assert response["Strict-Transport-Security"].startswith("max-age=31536000; includeSubDomains")


@pytest.mark.parametrize("method", ["get", "options"])
def test_no_other_site_is_let_in(method, reena):
    response = getattr(reena.api, method)("/me", headers={"Origin": "https://evil.example"})
    assert not [name for name in response.headers if name.startswith("Access-Control-")]


# --- The caller's address ---------------------------------------------------------------------


@pytest.fixture
def address(db, audited, settings):
    """Return a function that signs in wrongly through some hops and tells the audited address."""

    def tell(forwarded_for=None, *, peer="203.0.113.9", trusted=()):
        settings.TRUSTED_PROXIES = list(trusted)
        headers = {"X-Forwarded-For": forwarded_for} if forwarded_for is not None else {}
        body = {"username": "nobody", "password": "x"}
        Client(REMOTE_ADDR=peer).post(
            "/auth/token", body, content_type="application/json", headers=headers
        )
        return audited("sign_in.failed")[-1].ip

    return tell


def test_without_a_trusted_proxy_the_peer_is_the_caller(address):
    assert address() == "203.0.113.9"


@pytest.mark.parametrize("claim", ["198.51.100.1", "127.0.0.1", "10.0.0.1, 198.51.100.1", "", ","])
def test_what_a_client_claims_to_be_changes_nothing(claim, address):
    assert address(claim) == "203.0.113.9"


def test_a_claim_past_an_untrusted_peer_changes_nothing_though_proxies_exist(address):
    assert address("198.51.100.1", trusted=["10.0.0.1"]) == "203.0.113.9"


@pytest.mark.parametrize(
    ("forwarded_for", "caller"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("6.6.6.6,198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.2", "10.0.0.2"),
        ("2001:db8::1", "2001:db8::1"),
        ("198.51.100.1, ", "10.0.0.1"),
        ("nonsense", None),
        ("198.51.100.1:1234", None),
    ],
)
def test_a_trusted_proxy_is_believed_about_its_own_peer_only(forwarded_for, caller, address):
    proxies = ["10.0.0.1", "10.0.0.2"]
    assert address(forwarded_for, peer="10.0.0.1", trusted=proxies) == caller


def test_a_peer_without_an_address_is_nobody_in_particular(address):
    assert address(peer="") is None
