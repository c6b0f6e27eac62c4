"""`manage.py bench`: the command line."""

import argparse
import json
import signal
import sys
from pathlib import Path

import smartbank  # noqa: F401  (PyMySQL stands in where there is no C driver)
from bench import rows, run
from bench.bank import AS_IN_PRODUCTION, CannotMeasure
from bench.load import NoAnswer
from smartbank.throwaway import Server, Unavailable


def main(arguments: list[str]) -> int:
    """Measure as the command line says; return 0 if the books are right afterwards."""
    options = parse(arguments)
    for ending in (signal.SIGTERM, signal.SIGHUP):  # by exceptions, so that all is cleaned up
        signal.signal(ending, lambda number, frame: sys.exit(128 + number))
    chosen = [one for one in rows.transfers() + rows.reads() if options.only in one.name]
    try:
        with _server() as server:
            summaries = run.once(
                chosen,
                server,
                rounds=options.rounds,
                seconds=options.seconds,
                customers=options.customers,
                transfers=options.transfers,
                say=_say,
            )
    except (Unavailable, CannotMeasure, NoAnswer) as problem:
        print(problem, file=sys.stderr)
        return 1
    print("\n" + "\n".join(run.table(summaries)))
    if options.json:
        options.json.write_text(json.dumps(summaries, indent=2) + "\n")
    return 0


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
    parser.add_argument("--only", default="", help="rows with this in their name")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write all figures")
    options = parser.parse_args(arguments)
    if min(options.rounds, options.seconds, options.customers - 1) <= 0:
        parser.error("--rounds and --seconds must be above zero, --customers above one")
    return options


def _server() -> Server:
    databases = (run.BANK, run.COPY)
    return Server(durable=True, extra_options=AS_IN_PRODUCTION, databases=databases)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
