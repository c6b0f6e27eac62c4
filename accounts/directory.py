"""Which account an id or a number names, remembered.

An account keeps its names, its owner and its currency for good, so a process asks for each once.
Nothing is decided by what is remembered here: who moves money reads the account again under its
lock and makes sure that it bears the name by which it was found.
"""

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from django.db import connection

from accounts import public_ids, rows, transactions

MOST = 50_000  # names that a process remembers at once


class Listing(NamedTuple):
    """What never changes about an account."""

    id: int
    public_id: str
    number: str
    customer_id: int | None
    currency: str


_known: dict[str, Listing] = {}


def look_up(names: Iterable[str]) -> dict[str, Listing]:
    """Return the accounts with these public ids and numbers, by those names, whoever owns them.
    An id and a number are never spelt alike."""
    names = set(names)
    found = {name: one for name in names if (one := _known.get(name))}
    if missing := names - found.keys():
        listings = transactions.instead_of_a_ping(partial(_read, missing))
        read = {name: one for one in listings for name in (one.public_id, one.number)}
        found |= {name: read[name] for name in missing if name in read}
        _remember(read)
    return found


def forget(names: Iterable[str]) -> None:
    """Ask for these again the next time."""
    for name in names:
        _known.pop(name, None)


def forget_unless_of(customer_id: int | None, names: Iterable[str]) -> None:
    """Ask again for those of these that are not the customer's."""
    forget([name for name in names if (one := _known.get(name)) and one.customer_id != customer_id])


def _remember(found: dict[str, Listing]) -> None:
    """Remember the customers' accounts. The bank's own are asked for like those that do not exist:
    no payment reaches either, and nobody can tell them apart by the time it takes."""
    if len(_known) >= MOST:
        _known.clear()
    _known.update({name: one for name, one in found.items() if one.customer_id})


def _read(names: set[str]) -> list[Listing]:
    ids = {name for name in names if public_ids.is_canonical(name)}
    parts, values = [], []
    for column, wanted in (("public_id", ids), ("number", names - ids)):
        if wanted:
            parts.append(
                f"SELECT {', '.join(Listing._fields)} FROM accounts {rows.forced(column)} "
                f"WHERE {column} IN {rows.places(len(wanted))}"
            )
            values += wanted
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), values)
        return [Listing(*row) for row in cursor.fetchall()]
