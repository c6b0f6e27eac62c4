"""Account numbers: ten digits of the bank's choice and two check digits (ISO 7064 MOD 97-10).

The check digits catch every single wrong digit and every swap of two neighbours, so a slip of the
finger meets an error message and not a stranger's account.
"""

import re
import secrets

_NUMBER = re.compile(r"[0-9]{12}", re.ASCII)


def with_check_digits(body: str) -> str:
    """Return the ten digits `body` followed by the two that make the whole leave 1 modulo 97."""
    return f"{body}{98 - int(body) * 100 % 97:02d}"


def is_valid(number: str) -> bool:
    """Return whether `number` is twelve ASCII digits whose check digits agree."""
    return bool(_NUMBER.fullmatch(number)) and int(number) % 97 == 1


def masked(number: str) -> str:
    """Return a number as whoever does not need all of it may see it: only how it ends."""
    return f"•••• {number[-4:]}"


def mask_all(text: str) -> str:
    """Return a text in which whatever is an account number is masked."""
    return re.sub(
        r"\b[0-9]{12}\b", lambda found: masked(found[0]) if is_valid(found[0]) else found[0], text
    )


def new() -> str:
    """Return a fresh random number; it starts with 1 to 9, so that it keeps its length on paper."""
    return with_check_digits(str(10**9 + secrets.randbelow(9 * 10**9)))
