"""`manage.py bench`: the command line."""

import argparse
import json
import signal
import sys
from functools import partial
from pathlib import Path

import smartbank  # noqa: F401  (PyMySQL stands in where there is no C driver)
from bench import bank, database, rows, run
from bench.load import NoAnswer
from smartbank.throwaway import Unavailable

SIZES = [1_000, 100_000, 1_000_000]


def main(arguments: list[str]) -> int:
    """Measure as the command line says; return 0 if the books are right afterwards."""
    options = parse(arguments)
    for ending in (signal.SIGTERM, signal.SIGHUP):  # by exceptions, so that all is cleaned up
        signal.signal(ending, lambda number, frame: sys.exit(128 + number))
    sizes = options.scale or [options.transfers]
    try:
        runs = {size: _measured(options, size) for size in sizes}
    except (Unavailable, bank.CannotMeasure, NoAnswer) as problem:
        print(problem, file=sys.stderr)
        return 1
    lines = run.scale_table(runs) if options.scale else run.table(runs[options.transfers])
    print("\n" + "\n".join(lines))
    if options.json:
        options.json.write_text(json.dumps(runs, indent=2) + "\n")
    return 0


def _measured(options: argparse.Namespace, transfers: int) -> list[dict]:
    """Measure a bank with so many transfers, or the one that is served already."""
    chosen = [one for one in rows.transfers() + rows.reads() if options.only in one.name]
    measure = partial(run.once, chosen, rounds=options.rounds, seconds=options.seconds, say=_say)
    if options.server:
        with bank.found(options.server, options.tokens) as served:
            return measure(served)
    url = options.database_url
    with (
        database.given(url) if url else database.private() as empty,
        bank.opened(empty, options.customers, transfers, _say) as served,
    ):
        return measure(served)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options; ends the program with a sentence if they make no sense."""
    parser = argparse.ArgumentParser(
        prog="manage.py bench",
        description="Start a private database and the production server, make a bank, and measure "
        "transfers and reads over HTTP in rounds that take turns, next to the same statements sent "
        "by the C driver alone: every speed is also a ratio to that. Ends with `reconcile`.",
    )
    parser.add_argument("--rounds", type=int, default=7, help="of every row (default 7)")
    parser.add_argument("--seconds", type=float, default=1.5, help="a round (default 1.5)")
    parser.add_argument("--customers", type=int, default=2_000, help="with an account each")
    parser.add_argument("--transfers", type=int, default=2_000, help="before it begins")
    parser.add_argument(
        "--scale",
        nargs="*",
        type=int,
        metavar="N",
        help="measure banks with so many transfers (default 1000 100000 1000000), one after the "
        "other, and show that a call costs the same in each",
    )
    parser.add_argument(
        "--database-url",
        metavar="URL",
        help="an empty database of your MariaDB or MySQL to measure in, written like DATABASE_URL; "
        "its user must be allowed to make a second one beside it",
    )
    parser.add_argument(
        "--server",
        metavar="URL",
        help="a running server with the data of `manage.py load_data`, whose --tokens are given; "
        "there is no yardstick then, and so no ratio",
    )
    parser.add_argument("--tokens", type=Path, metavar="FILE", help="that load_data has written")
    parser.add_argument("--only", default="", help="rows with this in their name")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write all figures")
    options = parser.parse_args(arguments)
    if options.scale == []:
        options.scale = SIZES
    if min(options.rounds, options.seconds, options.customers - 1) <= 0:
        parser.error("--rounds and --seconds must be above zero, --customers above one")
    if bool(options.server) != bool(options.tokens):
        parser.error("--server and --tokens belong together")
    if options.scale and (options.server or options.database_url):
        parser.error("--scale makes databases of its own")
    if options.server and options.database_url:
        parser.error("give --server or --database-url")
    return options


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
