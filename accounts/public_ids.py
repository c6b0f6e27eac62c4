"""Public ids: UUIDs of version 7 (RFC 9562), the only names of things that leave the bank."""

import re
import secrets
import time

CANONICAL = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def new() -> str:
    """Return a new id in canonical text: 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    chance = secrets.randbits(74)
    value = milliseconds << 80 | 0x7 << 76 | chance >> 62 << 64
    value |= 0b10 << 62 | chance & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_canonical(text: str) -> bool:
    """Return whether `text` spells a UUID as requests must: 36 characters in lower case."""
    return bool(CANONICAL.fullmatch(text))
