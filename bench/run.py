"""One run: rows in rounds that take turns, and what came of each row."""

import random
import statistics
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

import MySQLdb

from bench import load
from bench.bank import Bank, CannotMeasure, copy_for_the_yardstick, manage
from bench.c_driver import Way, Yardstick
from bench.costs import NOTHING, Costs, count
from bench.rows import Row

WARM_UP_SECONDS = 0.5
YARDSTICK = Row("C driver, the same statements, no HTTP", 16, lambda *_: iter(()), 201)


@dataclass
class Result:
    """What a row came to, round by round."""

    row: Row
    rates: list[float] = field(default_factory=list)  # transfers or reads a second
    ratios: list[float] = field(default_factory=list)  # to the yardstick in the same round
    latencies: list[float] = field(default_factory=list)
    statuses: Counter = field(default_factory=Counter)
    costs: Costs = NOTHING
    generator: float = 0.0  # processor seconds of the load generator

    def add(self, sample: load.Sample, spent: Costs) -> float:
        """Add a round and return its rate. Raises CannotMeasure if an answer is not the row's."""
        if set(sample.statuses) != {self.row.status}:
            raise CannotMeasure(f"{self.row.name}: not only {self.row.status}, {sample.statuses}")
        self.rates.append(len(sample.latencies) * self.row.orders / sample.seconds)
        self.latencies += sample.latencies
        self.costs += spent
        self.generator += sample.cpu
        return self.rates[-1]

    def summary(self) -> dict:
        """Return the figures: medians of the rounds, percentiles of all requests."""
        latencies, requests = sorted(self.latencies), len(self.latencies)
        return {
            "row": self.row.name,
            "connections": self.row.connections,
            "per_second": round(statistics.median(self.rates), 1),
            "ratio": round(statistics.median(self.ratios), 3) if self.ratios else None,
            "p50_ms": round(1000 * latencies[requests // 2], 2),
            "p99_ms": round(1000 * latencies[requests * 99 // 100], 2),
            "server_cpu_ms": round(1000 * self.costs.server / requests, 2),
            "database_cpu_ms": round(1000 * self.costs.database / requests, 2),
            "statements": round(self.costs.statements / requests, 1),
            "generator_cpu_ms": round(1000 * self.generator / requests, 3),
            "requests": requests,
            "rates": [round(rate, 1) for rate in self.rates],
        }


def once(rows: list[Row], bank: Bank, *, rounds: int, seconds: float, say: Callable) -> list[dict]:
    """Measure the rows, and the yardstick if the bank's database is known: then the books are
    proved at the end. Return the summaries. Raises CannotMeasure.
    """
    results = [Result(one) for one in rows]
    with ExitStack() as stack:
        cursor = yardstick = None
        if database := bank.database:
            connection = stack.enter_context(closing(MySQLdb.connect(**database.connect())))
            connection.autocommit(True)
            cursor = connection.cursor()
            accounts = stack.enter_context(copy_for_the_yardstick(database))
            way = Way(database.connect(database.copy), accounts)
            yardstick = stack.enter_context(closing(Yardstick(way, YARDSTICK.connections)))
            results.insert(0, Result(YARDSTICK))
        say(f"{rounds} rounds of {seconds} s for each of {len(results)} rows:")
        _measure(bank, yardstick, cursor, results, rounds, seconds, say)
    if bank.environment:
        manage(bank.environment, "reconcile")
    return [one.summary() for one in results]


def _measure(bank: Bank, yardstick, cursor, results, rounds, seconds, say) -> None:
    chance = random.Random(1)
    pids = bank.pid, bank.database and bank.database.pid
    for number in range(rounds + 1):
        length = seconds if number else WARM_UP_SECONDS  # the first round counts nothing
        rates = []
        for result in results:
            before = count(cursor, *pids)
            if result.row is YARDSTICK:
                sample = yardstick.run(length)
            else:
                sample = _round(bank, result.row, chance, length)
            spent = count(cursor, *pids) - before
            if number:
                rates.append(result.add(sample, spent))
                if yardstick:
                    result.ratios.append(rates[-1] / rates[0])
        if number:
            say(f"  round {number}: " + ", ".join(f"{rate:,.0f}" for rate in rates))


def _round(bank: Bank, row: Row, chance: random.Random, seconds: float) -> load.Sample:
    requests = row.requests(bank.people, chance)
    if row.beside is None:
        return load.run(bank.address, row.connections, requests, seconds, row.orders)
    beside = row.beside(bank.people, chance)
    meanwhile = threading.Thread(target=load.run, args=(bank.address, 1, beside, seconds, 5_000))
    meanwhile.start()
    sample = load.run(bank.address, row.connections, requests, seconds)
    meanwhile.join()
    return sample


def table(summaries: list[dict]) -> list[str]:
    """Return the summaries as a table in Markdown."""
    lines = [
        "| | connections | a second | ratio | p50 ms | p99 ms | server ms | database ms "
        "| statements |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in summaries:
        ratio, server, database, statements = (
            f"{one[name]:.{decimals}f}" if one[name] else "-"
            for name, decimals in (
                ("ratio", 2),
                ("server_cpu_ms", 2),
                ("database_cpu_ms", 2),
                ("statements", 1),
            )
        )
        lines.append(
            f"| {one['row']} | {one['connections']} | {one['per_second']:,.0f} "
            f"| {ratio} | {one['p50_ms']:.1f} | {one['p99_ms']:.1f} "
            f"| {server} | {database} | {statements} |"
        )
    return lines


def scale_table(runs: dict[int, list[dict]]) -> list[str]:
    """Return the median time and the database's work of each row, for each size of the bank."""
    head = " | ".join(f"{size:,} transfers" for size in runs)
    lines = [f"| p50 ms · database ms | {head} |", f"| --- |{' ---: |' * len(runs)}"]
    for same_row in zip(*runs.values(), strict=True):
        cells = " | ".join(
            f"{one['p50_ms']:.1f} · {one['database_cpu_ms']:.2f}" for one in same_row
        )
        lines.append(f"| {same_row[0]['row']}, {same_row[0]['connections']} | {cells} |")
    return lines
