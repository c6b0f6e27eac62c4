"""Seals: the ends of all chains at one moment, as one signed hash that is kept outside.

A seal is a Merkle tree over the ends of the chains that have grown since their last seal, its root
signed together with the seal before. Who rewrites a chain, even with the key of its tags, cannot
make it end where an exported seal says that it went through.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from django.utils import timezone

from audit import merkle, signatures
from audit.chain import encoded
from audit.models import FIRST_LINK, Seal, SealedHead

SIGNED = ("number", "sealed_at", "count", "root", "previous")
FIRST_BYTES = b'{"number": '  # of a line in the exported file
LONGEST_LINE = 2_000  # and the one after it, in bytes; one has some 400
MAX_HEADS = 10_000  # in one seal: what is needed to lead from one of them to the root stays small


class Head(NamedTuple):
    """Where the chain of an account ends."""

    account_id: int
    public_id: str
    sequence: int
    link: str


class Conflict(Exception):
    """The exported seals and those in the database are not of one history."""


def add(heads: list[Head]) -> Seal:
    """Seal these heads, in the open transaction; they come in the order of their accounts."""
    last = Seal.objects.order_by("number").last()
    seal = Seal(
        number=last.number + 1 if last else 1,
        sealed_at=timezone.now(),
        count=len(heads),
        root=merkle.root([leaf(*head[1:]) for head in heads]).hex(),
        previous=digest(last) if last else FIRST_LINK,
    )
    for name, value in signatures.sign(content(seal)).items():
        setattr(seal, name, value)
    seal.save()
    SealedHead.objects.bulk_create(
        (SealedHead(seal=seal, **head._asdict()) for head in heads), batch_size=1_000
    )
    return seal


def leaf(public_id: str, sequence: int, link: str) -> bytes:
    """Return the leaf of the tree that says where an account's chain ended."""
    return encoded("smartbank-head-1", public_id, sequence, link)


def content(seal: Seal) -> bytes:
    """Return what of a seal is signed."""
    told = as_dict(seal)
    return encoded("smartbank-seal-1", *(told[name] for name in SIGNED))


def digest(seal: Seal) -> str:
    """Return the hash by which the next seal names this one."""
    return hashlib.sha256(content(seal)).hexdigest()


def as_dict(seal: Seal) -> dict[str, object]:
    """Return the seal as it is exported and published."""
    return {
        "number": seal.number,
        "sealed_at": f"{seal.sealed_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "count": seal.count,
        "root": seal.root,
        "previous": seal.previous,
        "key_id": seal.key_id,
        "signature": seal.signature,
    }


def tree(seal: Seal) -> tuple[list[SealedHead], list[list[bytes]]]:
    """Return the heads under a seal, and the levels of the tree over them."""
    heads = list(seal.heads.order_by("account_id"))
    return heads, merkle.levels([leaf(one.public_id, one.sequence, one.link) for one in heads])


# --- Outside the database ---------------------------------------------------------------------


def export(path: Path) -> int:
    """Append to the file the seals that it does not have yet, safely on disk, and return how many.

    A last line that a crash left unfinished is written again. Raises Conflict if the last seal is
    not in the database: then one of the two was put back.
    """
    with path.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed: nobody else appends the same
        last = 0
        if line := _last_line(file, path):
            told = _seal_of(line, path)
            last = told["number"]
            known = Seal.objects.filter(number=last).first()
            if not known or as_dict(known) != told:
                raise Conflict(f"Seal {last} in {path} is not the one in the database.")
        new = list(Seal.objects.filter(number__gt=last).order_by("number"))
        file.writelines(f"{json.dumps(as_dict(seal))}\n".encode() for seal in new)
        file.flush()
        os.fsync(file.fileno())
    return len(new)


def exported(path: Path) -> Iterator[dict[str, object]]:
    """Return the seals that are in a file now; what is appended while they are read is left out.
    They raise Conflict at a line that is none."""
    return _exported(path, path.stat().st_size)


def _exported(path: Path, size: int) -> Iterator[dict[str, object]]:
    with path.open("rb") as file:
        for line in file:
            size -= len(line)
            if size < 0:
                return
            yield _seal_of(line, path)


def _seal_of(line: bytes, path: Path) -> dict[str, object]:
    try:
        told = json.loads(line)
        told["number"] + 0
    except (ValueError, TypeError, KeyError):
        raise Conflict(f"{path} has a line that is no seal.") from None
    return told


def _last_line(file: BinaryIO, path: Path) -> bytes:
    """Return the last whole line, or nothing. What is behind it and looks like the beginning of a
    seal, as a crash leaves it, is cut off; anything else is somebody else's file."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - LONGEST_LINE))
    lines, _, unfinished = file.read().rpartition(b"\n")
    if not unfinished.startswith(FIRST_BYTES[: len(unfinished)]):
        raise Conflict(f"{path} has a line that is no seal.")
    file.truncate(size - len(unfinished))
    return lines.rpartition(b"\n")[2]
