"""Schemathesis against a live server: the document and the answers, held against each other.

All its checks, with real tokens, accounts and transfers; with `--hypothesis-profile=long` in every
phase and fifty times as much.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from smartbank.demo_bank import Client

PROGRAM = Path(sys.executable).with_name("st")
EXAMPLES, LONG_EXAMPLES, SECONDS = 2, 100, 3600

# What the document cannot say of a request that it allows: which amounts a currency has, which
# account has the money, which cursor was given out. Those are 400 to 429, never anything else.
CONFIGURATION = """
[checks]
positive_data_acceptance.expected-statuses = [
    "2xx", "304", "400", "401", "402", "403", "404", "409", "422", "429",
]

[dictionaries]
accounts = {{ values = ["{account}"] }}
others = {{ values = ["{other}"] }}
amounts = {{ values = ["1.00", "0.01", "99999.00"] }}

[parameters]
"body.from_account_id" = {{ dictionary = "accounts", probability = 0.8 }}
"body.to_account_id" = {{ dictionary = "others", probability = 0.8 }}
"body.amount" = {{ dictionary = "amounts", probability = 0.6 }}
"query.account_id" = {{ dictionary = "accounts", probability = 0.6 }}

# Each payment of a bulk call is judged by itself: what is none has a 400 in its place, in a 200.
[[operations]]
include-path = "/transfers/bulk"
checks.negative_data_rejection.expected-statuses = [
    "200", "400", "401", "403", "406", "413", "415", "422", "429",
]

[[operations]]
include-path-regex = "^/accounts/"
parameters = {{ id = "{account}" }}

[[operations]]
include-path-regex = "^/customers/"
parameters = {{ id = "{customer}" }}

[[operations]]
include-path-regex = "^/transfers/.id"
parameters = {{ id = "{transfer}" }}

[[operations]]
include-path-regex = "^/webhooks/.id"
parameters = {{ id = "{webhook}" }}
"""


@pytest.fixture(scope="module")
def bank(new_demo):
    """A live demo bank of our own, which is played with."""
    demo = new_demo()
    done = demo.run("--no-serve")
    assert done.returncode == 0, done.stdout + done.stderr
    with demo.serve() as base:
        yield base


def run(base: str, token: str, directory: Path, *options: str, **real: str) -> str:
    """Run all checks on what is selected and return what schemathesis says of it."""
    configuration = directory / "schemathesis.toml"
    configuration.write_text(CONFIGURATION.format(**real))
    command = [PROGRAM, "--config-file", configuration, "run", f"{base}/schema"]
    command += ["-H", f"Authorization: Bearer {token}", "--checks", "all", "--seed", "1"]
    done = subprocess.run(
        [*command, *options],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    return done.stdout


def test_no_answer_is_other_than_the_document_says(bank, by_chance, tmp_path, record_property):
    reena, rahul = Client(bank, "reena"), Client(bank, "rahul")
    number = rahul.account["number"]
    transfer = rahul.send("1.00", reena.account["number"], "schemathesis")[1]["id"]
    assert reena.send("1.00", number, "schemathesis")[0] == 201
    asked = {"url": "https://hooks.example.com/"}
    webhook = reena.call("POST", "/webhooks", asked)[1]["id"]
    is_long = by_chance(1).is_long
    how = [f"--max-examples={LONG_EXAMPLES if is_long else EXAMPLES}"]
    if not is_long:
        how += ["--phases", "examples,fuzzing,stateful"]
    for ends_the_token in ("revokeToken", "rotateToken"):
        how += ["--exclude-operation-id", ends_the_token]

    told = run(
        bank,
        reena.token,
        tmp_path,
        *how,
        account=reena.account["id"],
        other=rahul.account["id"],
        customer=reena.call("GET", "/me")[1]["customer_id"],
        transfer=transfer,
        webhook=webhook,
    )
    operations = int(re.search(r"Tested: (\d+)", told)[1])
    generated, passed = map(int, re.search(r"(\d+) generated, (\d+) passed", told).groups())
    assert generated == passed
    record_property("by chance", f"{operations} operations, {generated} cases, all as documented")


def test_what_ends_a_token_is_as_documented_too(bank, tmp_path):
    real = dict.fromkeys(("account", "other", "customer", "transfer", "webhook"), "x")
    for name in ("revokeToken", "rotateToken"):
        token = Client(bank, "anita").token
        how = ["--include-operation-id", name, "--phases", "fuzzing", "--max-examples=2"]
        run(bank, token, tmp_path, *how, **real)
