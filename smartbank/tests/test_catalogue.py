"""Every error in the catalogue happens, as its example says, and every error is in it."""

import pytest
from django.db import OperationalError

from accounts import operations
from accounts.tests.browsing import visit
from audit.models import AuditLog
from conftest import Api
from smartbank.catalogue import PROBLEMS
from transfers import proofs

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"


def broken(*args, **kwargs):
    raise RuntimeError


def away(*args, **kwargs):
    raise OperationalError(2002, "away")


@pytest.fixture
def provoke(reena, rahul, meera, anita, make_customer, teller, settings, monkeypatch):
    """Return a function that brings a problem about, and the answer that has it."""

    def failing(how):
        monkeypatch.setattr("accounts.api.Customer.of", how)
        return Api(reena.token).get("/me")

    def to_a_frozen_account():
        operations.freeze(rahul.account, reason="Card lost", origin=teller.origin)
        return reena.send(rahul, "1.00")

    def reusing_a_key():
        reena.send(rahul, "1.00", key="k")
        return reena.send(rahul, "2.00", key="k")

    def all_or_none():
        order = reena.order(rahul, "1.00") | {"to_account_id": UNKNOWN_ID, "idempotency_key": "k"}
        asked = {"transfers": [order], "atomic": True}
        return reena.api.post("/transfers/bulk", asked, X_Request_ID="7c1d4b1e9f0a4b7f")

    def another_receipt():
        path = f"/transfers/{reena.send(rahul, '1.00').json()['id']}/receipt"
        rahul.api.post(path, {"received_amount": "1.00"})
        return rahul.api.post(path, {"received_amount": "2.00"})

    def proof_of_an_old_transfer():
        transfer_id = reena.send(rahul, "1.00").json()["id"]
        old = AuditLog(object_id=transfer_id, details={})
        monkeypatch.setattr(proofs.AuditLog.objects, "filter", lambda **names: [old])
        return reena.api.get(f"/transfers/{transfer_id}/proof")

    def guessing():
        settings.SIGN_IN_FAILURES = 1
        for _ in range(2):
            answer = Api().post("/auth/token", {"username": "reena", "password": "x"})
        return answer

    scenes = {
        "malformed_request": lambda: reena.api.post("/transfers", raw=b"{"),
        "validation_error": lambda: reena.send(rahul, "1.001"),
        "not_authenticated": lambda: Api("sbk_wrong").get("/me"),
        "insufficient_funds": lambda: meera.send(rahul, "1000.00"),
        "permission_denied": lambda: teller.api.post("/transfers", reena.order(rahul, "1.00")),
        "not_found": lambda: anita.api.get(f"/accounts/{reena.account.public_id}"),
        "account_not_found": lambda: reena.api.post(
            "/transfers", reena.order(rahul, "1.00") | {"to_account_id": UNKNOWN_ID}
        ),
        "method_not_allowed": lambda: reena.api.put("/me", headers=reena.api.credentials),
        "not_acceptable": lambda: reena.api.get("/me", Accept="text/html"),
        "account_not_active": to_a_frozen_account,
        "receipt_not_possible": another_receipt,
        "proof_not_possible": proof_of_an_old_transfer,
        "payload_too_large": lambda: reena.api.post("/transfers", raw=b" " * 65_537),
        "unsupported_media_type": lambda: reena.api.post(
            "/transfers", raw=b"{}", content_type="text/plain"
        ),
        "same_account": lambda: reena.send(reena, "1.00"),
        "currency_mismatch": lambda: reena.send(make_customer("kenji", currency="JPY"), "1.00"),
        "idempotency_key_reused": reusing_a_key,
        "bulk_refused": all_or_none,
        "daily_limit_exceeded": lambda: meera.send(rahul, "100.01"),
        "throttled": guessing,
        "internal_error": lambda: failing(broken),
        "busy": lambda: failing(away),
    }
    return lambda code: scenes[code]()


@pytest.mark.parametrize("code", PROBLEMS)
def test_it_happens_and_is_what_its_example_says(code, provoke):
    response = provoke(code)
    body, example = response.json(), PROBLEMS[code].example(code)

    assert response.status_code == example["status"]
    assert body.keys() == example.keys()
    for volatile in ("request_id", "transfer_id", "resets_at"):
        assert type(body.pop(volatile, None)) is type(example.pop(volatile, None))
    assert body == example
    assert ("Retry-After" in response) == bool(PROBLEMS[code].retry_after)


@pytest.mark.parametrize("code", PROBLEMS)
def test_its_address_explains_it_to_everybody(code, client):
    page = visit(client, f"/problems/{code}")

    assert (page.status, page.title) == (200, f"{PROBLEMS[code].title} – SmartBank")
    for words in (code, "What it means", "What to do", f"HTTP/1.1 {PROBLEMS[code].status}"):
        assert words in page.text
    assert "`" not in page.text


def test_the_list_of_all_leads_to_each(client):
    text = client.get("/problems").text
    assert [code for code in PROBLEMS if f'href="/problems/{code}"' not in text] == []


def test_what_is_no_problem_has_no_page(client):
    assert client.get("/problems/nope").status_code == 404
