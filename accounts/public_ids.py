"""Public ids: UUIDs of version 7 (RFC 9562), the only names of things that leave the bank."""

import re
import secrets
import time
import uuid

CANONICAL = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def new() -> str:
    """Return a new id in canonical text: 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64
    value |= 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


def is_canonical(text: str) -> bool:
    """Return whether `text` spells a UUID as requests must: 36 characters in lower case."""
    return bool(CANONICAL.fullmatch(text))
