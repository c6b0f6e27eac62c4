"""The secret keys that audit rows are tagged with, from the environment.

A key belongs to an epoch: a number that is stored with each row, so that old rows stay checkable
when new ones get another key. The highest epoch is the one in use.
"""

import hmac
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32


class UnknownEpoch(Exception):
    """A row was tagged with a key that AUDIT_KEYS does not have."""


def current() -> tuple[int, bytes]:
    """Return the epoch in use and its key. Raises ImproperlyConfigured if there is none."""
    keys = _keys()
    epoch = max(keys)
    return epoch, keys[epoch]


def of(epoch: int) -> bytes:
    """Return the key of that epoch. Raises UnknownEpoch."""
    try:
        return _keys()[epoch]
    except KeyError:
        raise UnknownEpoch(f"AUDIT_KEYS has no key of epoch {epoch}") from None


def _keys() -> dict[int, bytes]:
    if not settings.AUDIT_KEYS and settings.DEBUG:  # for play: as good as the key it comes from
        return {0: hmac.digest(settings.SECRET_KEY.encode(), b"audit keys", "sha256")}
    return parse(tuple(settings.AUDIT_KEYS))


@lru_cache(maxsize=8)
def parse(texts: tuple[str, ...]) -> dict[int, bytes]:
    """Return epochs and keys, written as "1:64 hexadecimal digits". Raises ImproperlyConfigured
    unless there is at least one, and each is of that form and of an epoch of its own."""
    keys = {}
    for text in texts:
        epoch, _, key = text.partition(":")
        try:
            keys[int(epoch)] = bytes.fromhex(key)
        except ValueError:
            raise ImproperlyConfigured("AUDIT_KEYS must be like 1:<64 hex digits>.") from None
    if not keys or len(keys) < len(texts) or {len(key) for key in keys.values()} != {KEY_BYTES}:
        raise ImproperlyConfigured("AUDIT_KEYS needs a 32-byte key for each epoch.")
    return keys
