"""The search for all orders leaves none out: shown on paper, with a lock and without."""

import math
from collections.abc import Callable

import pytest

from tests.schedules import Run, all_orders, commute

LOCK, READ, WRITE, COMMIT = "SELECT accounts FOR UPDATE", "SELECT t", "INSERT t", "COMMIT"
LOCK_FIRST = [LOCK, READ, WRITE, WRITE, COMMIT]


def on_paper(*calls: list[str]) -> Callable[[Callable], Run]:
    """Return a game in which two make these calls and there is one lock, held until COMMIT."""

    def play(choose) -> Run:
        left = [list(one) for one in calls]
        turns = []
        holder = waiting = None
        while standing := {n: one[0] for n, one in enumerate(left) if one and n != waiting}:
            who = choose(standing)
            turns.append((who, standing[who]))
            if standing[who] == LOCK and holder is not None:
                waiting = who
                continue
            call = left[who].pop(0)
            if call == LOCK:
                holder = who
            if call == COMMIT:
                holder, waiting = waiting, None
                if holder is not None:
                    left[holder].pop(0)
        return Run(turns, [], [], is_new=True)

    return play


def what_matters(run: Run) -> frozenset:
    """Return which came first, of all pairs of calls that do not commute."""
    numbered = [(who, n, call) for n, (who, call) in enumerate(run.turns)]
    nth = {(who, n): sum(one == who for one, _ in run.turns[:n]) for who, n, _ in numbered}
    return frozenset(
        (who, nth[who, n], nth[other, m])
        for who, n, call in numbered
        for other, m, later in numbered[n:]
        if who != other and not commute(call, later)
    )


def test_without_locks_there_are_as_many_orders_as_mathematics_says():
    runs = [run.turns for run in all_orders(on_paper([WRITE] * 5, [WRITE] * 5), every=True)]
    assert len(runs) == len(set(map(tuple, runs))) == math.comb(10, 5)


def test_who_does_not_get_the_lock_can_ask_for_it_after_any_call_of_the_other():
    runs = [run.turns for run in all_orders(on_paper(LOCK_FIRST, LOCK_FIRST), every=True)]
    assert len(runs) == len(set(map(tuple, runs))) == 2 * len(LOCK_FIRST)


@pytest.mark.parametrize(
    "calls",
    [
        ([READ] * 3, [READ] * 3),
        (LOCK_FIRST, LOCK_FIRST),
        ([READ, READ, *LOCK_FIRST], [READ, READ, *LOCK_FIRST]),
        ([READ, READ, *LOCK_FIRST], [LOCK, WRITE, COMMIT]),
        ([READ, WRITE, READ, COMMIT], [WRITE, READ, COMMIT, READ]),
    ],
)
def test_what_is_left_out_differs_only_in_what_does_not_matter(calls):
    every = {what_matters(run) for run in all_orders(on_paper(*calls), every=True)}
    fewer = [what_matters(run) for run in all_orders(on_paper(*calls), every=False) if run.is_new]
    assert len(fewer) == len(set(fewer))
    assert set(fewer) == every
