"""Who called with which token, remembered from one payment to the next.

Nobody is let in by what is remembered here. A payment takes a transaction anyway, and in it, under
the locks, the token is looked at again (`admitted`): one that was revoked or has ended, or whose
user was deactivated or became staff, moves no money from that moment on, whatever a process
remembers. What is answered without such a transaction, a refusal of the body for one, is answered
after the token was looked up (`tokens.confirm`).

That a token was used is noted once in ten minutes: by a payment in its own transaction, so that it
costs no commit of its own, and not at all while somebody else holds the token's row.
"""

import datetime as dt
import time
from collections.abc import Iterable, Sequence
from operator import attrgetter

from django.db import connection
from django.utils import timezone

from accounts import rows
from accounts.models import ApiToken, Customer

SECONDS = 600
USE_IS_NOTED_EVERY = dt.timedelta(minutes=10)
MOST = 10_000  # tokens that a process remembers at once

_known: dict[str, tuple[float, ApiToken]] = {}  # by hash, each with when (monotonic) it is over


def recall(token_hash: str) -> ApiToken | None:
    """Return the token, with its user and customer, as it was looked up within SECONDS."""
    until, token = _known.get(token_hash, (0, None))
    return token if time.monotonic() < until else None


def remember(token: ApiToken) -> None:
    """Keep the token, with its user and customer, in mind. Only a customer's: staff pay nobody."""
    if token.user.is_staff or Customer.of(token.user) is None:
        return
    if len(_known) >= MOST:
        _known.clear()
    _known[token.token_hash] = time.monotonic() + SECONDS, token


def forget(token_hash: str) -> None:
    """Look the token up the next time."""
    _known.pop(token_hash, None)


def admitted(token_ids: Iterable[int]) -> rows.Statement:
    """Ask which of these tokens let a customer pay now: (token, user, customer), and whether it is
    time to note that the token is used. It is what `ApiTokenQuerySet.valid` says, of a customer who
    is not staff; whether a token has ended goes by when this is called, and so by before a wait for
    the locks."""
    listed, ids = rows.among(token_ids)
    forced, now = rows.forced, timezone.now()
    return rows.Statement(
        "SELECT token.id, person.id, customer.id, "
        "token.last_used_at IS NULL OR token.last_used_at <= %s "
        f"FROM api_tokens token {forced('PRIMARY')} "
        f"JOIN auth_user person {forced('PRIMARY')} ON person.id = token.user_id "
        f"JOIN customers customer {forced('user_id')} ON customer.user_id = person.id "
        f"WHERE token.id IN {listed} "
        "AND token.revoked_at IS NULL AND token.expires_at > %s "
        "AND person.is_active AND NOT person.is_superuser AND NOT person.is_staff",
        [_moment(now - USE_IS_NOTED_EVERY), *ids, _moment(now)],
        lambda cursor: {tuple(caller): bool(is_due) for *caller, is_due in cursor.fetchall()},
    )


def unless_locked(token_ids: Iterable[int]) -> list[int]:
    """Lock the rows of these tokens, but for those that somebody else has locked, and return which
    they are: that a token is used is no reason to let a payment wait."""
    ids = sorted(token_ids)
    if not ids or not connection.features.has_select_for_update_skip_locked:
        return ids
    sql = f"SELECT id FROM api_tokens {rows.forced('PRIMARY')} WHERE id IN {rows.places(len(ids))}"
    lock = rows.Statement(
        f"{sql} ORDER BY id FOR UPDATE SKIP LOCKED",
        ids,
        lambda cursor: [key for (key,) in cursor.fetchall()],
    )
    [locked] = rows.run(lock)
    return locked


def note_use(token_ids: Sequence[int], now: dt.datetime) -> list[rows.Statement]:
    """Return the statement that notes that these tokens are used, or none if there are none."""
    if not token_ids:
        return []
    sql = f"UPDATE api_tokens {rows.forced('PRIMARY')} SET last_used_at = %s WHERE id IN "
    values = [_moment(now), *token_ids]
    return [rows.Statement(sql + rows.places(len(token_ids)), values, attrgetter("rowcount"))]


def _moment(time: dt.datetime) -> object:
    return connection.ops.adapt_datetimefield_value(time)
