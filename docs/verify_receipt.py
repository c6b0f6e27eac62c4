#!/usr/bin/env python3
"""Check a SmartBank receipt, offline and without the bank.

    python3 verify_receipt.py PROOF.json KEYS.json [SEALS.jsonl]

PROOF is the answer of GET /transfers/{id}/proof, KEYS that of GET /audit/key: fetch that one early,
and from a source that you trust. SEALS is an exported file of seals, if you have a copy. Needs
Python 3.9 or newer and the package `cryptography`. Exit code 0 if everything holds, 1 otherwise.
"""

import hashlib
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

RECEIPT = [
    *("transfer_id", "status", "from_account_id", "to_account_id", "amount", "currency"),
    *("reference", "failure_code", "created_at", "completed_at"),
    *("account_id", "sequence", "previous_link", "tag", "link"),
]
SEAL = ["number", "sealed_at", "count", "root", "previous"]
HEAD = ["account_id", "sequence", "link"]


class Wrong(Exception):
    """Something does not hold; the message says what."""


def encoded(what, document, names):
    """Return these members of the document as the bytes that are signed or hashed: each as its
    length in bytes, a colon and its text, or "-" for null."""
    parts = [what.encode()]
    for name in names:
        value = document[name]
        if value is None:
            parts.append(b"-")
        elif type(value) in (str, int):
            text = str(value).encode()
            parts.append(b"%d:%b" % (len(text), text))
        else:
            raise Wrong(f"{name} is neither text nor a whole number")
    return b"".join(parts)


def check_signature(what, document, names, signed, keys):
    """Raise Wrong unless one of the bank's keys has signed these members."""
    key = next((one for one in keys if one["id"] == signed["key_id"]), None)
    if key is None:
        raise Wrong(f"the key {signed['key_id']} is not one of the bank's")
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key["public_key"]))
    try:
        public.verify(bytes.fromhex(signed["signature"]), encoded(what, document, names))
    except InvalidSignature:
        raise Wrong("the signature is not the bank's for this content") from None


def link(previous, tag):
    """Return the link of a row of the audit log that has this tag and follows that link."""
    return hashlib.sha256(bytes.fromhex(previous) + bytes.fromhex(tag)).hexdigest()


def check_receipt(proof, keys):
    """Raise Wrong unless the bank signed the receipt and the row has its place in the chain."""
    receipt = proof["receipt"]
    if list(receipt) != RECEIPT:
        raise Wrong("these are not the members of a receipt")
    check_signature("smartbank-receipt-1", receipt, RECEIPT, proof, keys)
    if link(receipt["previous_link"], receipt["tag"]) != receipt["link"]:
        raise Wrong("the row's link does not follow from the one before")


def check_seal(receipt, seal, keys):
    """Raise Wrong unless the chain leads from the receipt to a seal that the bank signed."""
    check_signature("smartbank-seal-1", seal, SEAL, seal, keys)
    account = seal["account"]
    end = receipt["link"]
    for tag in seal["tags"]:
        end = link(end, tag)
    at = receipt["account_id"], receipt["sequence"] + len(seal["tags"]), end
    if at != tuple(account[name] for name in HEAD):
        raise Wrong("the chain does not lead from the receipt to where it was sealed")
    found = hashlib.sha256(b"\x00" + encoded("smartbank-head-1", account, HEAD)).digest()
    for step in seal["path"]:
        [(side, sibling)] = step.items()
        sibling = bytes.fromhex(sibling)
        pair = {"left": sibling + found, "right": found + sibling}[side]
        found = hashlib.sha256(b"\x01" + pair).digest()
    if found.hex() != seal["root"]:
        raise Wrong("the path does not lead to the root of the seal")


def check_exported(seal, lines):
    """Raise Wrong unless the seal stands in the file of exported seals."""
    for line in lines:
        exported = json.loads(line)
        if exported["number"] == seal["number"]:
            if any(exported[name] != seal[name] for name in SEAL):
                raise Wrong(f"seal {seal['number']} was exported with another content")
            return
    raise Wrong(f"seal {seal['number']} is not in the file of exported seals")


def main(arguments):
    """Check what the command line names and say what holds; return the exit code."""
    if len(arguments) not in (2, 3):
        sys.exit(__doc__.strip())
    with open(arguments[1], encoding="utf-8") as file:
        keys = json.load(file)["keys"]
    try:
        with open(arguments[0], encoding="utf-8") as file:
            proof = json.load(file)
        receipt, seal = proof["receipt"], proof["seal"]
        check_receipt(proof, keys)
        print(
            f"The bank signed: {receipt['status']} {receipt['amount']} {receipt['currency']}, from "
            f"{receipt['from_account_id']} to {receipt['to_account_id']}, "
            f"{receipt['created_at']}. It is row {receipt['sequence']} in the audit log of account "
            f"{receipt['account_id']}."
        )
        if seal is None:
            print("It is not sealed yet: ask the bank for the proof again.")
            return 0
        check_seal(receipt, seal, keys)
        print(f"Seal {seal['number']} of {seal['sealed_at']} covers it.")
        if len(arguments) == 3:
            with open(arguments[2], encoding="utf-8") as lines:
                check_exported(seal, lines)
            print("That seal is the one that was exported.")
    except Wrong as wrong:
        print(f"This proof does not hold: {wrong}.")
        return 1
    except (AttributeError, KeyError, TypeError, ValueError):
        print("This proof does not hold: it is not of the form that the bank writes.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
