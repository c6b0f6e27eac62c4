"""Log lines are JSON, one per request, and keep every secret."""

import json
import logging

import pytest

from conftest import PASSWORD
from smartbank.logs import JSONFormatter


@pytest.fixture
def lines(caplog):
    """Return a function that gives all lines logged so far, as they would be written."""
    caplog.set_level(logging.DEBUG)
    return lambda: [JSONFormatter().format(record) for record in caplog.records]


def access_line(lines):
    """Return the one line that tells of a request."""
    (line,) = [one for one in map(json.loads, lines()) if one["logger"] == "smartbank.access"]
    return line


def test_a_request_is_one_line_with_its_facts(stranger, lines, db):
    stranger.get("/healthz", X_Request_ID="mine")
    line = access_line(lines)
    assert line == {
        "time": line["time"],
        "level": "INFO",
        "logger": "smartbank.access",
        "message": "GET /healthz 200",
        "request_id": "mine",
        "ip": "127.0.0.1",
        "status": 200,
        "ms": line["ms"],
    }
    assert line["time"].endswith("+00:00")
    assert type(line["ms"]) is int


@pytest.mark.parametrize(
    ("path", "status"), [("/nope", 404), ("/me", 401), ("/accounts/1", 401), ("/readyz", 200)]
)
def test_a_refused_request_is_a_line_too(path, status, stranger, lines, db):
    stranger.get(path)
    assert access_line(lines)["status"] == status


@pytest.mark.parametrize(
    "canary",
    [
        "%0D%0AINFO%20forged",
        "%0A%7B%22level%22%3A%22INFO%22%7D",
        "%1B%5B2J%1B%5B31mred",
        "%C2%85%E2%80%A8%E2%80%A9",
        "%E2%80%AEdetrevni",
        "%00",
        "%22%5C",
    ],
)
def test_a_canary_in_the_path_stays_on_one_plain_line(canary, stranger, lines, db):
    stranger.get(f"/accounts/{canary}")
    written = lines()
    assert [line for line in written if "/accounts/" in line]
    for line in written:
        assert line.isascii()
        assert line.isprintable()
        assert json.loads(line)["level"] in {"DEBUG", "INFO", "WARNING", "ERROR"}


def test_what_breaks_is_logged_with_its_request_on_one_line(reena, lines, monkeypatch):
    def broken(self, request):
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr("accounts.api.MeViewSet.retrieve", broken)
    reena.api.get("/me", X_Request_ID="mine")
    (line,) = [one for one in map(json.loads, lines()) if one["logger"] == "smartbank"]
    assert (line["level"], line["message"]) == ("ERROR", "unforeseen error")
    assert (line["request_id"], line["ip"]) == ("mine", "127.0.0.1")
    assert "RuntimeError: first line\nsecond line" in line["exception"]
    assert all("\n" not in one for one in lines())


def test_no_secret_and_no_body_is_ever_logged(reena, rahul, lines, monkeypatch):
    api = reena.api
    made = api.post("/auth/token", {"username": "reena", "password": PASSWORD})
    api.post("/auth/token", {"username": "reena", "password": "canary-wrong-password"})
    api.get("/me", Authorization="Bearer canary-wrong-token")
    api.get("/me", {"token": "canary-query"}, Cookie="sessionid=canary-cookie")
    reena.send(rahul, "25.00", reference="canary-reference", key="canary-key")
    api.post("/transfers", raw=b'{"amount": canary-malformed}')
    monkeypatch.setattr("transfers.payments.pay", lambda *args, **kwargs: 1 / 0)
    reena.send(rahul, "25.00", reference="canary-reference", key="canary-key")
    written = "\n".join(lines())
    assert "ZeroDivisionError" in written
    for secret in ("canary", PASSWORD, made.json()["token"], reena.token, rahul.account.number):
        assert secret not in written
