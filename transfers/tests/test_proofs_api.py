"""GET /transfers/{id}/proof, and docs/verify_receipt.py, which checks it without the bank."""

import json
import os
import runpy
import shutil
import subprocess
import sys

import pytest
from django.core.management import call_command

from accounts import operations
from audit import signatures
from audit.models import AuditLog
from smartbank.bootstrap import ROOT
from tests.manipulations import as_administrator
from transfers import proofs
from transfers.models import Transfer

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPT = ROOT / "docs" / "verify_receipt.py"
main = runpy.run_path(str(SCRIPT))["main"]


@pytest.fixture
def paid(reena, rahul) -> str:
    return reena.send(rahul, "25.00", reference="Dinner é").json()["id"]


@pytest.fixture
def folder(tmp_path, stranger):
    """A folder with the bank's public keys in it, as a customer would keep them."""
    (tmp_path / "keys.json").write_bytes(stranger.get("/audit/key").content)
    return tmp_path


@pytest.fixture
def sealed(paid, reena, rahul, folder) -> dict:
    """The sender's proof of the payment, sealed after some more of her business."""
    reena.send(rahul, "1.00")
    reena.send(rahul, "9000.00")
    call_command("seal", to=folder / "seals.jsonl")
    return proof_of(reena, paid)


def proof_of(person, transfer_id: str) -> dict:
    answer = person.api.get(f"/transfers/{transfer_id}/proof")
    assert answer.status_code == 200, answer.content
    return answer.json()


def check(folder, proof: dict | bytes, *more: str) -> int:
    """Check a proof in the same process; return the exit code."""
    text = proof if isinstance(proof, bytes) else json.dumps(proof).encode()
    (folder / "proof.json").write_bytes(text)
    names = ["proof.json", "keys.json", *more]
    return main([str(folder / name) for name in names])


def test_each_side_gets_the_receipt_by_its_own_chain(reena, rahul, paid):
    transfer = reena.api.get(f"/transfers/{paid}").json()
    sent, received = proof_of(reena, paid), proof_of(rahul, paid)
    shared = {
        name: transfer[name]
        for name in (
            *("status", "from_account_id", "to_account_id", "amount", "currency", "reference"),
            *("failure_code", "created_at", "completed_at"),
        )
    }
    for proof, person in ((sent, reena), (received, rahul)):
        row = AuditLog.objects.get(account_id=person.account.pk, sequence=3)
        before = AuditLog.objects.get(account_id=person.account.pk, sequence=2)
        assert proof["receipt"] == {
            "transfer_id": paid,
            **shared,
            "account_id": person.account.public_id,
            "sequence": 3,
            "previous_link": before.link,
            "tag": row.tag,
            "link": row.link,
        }
        assert proof["seal"] is None


def test_a_refusal_is_proved_to_the_sender_and_unknown_to_the_receiver(reena, rahul, folder):
    refused = reena.send(rahul, "9000.00").json()["transfer_id"]
    proof = proof_of(reena, refused)
    assert (proof["receipt"]["status"], proof["receipt"]["failure_code"]) == (
        "REJECTED",
        "insufficient_funds",
    )
    assert check(folder, proof) == 0
    assert rahul.api.get(f"/transfers/{refused}/proof").status_code == 404


def test_staff_read_the_senders_receipt(reena, auditor, paid):
    assert proof_of(auditor, paid) == proof_of(reena, paid)


def test_a_receipt_is_checked_offline_in_an_empty_folder(folder, sealed, tmp_path_factory):
    empty = tmp_path_factory.mktemp("elsewhere")
    for name in ("keys.json", "seals.jsonl"):
        shutil.copy(folder / name, empty)
    shutil.copy(SCRIPT, empty)
    (empty / "proof.json").write_text(json.dumps(sealed))
    files = ["proof.json", "keys.json", "seals.jsonl"]

    done = subprocess.run(
        [sys.executable, "verify_receipt.py", *files],
        cwd=empty,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    first, second, third = done.stdout.splitlines()
    assert first.startswith("The bank signed: COMPLETED 25.00 INR, from ")
    assert second.startswith("Seal 1 of ")
    assert third == "That seal is the one that was exported."


def test_any_changed_byte_fails_it(folder, sealed, capsys):
    text = json.dumps(sealed, separators=(",", ":")).encode()
    assert check(folder, text) == 0
    unseen = [
        place
        for place in range(len(text))
        if check(folder, text[:place] + bytes([text[place] + 1]) + text[place + 1 :]) == 0
    ]
    assert unseen == []


def test_a_proof_that_was_put_together_from_two_fails(folder, sealed, reena, rahul, paid):
    other = proof_of(rahul, paid)
    assert check(folder, other) == 0
    assert check(folder, {**sealed, "seal": other["seal"]}) == 1
    assert check(folder, {**sealed, "receipt": other["receipt"]}) == 1
    assert check(folder, {**sealed, "signature": other["signature"]}) == 1
    assert check(folder, {**sealed, "seal": {**sealed["seal"], "tags": []}}) == 1
    assert check(folder, {**sealed, "seal": {**sealed["seal"], "path": []}}) == 1


def test_a_seal_that_is_not_the_exported_one_fails(folder, sealed):
    assert check(folder, sealed, "seals.jsonl") == 0
    exported = json.loads((folder / "seals.jsonl").read_text())
    for wrong in (exported | {"root": "ab" * 32}, exported | {"number": 2}):
        (folder / "seals.jsonl").write_text(json.dumps(wrong) + "\n")
        assert check(folder, sealed, "seals.jsonl") == 1


def test_a_receipt_of_another_bank_fails(folder, paid, reena, settings):
    settings.AUDIT_SIGNING_KEY = "ee" * 32
    assert check(folder, proof_of(reena, paid)) == 1


def test_after_a_new_signing_key_old_proofs_still_hold(sealed, stranger, settings, folder):
    [old] = signatures.public_keys()
    settings.AUDIT_SIGNING_KEY = "ee" * 32
    settings.AUDIT_OLD_PUBLIC_KEYS = [old["public_key"]]
    keys = stranger.get("/audit/key").json()["keys"]
    assert (len(keys), keys[1]) == (2, old)
    (folder / "keys.json").write_text(json.dumps({"keys": keys}))
    assert check(folder, sealed) == 0
    call_command("verify_audit", seals=folder / "seals.jsonl")


@pytest.mark.parametrize(
    "forged",
    [
        "UPDATE transfers SET amount_minor = 100 WHERE public_id = %s",
        "UPDATE transfers SET currency = 'USD' WHERE public_id = %s",
        "UPDATE audit_logs SET actor_id = 0 WHERE object_id = %s",
        "DELETE FROM audit_logs WHERE object_id = %s AND sequence = 3 AND action LIKE 'transfer%%'",
        "UPDATE transfers SET status = 'CANCELLED', completed_at = NULL WHERE public_id = %s",
        "UPDATE transfers SET to_account_id = (SELECT id FROM accounts WHERE kind = 'HOUSE') "
        "WHERE public_id = %s",
    ],
)
def test_what_was_slipped_into_the_database_is_not_signed(reena, paid, forged):
    with as_administrator() as cursor:
        cursor.execute(forged, [paid])
        assert cursor.rowcount > 0
    answer = reena.api.get(f"/transfers/{paid}/proof")
    assert (answer.status_code, answer.json()["code"]) == (409, "proof_not_possible")


def test_what_is_too_far_from_its_seal_is_proved_without_it(sealed, reena, paid, monkeypatch):
    monkeypatch.setattr(proofs, "MAX_TAGS", 1)
    assert proof_of(reena, paid) == {**sealed, "seal": None}


def test_the_first_row_of_a_chain_can_be_proved(make_customer, rahul, folder, reena):
    """Of an account that is older than the chains."""
    account = operations.cash_account("INR")
    first = Transfer.objects.filter(from_account=account).earliest("pk")
    proof = proofs.of(first, account)
    assert proof["receipt"]["previous_link"] == "0" * 64
    assert check(folder, proof) == 0
