"""What the clients saw: their records, which hold every attempt with its times.

Times are seconds of a clock that all clients share; amounts are minor units.
"""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

VERDICTS = {
    "order": {201, 402, 429},
    "bad": {400},
    "reuse": {422},
    "balances": {200},
    "version": {200},
    "transfer": {200},
    "limits": {200},
}
ORDERS = ("order", "bad", "reuse")
NO_VERDICT = {None, 500, 502, 503}
NEVER = float("inf")
BEFORE = (-NEVER, -NEVER)  # before all clients, as what opened the bank
SOMETIME = (-NEVER, NEVER)  # nobody knows when


class History:
    """The clients' records. Those about one key are together; reads are apart."""

    def __init__(self, records: Iterable[dict]):
        self.by_key: dict[str, list[dict]] = defaultdict(list)
        self.reads: list[dict] = []
        for record in records:
            if record["kind"] in ORDERS:
                self.by_key[record["key"]].append(record)
            else:
                self.reads.append(record)

    @classmethod
    def load(cls, files: Iterable[Path]) -> "History":
        """Read history files."""

        def records() -> Iterator[dict]:
            for path in files:
                with path.open() as lines:
                    yield from map(json.loads, lines)

        return cls(records())

    @property
    def records(self) -> Iterator[dict]:
        """All records."""
        return itertools.chain(self.reads, *self.by_key.values())

    def orders(self, key: str) -> list[dict]:
        """Return the attempts of the order itself, without those that abused its key."""
        return [record for record in self.by_key[key] if record["kind"] == "order"]


def span(attempts: list[dict]) -> tuple[float, float]:
    """Return when an intent was first sent, and when its verdict was first known."""
    if not attempts:
        return SOMETIME
    known = [one["t1"] for one in attempts if one["status"] in VERDICTS["order"]]
    return min(one["t0"] for one in attempts), min(known, default=NEVER)
