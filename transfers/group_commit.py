"""Group commit: payments that are ordered at the same time share one transaction.

A commit has to reach the disk, and the disk takes one or a hundred payments in the same time. The
rules:

1. There is no timer and no thread of its own. An order that finds nobody at work is posted at once.
2. What is ordered while a batch is under way waits. The first in the queue then becomes the leader:
   it takes all that wait and posts them as one batch, in the order in which they came. It takes
   over as soon as the batch before is written and only its COMMIT is left: while the disk works for
   one batch, the processor works for the next. Nobody works for others longer than for one batch.
3. A batch is tried once, and waits for locks for LOCK_SECONDS at most. If it fails, for whatever
   reason, nothing of it has happened or its keys tell: so everyone posts its own order alone, as if
   there were no group, and whoever's order was to blame is the only one to learn of it.
4. While an order is posted alone after that, orders on the same accounts are posted alone, too:
   an account that somebody else holds locked delays one batch, and not every one.
5. So an outcome never depends on who else was in the batch, other than by coming before or after.

`operations.post` decides each order in turn as the ones before have left the accounts, a duplicate
in the same batch included. Each process has its own queue.
"""

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from functools import partial

from accounts import transactions
from transfers import operations
from transfers.orders import Order, Outcome

LOCK_SECONDS = 1


@dataclass(eq=False, slots=True)
class _Seat:
    """An order in the queue. Its caller sleeps until `turn` is set: then the outcome is there, or
    the order has to be posted alone, or it is the caller's turn to lead."""

    order: Order
    turn: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome | None = None
    alone: bool = False
    until: float | None = None  # when nothing is tried again any more


class Queue:
    """The orders that wait in this process."""

    def __init__(self):
        self._mutex = threading.Lock()
        self._waiting: deque[_Seat] = deque()
        self._leader: _Seat | None = None
        self._alone: Counter[int] = Counter()  # accounts of orders that are posted alone now

    def post(self, order: Order) -> Outcome:
        """Carry out the order, with others if there are any, and return its outcome once it is
        committed. Raises what `operations.post` raises for this order."""
        seat = self._take_seat(order)
        seat.turn.wait()
        if not (seat.outcome or seat.alone):
            self._lead(seat)
        return seat.outcome or self._post_alone(seat)

    def _take_seat(self, order: Order) -> _Seat:
        seat = _Seat(order)
        with self._mutex:
            if any(self._alone[account] for account in order.accounts):
                self._put_aside(seat)
            else:
                self._waiting.append(seat)
                self._leader = self._leader or seat
            if seat.alone or self._leader is seat:
                seat.turn.set()
        return seat

    def _put_aside(self, seat: _Seat) -> None:
        seat.alone = True
        self._alone.update(seat.order.accounts)

    def _lead(self, leader: _Seat) -> None:
        """Post all that wait, the leader's own order among them, and let the next one lead."""
        with self._mutex:
            size = min(len(self._waiting), operations.MAX_ORDERS)
            batch = [self._waiting.popleft() for _ in range(size)]
        until = transactions.patience_ends()
        hand_over = partial(self._hand_over, leader)
        try:
            orders = [seat.order for seat in batch]
            outcomes = operations.post(
                orders, lock_seconds=LOCK_SECONDS, before_commit=hand_over, attempts=1
            )
            for seat, outcome in zip(batch, outcomes, strict=True):
                seat.outcome = outcome
        except Exception:  # whoever is to blame will learn of it alone
            pass
        finally:
            with self._mutex:
                for seat in batch:
                    if not seat.outcome:
                        seat.until = until
                        self._put_aside(seat)
            hand_over()
            for seat in batch:
                seat.turn.set()

    def _hand_over(self, leader: _Seat) -> None:
        """Let the first that waits lead, if this one has not handed over already."""
        with self._mutex:
            if self._leader is leader:
                self._leader = self._waiting[0] if self._waiting else None
                if self._leader:
                    self._leader.turn.set()

    def _post_alone(self, seat: _Seat) -> Outcome:
        try:
            if seat.until and time.monotonic() > seat.until:
                raise transactions.Busy
            return operations.post([seat.order], until=seat.until)[0]
        finally:
            with self._mutex:
                self._alone -= Counter(seat.order.accounts)


post = Queue().post
