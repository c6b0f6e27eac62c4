"""What can be ordered, and what can become of it: the words that `operations` is written in."""

import hashlib
import secrets
from collections.abc import Container
from dataclasses import dataclass, field
from functools import partial

from accounts import public_ids
from audit.operations import Origin
from transfers.models import Transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One wish to move money, with its accounts looked up: None is an account nobody may use.

    `key` is the caller's idempotency key. Without one, the order gets a random key now, so that
    it is recognisable when the reply to COMMIT is lost and it has to be posted again. The id of
    its transfer is made now as well: finding it under the key tells that it was this very order.
    """

    kind: Transfer.Kind
    caller_id: int
    customer_id: int | None  # whose account must be debited; None for the bank's own orders
    token_id: int | None = None  # the API token that it came with: under the lock it must count
    from_account_id: int | None
    to_account_id: int | None
    # The id or number by which each was found: an account that bears another is not meant.
    from_name: str | None = None
    to_name: str | None = None
    amount_minor: int
    currency: str
    reference: str = ""
    key: str = field(default_factory=partial(secrets.token_hex, 32))
    transfer_id: str = field(default_factory=public_ids.new)
    origin: Origin
    reverses_id: int | None = None  # the transfer that this one sends back, or a part of it
    audit_details: dict = field(default_factory=dict)  # what else the audit log should know
    key_hash: str = field(init=False)  # SHA-256 of the key: exact whatever the collation

    def __post_init__(self):
        object.__setattr__(self, "key_hash", hash_of(self.key))

    @property
    def accounts(self) -> set[int]:
        """The accounts that take part, as far as there are such."""
        return {self.from_account_id, self.to_account_id} - {None}

    def is_admitted(self, admitted: Container[tuple[int, int, int]]) -> bool:
        """Return whether it came with no token, or with one of these (accounts.callers)."""
        caller = self.token_id, self.caller_id, self.customer_id
        return self.token_id is None or caller in admitted

    def made(self, transfer: Transfer | None) -> bool:
        """Return whether the transfer is this very order's: its COMMIT arrived before, and only the
        reply did not."""
        return transfer is not None and transfer.public_id == self.transfer_id

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what is ordered: two spellings of one order have the same."""
        return fingerprint(
            self.from_account_id,
            self.to_account_id,
            self.amount_minor,
            self.currency,
            self.reference,
        )


def hash_of(key: str) -> str:
    """Return what is stored of an idempotency key."""
    return hashlib.sha256(key.encode()).hexdigest()


def fingerprint(*parts: object) -> str:
    """Return a SHA-256 over the parts, each with its length, so that none can pose as another."""
    texts = [str(part) for part in parts]
    encoded = "".join(f"{len(text)}:{text}" for text in texts)
    return hashlib.sha256(encoded.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an order was not carried out, and the numbers (minor units) that decided it."""

    code: str
    details: dict = field(default_factory=dict)

    # These are about the order itself and leave no transfer behind, only an audit row; a key that
    # is used for something else leaves nothing, as no replay does.
    NOT_RECORDED = frozenset(
        {
            "account_not_found",
            "same_account",
            "currency_mismatch",
            "idempotency_key_reused",
        }
    )

    @property
    def is_recorded(self) -> bool:
        """Whether the refusal is a fact about the account at that moment, and so a transfer."""
        return self.code not in self.NOT_RECORDED


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one order. `transfer` is None if the refusal is not recorded, `replayed`
    says that another order under the same key was carried out before."""

    transfer: Transfer | None
    refusal: Refusal | None = None
    replayed: bool = False


# The order's token does not count any more: nothing was looked up for it, and nothing is kept.
NOT_ADMITTED = Outcome(None, Refusal("unauthenticated"))


def refusal_of(transfer: Transfer) -> Refusal | None:
    """Return why this transfer was refused, as it was decided then; None if it was not."""
    if transfer.failure_code is None:
        return None
    return Refusal(transfer.failure_code, transfer.failure_details)
