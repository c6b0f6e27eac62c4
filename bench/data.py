"""The requests that are sent: bytes, made from the tokens that `load_data` wrote."""

import csv
import json
import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Member:
    """An account of the bank that is measured, and the token of its owner."""

    token: str
    account_id: str
    account_number: str
    transfer_id: str = ""  # one in which the account takes part
    host: str = "127.0.0.1"  # as which its server knows itself


def members(tokens: Path) -> list[Member]:
    """Return the accounts that `load_data` wrote down."""
    with tokens.open(newline="") as file:
        return [
            Member(line["token"], line["account_id"], line["account_number"])
            for line in csv.DictReader(file)
        ]


def with_transfers(people: list[Member], cursor) -> list[Member]:
    """Return the accounts, each with its last transfer."""
    cursor.execute(
        "SELECT a.public_id, t.public_id FROM accounts a "
        "JOIN ledger_entries e ON e.account_id = a.id AND e.sequence = a.entry_sequence "
        "JOIN transfers t ON t.id = e.transfer_id"
    )
    last = dict(cursor.fetchall())
    return [replace(one, transfer_id=last[one.account_id]) for one in people]


def get(path: str, member: Member) -> bytes:
    """Return a GET of the path, by the member."""
    return _request("GET", path, member)


def order(sender: Member, receiver: Member, amount: str) -> dict:
    """Return the body of one transfer."""
    return {
        "from_account_id": sender.account_id,
        "to_account_number": receiver.account_number,
        "amount": amount,
        "reference": "Bench",
    }


def post(path: str, member: Member, body: object) -> bytes:
    """Return a POST of the body, under a key of its own."""
    key = f"Idempotency-Key: {secrets.token_hex(16)}\r\n"
    return _request("POST", path, member, key, json.dumps(body).encode())


def payments(people: list[Member], chance: random.Random, amount: str = "1.00") -> Iterator[bytes]:
    """Yield payments for ever, each between two accounts taken by chance."""
    while True:
        sender, receiver = chance.sample(people, 2)
        yield post("/transfers", sender, order(sender, receiver, amount))


def payments_to_one(people: list[Member], chance: random.Random) -> Iterator[bytes]:
    """Yield payments for ever, all to the first account."""
    hot, *others = people
    while True:
        sender = chance.choice(others)
        yield post("/transfers", sender, order(sender, hot, "1.00"))


def bulks(people: list[Member], chance: random.Random, size: int) -> Iterator[bytes]:
    """Yield bulks for ever, each of one sender to so many accounts taken by chance."""
    while True:
        sender, *others = chance.sample(people, min(len(people), 1_000))
        transfers = [
            order(sender, chance.choice(others), "0.01")
            | {"idempotency_key": secrets.token_hex(16)}
            for _ in range(size)
        ]
        yield post("/transfers/bulk", sender, {"transfers": transfers})


def reads(people: list[Member], chance: random.Random, path: str) -> Iterator[bytes]:
    """Yield reads for ever of a path that names the reader's account, or a transfer of it."""
    while True:
        reader = chance.choice(people)
        yield get(path.format(account=reader.account_id, transfer=reader.transfer_id), reader)


def _request(method: str, path: str, member: Member, headers: str = "", body: bytes = b"") -> bytes:
    if body:
        headers += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {member.host}\r\n"
        f"Authorization: Bearer {member.token}\r\n{headers}\r\n"
    )
    return head.encode() + body
