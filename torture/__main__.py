"""`manage.py torture`: the command line."""

import argparse
import json
import signal
import sys
from pathlib import Path

from smartbank.throwaway import Unavailable
from torture import nemesis, run
from torture.app import NotServing

STORY_LINES = 40
NEARBY_SECONDS = 2


def main(arguments: list[str]) -> int:
    """Run as the command line says; return 0 only if nothing was wrong."""
    options = parse(arguments)
    for ending in (signal.SIGTERM, signal.SIGHUP):  # by exceptions, so that all is cleaned up
        signal.signal(ending, lambda number, frame: sys.exit(128 + number))
    print(f"Torture: {options.engine}, {options.seconds:.0f} s, seed {options.seed}", flush=True)
    try:
        report = run.torture(options, lambda line: print(line, flush=True))
    except (Unavailable, NotServing) as problem:
        print(problem, file=sys.stderr)
        return 1
    print("\n" + "\n".join(report.lines()))
    if report.violations:
        tell(report.violations, report.fault_log)
        return 1
    print("Nothing was lost, nothing happened twice.")
    return 0


def parse(arguments: list[str]) -> run.Options:
    """Return the options; ends the program with a sentence if they make no sense."""
    parser = argparse.ArgumentParser(
        prog="manage.py torture",
        description="Start a private database and a real server, let many clients move money over "
        "HTTP, break what can break under them, and prove from outside that nothing was lost and "
        "nothing happened twice. Exits 1 on any violation, with the shortest story of one.",
        epilog=f"Faults: {', '.join(nemesis.FAULTS)}. On SQLite only: "
        f"{', '.join(nemesis.ON_SQLITE)}.",
    )
    parser.add_argument("--minutes", type=float, default=1, help="how long (default 1)")
    parser.add_argument("--seed", type=int, default=1, help="of all random numbers (default 1)")
    parser.add_argument("--faults", help="comma separated, or `none` (default: all)")
    parser.add_argument(
        "--pause", type=float, default=nemesis.PAUSE_SECONDS, help="mean seconds between two faults"
    )
    parser.add_argument("--engine", choices=["mariadb", "mysql", "sqlite"], default="mariadb")
    parser.add_argument("--workers", type=int, default=3, help="of the server (default 3)")
    parser.add_argument("--keep", type=Path, help="directory in which to leave the history")
    given = parser.parse_args(arguments)
    possible = nemesis.ON_SQLITE if given.engine == "sqlite" else nemesis.FAULTS
    faults = possible
    if given.faults is not None:
        faults = [name for name in given.faults.split(",") if name not in ("", "none")]
        if unknown := set(faults) - set(possible):
            parser.error(f"no such fault on {given.engine}: {', '.join(sorted(unknown))}")
    if given.minutes <= 0 or given.pause <= 0 or given.workers < 1:
        parser.error("--minutes, --pause and --workers must be above zero")
    return run.Options(
        seconds=given.minutes * 60,
        seed=given.seed,
        engine=given.engine,
        faults=faults,
        pause=given.pause,
        workers=given.workers,
        keep=given.keep,
    )


def tell(violations: list, fault_log: list) -> None:
    """Print every kind of violation, and the shortest story of all with the faults around it."""
    for rule in sorted({one.rule for one in violations}):
        found = [one for one in violations if one.rule == rule]
        print(f"  {rule}: {len(found)}, such as: {found[0].sentence}")
    shortest = min(violations, key=lambda one: (not one.story, len(one.story)))
    print(f"\nThe shortest story ({shortest.rule}): {shortest.sentence}")
    for event in shortest.story[:STORY_LINES]:
        print("  " + json.dumps(event, default=str))
    times = [one[end] for one in shortest.story if isinstance(one, dict) for end in ("t0", "t1")]
    for fault, began, ended in fault_log:
        if times and began < max(times) + NEARBY_SECONDS and ended > min(times) - NEARBY_SECONDS:
            print(f"  meanwhile: {fault} from {began:.3f} to {ended:.3f}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
