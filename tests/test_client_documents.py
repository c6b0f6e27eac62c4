"""What client developers are given: the first transfer, the sandbox and the example client."""

import importlib.util
import json
import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.conf import settings

from smartbank import sandbox
from smartbank.bootstrap import ROOT
from smartbank.checks import DEMO_PASSWORD

DOCS = ROOT / "docs"
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
PROMISE = re.compile(r"^send .*?# (.+)$", re.M)
ROW = re.compile(r"^\| (.+?) \| (.+?) \| (.+?) \| (\d{3}) \| (?:`(\w+)`)? ?\|$", re.M)


@pytest.fixture(scope="module")
def client_module():
    """The example client, as a program that copied it has it."""
    spec = importlib.util.spec_from_file_location("client", DOCS / "smartbank_client.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def client(client_module, demo_server):
    """The example client, signed in to the demo bank's sandbox."""
    bank = client_module.SmartBank(demo_server.base)
    bank.sign_in(sandbox.USERNAME, DEMO_PASSWORD)
    return bank


# --- The first transfer -----------------------------------------------------------------------


def test_every_line_of_the_first_transfer_works(demo_server, curl):
    session = "".join(SHELL.findall((DOCS / "first-transfer.md").read_text()))
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{session}"],
        env={**os.environ, "BASE": demo_server.base},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = re.split(r"(?=HTTP/1\.1 \d{3} )", done.stdout)[1:]
    promises = PROMISE.findall(session)
    assert len(answers) == len(promises) == 3
    for answer, words in zip(answers, promises, strict=True):
        assert words.lower() in answer.lower()


def test_the_numbers_that_it_tells_are_those_that_are_shipped():
    text = (DOCS / "first-transfer.md").read_text()
    shipped = [
        f"20 in {settings.SIGN_IN_WINDOW_SECONDS // 60} minutes",
        f"{settings.SIGN_IN_FAILURES_PER_ADDRESS} in 15 minutes",
        f"{settings.TOKENS_PER_HOUR:,} an hour",
        f"{settings.QUOTES_PER_MINUTE} a minute",
        f"{settings.REQUESTS_PER_MINUTE:,} a minute",
    ]
    assert [one for one in shipped if one not in text] == []


# --- The sandbox ------------------------------------------------------------------------------


def test_the_sandboxs_numbers_are_those_of_the_document(client):
    text = (DOCS / "sandbox.md").read_text()
    documented = dict(re.findall(r"^\| (.+?) \| (\d{12}) \|", text, re.M))
    assert documented == {
        **{one["name"]: one["number"] for one in client.accounts()},
        "none": sandbox.NOBODYS,
    }


@pytest.mark.parametrize("turn", ["first", "again"])
def test_the_sandbox_answers_as_its_document_says_each_time(turn, client, client_module):
    ids = {one["name"]: one["id"] for one in client.accounts()}
    numbers = {one["name"]: one["number"] for one in client.accounts()}
    numbers["none"] = sandbox.NOBODYS
    rows = ROW.findall((DOCS / "sandbox.md").read_text())
    assert len(rows) == 9
    for sender, receiver, amount, status, code in rows:
        order = {"from_account_id": ids[sender], "to_account_number": numbers[receiver]}
        key = f"{turn} {sender} {receiver} {amount}"
        got, answer, _ = client._once("POST", "/transfers", {**order, "amount": amount}, key)
        assert (got, answer.get("code", "")) == (int(status), code), (sender, receiver)


# --- The example client -----------------------------------------------------------------------


@pytest.fixture
def unreliable():
    """A bank that answers as the test says: each a status and a body, or None for a lost answer."""
    answers, keys = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            keys.append(self.headers["Idempotency-Key"])
            self.rfile.read(int(self.headers["Content-Length"]))
            answer = answers.pop(0)
            if answer is None:
                self.close_connection = True
                return
            status, body = answer
            self.send_response(status)
            if status in (429, 503):
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", answers, keys
    server.shutdown()
    server.server_close()
    thread.join()


def problem(code):
    return {"code": code, "detail": "…"}


def test_the_client_repeats_under_the_same_key_until_it_knows(client_module, unreliable):
    base, answers, keys = unreliable
    bank = client_module.SmartBank(base, "sbk_x", pause=0)
    answers += [None, (503, problem("busy")), (500, problem("internal_error"))]
    answers += [(429, problem("throttled")), (201, {"status": "COMPLETED"})]

    assert bank.send("a", "b", "1.00", key="invoice-1") == {"status": "COMPLETED"}
    assert keys == ["invoice-1"] * 5


@pytest.mark.parametrize(
    ("status", "code"),
    [(402, "insufficient_funds"), (429, "daily_limit_exceeded"), (422, "idempotency_key_reused")],
)
def test_the_client_does_not_repeat_what_stays_refused(status, code, client_module, unreliable):
    base, answers, keys = unreliable
    answers += [(status, problem(code))]
    with pytest.raises(client_module.Refused) as refused:
        client_module.SmartBank(base, "sbk_x", pause=0).send("a", "b", "1.00", key="k")
    assert (refused.value.code, len(keys)) == (code, 1)


def test_the_client_does_not_repeat_what_has_no_key(client_module, unreliable):
    base, answers, keys = unreliable
    answers += [None]
    with pytest.raises(client_module.NoAnswer):
        client_module.SmartBank(base, "sbk_x", pause=0).call("POST", "/transfers/1/receipt", {})
    assert len(keys) == 1


def test_the_client_does_the_banks_main_job(client, client_module):
    [plenty, no_limit, *_] = sorted(client.accounts(), key=lambda one: one["number"])
    order = (plenty["id"], no_limit["number"], "2.50")
    first = client.send(*order, key="example client", reference="Invoice 4711")
    again = client.send(*order, key="example client", reference="Invoice 4711")

    assert first == again
    assert (first["status"], first["amount"]) == ("COMPLETED", "2.50")
    rows = list(client.all(f"/transfers?account_id={plenty['id']}&limit=1"))
    assert [one["id"] for one in rows].count(first["id"]) == 1
    with pytest.raises(client_module.Refused, match="account_not_found"):
        client.send(plenty["id"], sandbox.NOBODYS, "1.00", key="example client, wrong")
