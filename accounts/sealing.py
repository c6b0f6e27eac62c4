"""Sealing the accounts' chains of audit rows."""

from collections.abc import Iterator
from functools import partial

from django.db.models import Exists, Max, OuterRef

from accounts import transactions
from accounts.models import Account
from audit import seals
from audit.models import Seal, SealedHead
from audit.seals import Head


def seal_all() -> Iterator[Seal]:
    """Seal every chain that has grown since its last seal, and yield the seals once committed.

    Each seal is one consistent read of the chains' ends, without any lock: transfers go on. Which
    rows were written before which does not matter: an end stands for all that is before it.
    """
    after = 0
    while seal := transactions.run(partial(_seal_some, after)):
        yield seal
        if seal.count < seals.MAX_HEADS:
            return  # what has grown meanwhile waits for the next time
        after = seal.heads.aggregate(last=Max("account_id"))["last"]


def _seal_some(after: int) -> Seal | None:
    heads = _grown(after)
    return seals.add(heads) if heads else None


def _grown(after: int) -> list[Head]:
    """Return ends of chains that are not sealed, of the first accounts after that key."""
    sealed = SealedHead.objects.filter(
        account_id=OuterRef("pk"), sequence=OuterRef("audit_sequence")
    )
    ends = (
        Account.objects.filter(~Exists(sealed), audit_sequence__gt=0, pk__gt=after)
        .order_by("pk")
        .values_list("pk", "public_id", *Account.CHAIN_END)
    )
    return [Head(*end) for end in ends[: seals.MAX_HEADS]]
