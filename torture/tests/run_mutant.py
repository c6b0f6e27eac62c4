"""Torture one broken bank and print, as JSON, which rules found the fault.

A process of its own for each run, because a process can set Django up for one bank only.
"""

import json
import sys
from pathlib import Path

from torture import run

BUSY = {"circle": 3, "people": 6, "limited": 2, "poor": 2, "processes": 2, "threads": 6}
LIMITS = {"people": 80, "limited": 80, "poor": 0, "limit": 20_000, "processes": 2, "threads": 6}
KILLS = {"faults": ["worker-kill"], "pause": 0.3, "workload": BUSY}
SECONDS = 4
SETTINGS = {
    "usage_outside_the_lock": {"faults": [], "workload": LIMITS},
    "audit_after_commit": KILLS,
    "key_outside_the_transaction": KILLS,
    "statement_retry": {"faults": ["connection-kill"], "pause": 0.1, "workload": BUSY},
    "double_apply_on_lost_commit": {"faults": ["lost-commit"], "workload": BUSY},
}


def main(mutant: str, seed: int, data: Path) -> None:
    """Run once and print the rules that were violated; none means that the fault got through."""
    settings = SETTINGS.get(mutant, {"faults": [], "workload": BUSY})
    broken = {"wsgi": "torture.tests.mutants", "environment": {"MUTANT": mutant}}
    if mutant == "none":
        broken = {}
    options = run.Options(seconds=SECONDS, seed=seed, workers=2, data=data, **settings, **broken)
    report = run.torture(options)
    rules = sorted({one.rule for one in report.violations})
    print(json.dumps({"rules": rules, "acknowledged": sum(report.acknowledged.values())}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
