"""What is measured: each row is one kind of request, at so many connections."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from bench import data
from bench.data import Member

TOO_MUCH = "900000000000.00"  # more than anybody has


@dataclass(frozen=True)
class Row:
    """One line of the table. `orders` is how many transfers one request carries."""

    name: str
    connections: int
    requests: Callable[[list[Member], random.Random], Iterator[bytes]]
    status: int = 200
    orders: int = 1
    beside: Callable | None = None  # requests that one more connection sends meanwhile


def transfers() -> list[Row]:
    """Return the rows that move money, one transfer a request."""
    pay, many = data.payments, data.bulks
    return [
        *(Row("POST /transfers", number, pay, 201) for number in (1, 8, 32)),
        Row("POST /transfers, all to one account", 32, data.payments_to_one, 201),
        Row("POST /transfers, refused", 8, partial(pay, amount=TOO_MUCH), 402),
        Row("POST /transfers, beside bulks of 5,000", 8, pay, 201, 1, partial(many, size=5_000)),
        Row("POST /transfers/bulk, 500 each", 4, partial(many, size=500), 200, 500),
    ]


def reads() -> list[Row]:
    """Return the rows that read."""
    return [
        Row("GET /transfers/{id}", 8, partial(data.reads, path="/transfers/{transfer}")),
        Row("GET /transfers", 8, partial(data.reads, path="/transfers")),
        Row("GET /accounts/{id}/limits", 8, partial(data.reads, path="/accounts/{account}/limits")),
        Row(
            "GET /accounts/{id}/entries",
            8,
            partial(data.reads, path="/accounts/{account}/entries"),
        ),
    ]
