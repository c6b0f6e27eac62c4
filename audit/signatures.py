"""What the bank signs, with Ed25519, so that everybody can check it with the public key alone."""

import hashlib
import hmac
import re
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def sign(content: bytes) -> dict[str, str]:
    """Return the bank's signature of this content, and which key it is of."""
    key = _private_key(_seed())
    public = key.public_key().public_bytes_raw()
    return {"key_id": key_id(public), "signature": key.sign(content).hex()}


def is_signed(content: bytes, key_id: str, signature: str) -> bool:
    """Return whether the bank has signed this content, with the key it has or one that it had."""
    public = next((one for one in public_keys() if one["id"] == key_id), None)
    if public is None:
        return False
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public["public_key"]))
    try:
        key.verify(bytes.fromhex(signature), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def public_keys() -> list[dict[str, str]]:
    """Return the public keys that check what the bank signs and has signed, the current first."""
    current = _private_key(_seed()).public_key().public_bytes_raw()
    old = [_bytes_of("AUDIT_OLD_PUBLIC_KEYS", text) for text in settings.AUDIT_OLD_PUBLIC_KEYS]
    return [
        {"id": key_id(key), "algorithm": "Ed25519", "public_key": key.hex()}
        for key in [current, *old]
    ]


def key_id(public_key: bytes) -> str:
    """Return the short name of a public key."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def _seed() -> bytes:
    """Return the secret that the private key is made of. Raises ImproperlyConfigured."""
    if not settings.AUDIT_SIGNING_KEY and settings.DEBUG:  # for play, as in `keys`
        return hmac.digest(settings.SECRET_KEY.encode(), b"audit signing key", "sha256")
    return _bytes_of("AUDIT_SIGNING_KEY", settings.AUDIT_SIGNING_KEY)


def _bytes_of(name: str, text: str) -> bytes:
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise ImproperlyConfigured(f"{name} must be 64 hexadecimal digits.")
    return bytes.fromhex(text)


@lru_cache(maxsize=8)
def _private_key(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)
