"""The Postman collection: well formed, complete, and right about a live server."""

import json
import re
import shutil
import subprocess
from decimal import Decimal

import pytest

from smartbank.bootstrap import ROOT, VAR
from smartbank.demo_bank import Client
from smartbank.openapi.operations import OPERATIONS

COLLECTION = ROOT / "docs" / "core-banking.postman_collection.json"
SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"

NEWMAN = "newman@6.2.2"
NO_NETWORK = r"code (ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH)"
INSTALL_SECONDS = 300
RUN_SECONDS = 120


@pytest.fixture(scope="module")
def collection():
    return json.loads(COLLECTION.read_text())


@pytest.fixture(scope="module")
def requests(collection):
    """All requests of the collection, whatever folder they are in."""
    return [request for folder in collection["item"] for request in folder["item"]]


def script(item: dict, kind: str) -> str:
    """Return the item's `test` or `prerequest` script."""
    return "\n".join(
        line
        for event in item.get("event", [])
        if event["listen"] == kind
        for line in event["script"]["exec"]
    )


# --- What it says -----------------------------------------------------------------------------


def test_it_is_a_collection_of_version_2_1(collection):
    assert collection["info"]["schema"] == SCHEMA
    assert collection["info"]["name"] == "SmartBank core banking"
    assert all(folder["item"] for folder in collection["item"])


def test_every_request_is_well_formed(requests):
    for item in requests:
        request = item["request"]
        url = request["url"]
        assert request["method"] in {"GET", "POST", "DELETE"}, item["name"]
        assert url["raw"] == "/".join([*url["host"], *url["path"]]), item["name"]
        assert url["host"] == ["{{baseUrl}}"], item["name"]
        if "body" in request:
            assert request["body"]["mode"] == "raw"
            json.loads(request["body"]["raw"])


def test_every_request_is_explained_to_a_newcomer(collection, requests):
    explained = [collection["info"], *collection["item"], *(item["request"] for item in requests)]
    assert all(len(one["description"]) > 20 for one in explained)


def test_the_host_and_the_credentials_are_variables(collection):
    variables = {one["key"]: one["value"] for one in collection["variable"]}
    assert variables["baseUrl"] == "http://localhost:8000"
    assert variables["username"] == "reena"
    assert variables["receiverUsername"] == "rahul"
    assert variables["password"] == "smartbank-demo"
    assert variables["token"] == "", "a token of somebody's own bank is no part of the file"


def test_it_signs_in_by_itself(collection):
    assert "/auth/token" in script(collection, "prerequest")
    assert collection["auth"]["bearer"][0]["value"] == "{{token}}"


def test_the_four_endpoints_are_there(requests):
    calls = {f"{one['request']['method']} {one['request']['url']['raw']}" for one in requests}
    assert calls >= {
        "GET {{baseUrl}}/customers/{{customerId}}/accounts",
        "POST {{baseUrl}}/transfers",
        "GET {{baseUrl}}/transfers/{{transferId}}",
        "GET {{baseUrl}}/accounts/{{accountId}}/limits",
    }


def test_every_operation_of_the_api_is_there(requests):
    def shape(method, path):
        return method, re.sub(r"\{\{\w+\}\}|\{id\}", "{}", "/" + "/".join(path))

    there = {shape(one["request"]["method"], one["request"]["url"]["path"]) for one in requests}
    documented = {shape(method, path.split("/")[1:]) for method, path in OPERATIONS}
    assert documented - there == set()


def test_every_request_asserts_the_status_that_its_name_promises(requests):
    for item in requests:
        status = item["name"].split()[0]
        assert f"to.have.status({status})" in script(item, "test"), item["name"]


def test_success_and_every_refusal_of_a_transfer_are_there(requests):
    names = [
        item["name"].split()[0]
        for item in requests
        if item["request"]["method"] == "POST" and item["request"]["url"]["path"] == ["transfers"]
    ]
    assert names == ["201", "201", "422", "400", "401", "404", "402", "429"]
    assert any("Idempotent-Replayed" in script(item, "test") for item in requests)


def test_every_transfer_is_sent_with_an_idempotency_key(requests):
    for item in requests:
        order = ("POST", ["transfers"])
        if (item["request"]["method"], item["request"]["url"]["path"]) == order:
            headers = {one["key"]: one["value"] for one in item["request"]["header"]}
            assert headers["Idempotency-Key"] in {"{{$guid}}", "{{idempotencyKey}}"}, item["name"]


# --- What it does -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def newman():
    """Return the path of newman, Postman's command line; installed by npm once, into var/newman."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: the Postman collection was not run")
    directory = VAR / "newman"
    program = directory / "node_modules" / ".bin" / "newman"
    package = directory / "node_modules" / "newman" / "package.json"
    if package.exists() and f"newman@{json.loads(package.read_text())['version']}" == NEWMAN:
        return program
    directory.mkdir(parents=True, exist_ok=True)
    install = [npm, "install", "--prefix", directory, "--cache", directory / "cache"]
    install += ["--no-audit", "--no-fund", NEWMAN]
    done = subprocess.run(
        install, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if re.search(NO_NETWORK, done.stderr):
        pytest.skip("npm cannot reach its registry: the Postman collection was not run")
    assert done.returncode == 0, done.stderr
    return program


def run(newman, base: str, report, *options: str) -> dict:
    """Run the collection against a server and return newman's report."""
    command = [newman, "run", COLLECTION, "--env-var", f"baseUrl={base}", "--color", "off"]
    command += ["--reporters", "cli,json", "--reporter-json-export", report, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(report.read_text())["run"]


def test_its_assertions_hold_however_often_it_is_run(newman, demo_server, tmp_path):
    reena, meera = (Client(demo_server.base, username) for username in ("reena", "meera"))
    before = used(reena), used(meera)
    for report in (tmp_path / "first.json", tmp_path / "again.json"):
        result = run(newman, demo_server.base, report)
        assert result["failures"] == []
        assert result["stats"]["assertions"]["total"] > 60
        assert result["stats"]["assertions"]["failed"] == 0
    assert used(reena) == before[0] + Decimal("2.02"), "each run sends 1.00, and 0.01 in a batch"
    assert used(meera) == before[1], "what is refused uses up nothing"


def used(client: Client) -> Decimal:
    """Return what the client has used of today's limit."""
    return Decimal(client.call("GET", f"/accounts/{client.account['id']}/limits")[1]["used"])


@pytest.mark.parametrize("folder", ["POST /transfers", "GET /accounts/{id}/limits"])
def test_a_folder_can_be_run_by_itself(newman, demo_server, folder, tmp_path):
    result = run(newman, demo_server.base, tmp_path / "report.json", "--folder", folder)
    assert result["failures"] == []
