"""The chains of audit rows, one for each account, and what each of their rows proves.

A row of a chain has the account's next `sequence`. Its `tag` is an HMAC over everything it says,
so only who has the key can write one. Its `link` is a SHA-256 over the link before it and its tag,
so everybody can follow a chain, and whoever knows its last link knows that nothing before was
changed, taken out or put in. The account itself keeps sequence and link of the last row.

Rows that concern no account have a tag and are in no chain.
"""

import datetime as dt
import hashlib
import hmac

from audit import keys
from audit.models import AuditLog, Chained, Details

VERSION = "smartbank-audit-1"
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
canonical = Details.encode


def append(row: AuditLog, account: Chained | None) -> None:
    """Make `row` the next of the account's chain, whose end moves on in memory.

    The account must be locked, and whoever writes the row writes `account.chain_end` along.
    """
    row.epoch, key = keys.current()
    if account:
        row.account_id = account.id
        row.sequence = account.audit_sequence = account.audit_sequence + 1
    row.tag = tag(key, content(row, row.details.text))
    if account:
        row.link = account.audit_head = link(account.audit_head, row.tag)


def tag(key: bytes, content: bytes) -> str:
    """Return what only a holder of the key can say about this content."""
    return hmac.digest(key, content, "sha256").hex()


def link(previous: str, tag: str) -> str:
    """Return the link of a row with this tag that follows the link `previous`."""
    return hashlib.sha256(bytes.fromhex(previous) + bytes.fromhex(tag)).hexdigest()


def content(row: AuditLog, details: str | None = None) -> bytes:
    """Return everything the row says, in the one form in which it is tagged; `details` is the
    canonical text of the row's details if the caller has it."""
    return encoded(
        VERSION,
        row.epoch,
        row.account_id,
        row.sequence,
        microseconds(row.created_at),
        row.action,
        row.actor_id,
        row.object_type,
        row.object_id,
        row.request_id,
        row.ip,
        canonical(row.details) if details is None else details,
    )


def microseconds(moment: dt.datetime) -> int:
    """Return the microseconds from 1970 to that moment."""
    return (moment - _EPOCH) // _MICROSECOND


def encoded(what: str, *values: object) -> bytes:
    """Return the values as text, each after its length in bytes, None as "-": so that different
    values are never the same bytes. It begins with what they are, so that none pose as another."""
    parts = [what]
    for value in values:
        if value is None:
            parts.append("-")
        else:
            text = str(value)
            length = len(text) if text.isascii() else len(text.encode())
            parts.append(f"{length}:{text}")
    return "".join(parts).encode()
