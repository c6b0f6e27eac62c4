"""When each version of an account, the sequence of its newest entry, can have come about."""

import bisect
import itertools

from torture.history import BEFORE, SOMETIME


class Timeline:
    """The versions of one account, and when each can have come about.

    A version's transfer was invoked no earlier than its first attempt, and had happened by the time
    of its first verdict. What opened the bank happened before everything.
    """

    def __init__(self, entries: list[tuple], spans: dict[int, tuple[float, float]]):
        self._balances = [0, *(after for _, _, _, after in entries)]
        times = [BEFORE, *(spans.get(transfer, SOMETIME) for _, transfer, _, _ in entries)]
        self._invoked = [invoked for invoked, _ in times]
        self._known = [known for _, known in times]
        # A version cannot be there before all those before it have been invoked ...
        self._possible = list(itertools.accumulate(self._invoked, max))
        # ... and must be there once it, or any after it, is known.
        self._certain = list(itertools.accumulate(reversed(self._known), min))[::-1]

    def balance_at(self, version: int) -> int:
        """Return the balance at a version."""
        return self._balances[version]

    def versions_between(self, began: float, ended: float) -> tuple[int, int]:
        """Return the oldest and the newest version that a read in that time may have seen."""
        oldest = bisect.bisect_left(self._certain, began) - 1
        newest = bisect.bisect_right(self._possible, ended) - 1
        return max(oldest, 0), newest

    def balances_between(self, began: float, ended: float) -> set[int]:
        """Return the balances that a read in that time may have seen."""
        oldest, newest = self.versions_between(began, ended)
        return set(self._balances[oldest : newest + 1])

    def out_of_order(self) -> list[int]:
        """Return the versions whose transfer began after a later version was known."""
        return [
            version
            for version, invoked in enumerate(self._invoked[:-1])
            if invoked > self._certain[version + 1]
        ]
