"""The OpenAPI document: complete, valid, committed as it is served, with examples that happened."""

import json
import os
import re

import jsonschema
import pytest
import yaml
from django.core.management import call_command
from django.urls import get_resolver

from accounts.tests.browsing import visit
from conftest import PASSWORD, Api
from smartbank import documentation, openapi
from smartbank.bootstrap import ROOT
from smartbank.openapi.operations import OPERATIONS
from smartbank.urls import api

COMMITTED = ROOT / "docs" / "openapi.yaml"
EXAMPLES = ROOT / "smartbank" / "openapi" / "examples.json"
WRITE = os.environ.get("SMARTBANK_WRITE_DOCS") == "1"
HOW = (
    "run SMARTBANK_WRITE_DOCS=1 manage.py test --sqlite tests/test_openapi.py, and look at git diff"
)


# --- Its examples -----------------------------------------------------------------------------

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
DATE = re.compile(r"\d{4}-\d\d-\d\d")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
NUMBER = re.compile(r"(?<![\d-])\d{12}(?!\d)")
CURSOR = re.compile(r"cursor=[\w:%.-]+")
SECRET = re.compile(r"whsec_[\w+/=]{44}")
HASH = re.compile(r'"(?:[0-9a-f]{16}){1,8}"')
NUMBERS = [200_000_000_185, 200_000_000_282]
TOKEN = re.compile(r"sbk_[\w-]{43}")


class Recorder:
    """Makes calls, holds each answer against its schema, and notes both, the same in every run."""

    def __init__(self):
        self.examples = {}
        self.known = {}

    def call(self, name: str, api: Api, path: str, body=None, **headers):
        """Call the operation of that name and return what it answered."""
        [(method, operation)] = [(m, one) for (m, _), one in OPERATIONS.items() if one.name == name]
        how = {"body": body, **headers} if method == "POST" else headers
        response = getattr(api, method.lower())(path, **how)
        assert response.status_code == operation.status, response.content
        self.examples[name] = {"request": self._plain(body)} if body is not None else {}
        if operation.answer:
            answer = json.loads(response.getvalue())  # a stream, or not
            check(answer, operation.answer)
            self.examples[name]["answer"] = self._plain(answer)
            return answer
        return None

    def _plain(self, value):
        """Return the value with all that differs from run to run replaced."""
        text = json.dumps(value)
        # First: a hash may have anything in it.
        text = HASH.sub(lambda found: f'"{"abcdef0123456789" * (len(found[0]) // 16)}"', text)
        text = UUID.sub(lambda found: self._nth(found[0], "01890a5d-ac96-774b-bcce-{:012}"), text)
        text = NUMBER.sub(lambda found: self._nth(found[0], "{:012}"), text)
        text = TOKEN.sub("sbk_" + "x" * 43, text).replace(
            "http://testserver", "https://bank.example"
        )
        text = SECRET.sub("whsec_" + "x" * 44, text)
        text = CURSOR.sub("cursor=WyJuZXh0Il0", text)
        text = TIME.sub("2026-11-26T10:15:30.123456Z", text)
        return json.loads(DATE.sub("2026-11-26", text))

    def _nth(self, found: str, pattern: str) -> str:
        alike = [one for one in self.known.values() if one[1] == pattern]
        number = self.known.setdefault(found, (len(alike) + 1, pattern))[0]
        return pattern.format(number if "-" in pattern else NUMBERS[number - 1])


def check(value, schema: str) -> None:
    """Fail unless the value is as the document's schema of that name says."""
    components = {"components": openapi.document()["components"]}
    validator = jsonschema.Draft202012Validator({**openapi.ref(schema), **components})
    validator.validate(value)


@pytest.mark.django_db(transaction=True)
def test_its_examples_are_real_answers(reena, rahul, tmp_path):
    book = Recorder()
    credentials = {"username": "reena", "password": PASSWORD}
    client = Api(
        book.call("createToken", Api(), "/auth/token", credentials)["token"],
        HTTP_X_REQUEST_ID="7c1d4b1e9f0a4b7f",
    )
    me = book.call("readMe", client, "/me")
    accounts = book.call("listAccounts", client, f"/customers/{me['customer_id']}/accounts")
    account = accounts["results"][0]
    order = {
        "from_account_id": account["id"],
        "to_account_number": rahul.account.number,
        "amount": "25.00",
        "reference": "Dinner",
    }
    asked = order | {"payee_name": "Rahul"}
    book.call("quoteTransfer", client, "/transfers/quote", asked)
    transfer = book.call("createTransfer", client, "/transfers", order, key="dinner-2026-11-26")
    many = [order | {"amount": one, "idempotency_key": f"share {one}"} for one in ("5.00", "7000")]
    book.call("createTransfers", client, "/transfers/bulk", {"transfers": many})
    book.call("readTransfer", client, f"/transfers/{transfer['id']}")
    book.call("listTransfers", client, "/transfers?limit=1")
    book.call("readAccount", client, f"/accounts/{account['id']}")
    book.call("readLimits", client, f"/accounts/{account['id']}/limits")
    book.call("listEntries", client, f"/accounts/{account['id']}/entries?limit=1")
    book.call("readStatement", client, f"/accounts/{account['id']}/statement")
    path = f"/transfers/{transfer['id']}/receipt"
    book.call("giveReceipt", rahul.api, path, {"received_amount": "25.00"})
    asked = {"url": "https://hooks.example.com/bank", "events": ["transfer.received"]}
    webhook = f"/webhooks/{book.call('createWebhook', rahul.api, '/webhooks', asked)['id']}"
    reena.send(rahul, "5.00")
    book.call("listWebhooks", rahul.api, "/webhooks")
    book.call("readWebhook", rahul.api, webhook)
    book.call("rotateWebhookSecret", rahul.api, f"{webhook}/secret")
    book.call("listDeliveries", rahul.api, f"{webhook}/deliveries")
    book.call("replayWebhook", rahul.api, f"{webhook}/replay", {"since": "2026-11-01T00:00:00Z"})
    book.call("disableWebhook", rahul.api, webhook)
    call_command("seal", to=tmp_path / "seals")
    book.call("readProof", client, f"/transfers/{transfer['id']}/proof")
    book.call("readAuditKeys", Api(), "/audit/key")
    book.call("readHealth", Api(), "/healthz")
    book.call("readReadiness", Api(), "/readyz")
    book.call("rotateToken", client, "/auth/token/rotation", {"overlap_hours": 24})
    book.call("revokeToken", client, "/auth/token")

    assert {one.name for one in OPERATIONS.values()} - set(book.examples) == {"readSchema"}
    text = json.dumps(book.examples, indent=1, ensure_ascii=False) + "\n"
    if WRITE:
        EXAMPLES.write_text(text)
        openapi.examples.cache_clear()
        openapi.document.cache_clear()
    assert EXAMPLES.read_text() == text, HOW


# --- The document -----------------------------------------------------------------------------


def test_it_is_valid_and_nothing_is_warned_about(capsys):
    call_command("spectacular", validate=True, fail_on_warn=True)


def test_every_route_of_the_api_is_in_it_and_nothing_else():
    routes = {"/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(one.pattern)) for one in api}
    assert set(openapi.document()["paths"]) == routes
    assert get_resolver().url_patterns[: len(api)] == api


def test_the_committed_document_is_the_one_that_is_served():
    now = documentation.as_yaml(openapi.document())
    if WRITE:
        COMMITTED.write_bytes(now)
    assert COMMITTED.read_bytes() == now, HOW


def test_a_session_is_promised_where_it_is_taken(reena):
    browser = reena.browser
    token = visit(browser, "/").fields["csrfmiddlewaretoken"]
    refusing = [
        one.name
        for (method, path), one in OPERATIONS.items()
        if browser.generic(
            method, path, "{}", "application/json", headers={"X-CSRFToken": token}
        ).status_code
        == 401
    ]
    assert refusing == ["revokeToken", "rotateToken"]
    promised = openapi.document()["paths"]
    for (method, path), one in OPERATIONS.items():
        named = any("session" in way for way in promised[path][method.lower()]["security"])
        assert named is not (one.is_public or one.name in refusing), one.name


@pytest.mark.parametrize(
    ("query", "accept", "content_type"),
    [
        ("", None, "application/json"),
        ("", "application/json", "application/json"),
        ("", "application/yaml", "application/yaml"),
        ("", "text/html,*/*;q=0.8", "application/json"),
        ("?format=yaml", None, "application/yaml"),
        ("?format=json", "application/yaml", "application/json"),
    ],
)
def test_it_is_served_in_json_and_yaml(client, query, accept, content_type):
    response = client.get(f"/schema{query}", headers={"Accept": accept} if accept else {})

    assert (response.status_code, response["Content-Type"]) == (200, content_type)
    read = json.loads if content_type == "application/json" else yaml.safe_load
    assert read(response.text) == openapi.document()


def test_another_format_is_answered_400(client):
    response = client.get("/schema?format=xml")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "format")


def test_the_page_to_try_it_has_nothing_from_elsewhere_and_nothing_inline(client):
    response = client.get("/docs")
    assert response.status_code == 200
    assert re.findall(r'(?:src|href)="(?!/)', response.text) == []
    assert re.findall(r"<style|style=|<script(?! src)|\bon\w+=", response.text) == []
