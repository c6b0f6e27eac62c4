"""The harness must be able to fail: twelve broken banks, each with one fault, are all found out."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from smartbank.throwaway import Server

ROOT = Path(__file__).resolve().parents[2]
SOUND = "none"
SEEDS = range(1, 6)  # a race that does not happen with the first may with the next
RUN_SECONDS = 240  # an account that a fault has stopped for good is waited for, for 150 seconds

# The fault, and a rule of which at least one must tell.
FOUND_BY = {
    "no_lock": {"deadlock"},
    "unsorted_locks": {"deadlock"},
    "insert_before_lock": {"deadlock"},
    "absolute_balance_write": {"balance", "entries", "total"},
    "key_outside_the_transaction": {"unordered"},
    "swallowed_deadlock": {"answers", "balance", "moved"},
    "statement_retry": {"lost", "audit", "usage", "moved"},
    "usage_outside_the_lock": {"limit"},
    "audit_after_commit": {"audit"},
    "float_amount": {"lost"},
    "missing_unique_key": {"key"},
    "double_apply_on_lost_commit": {"unordered"},
}

pytestmark = pytest.mark.row_locks


def rules_that_told(mutant: str, data: Path) -> tuple[set, float]:
    """Torture a broken bank until it is found out; return the rules that told, and the seconds."""
    began = time.monotonic()
    told = set()
    for seed in SEEDS:
        command = [sys.executable, "-m", "torture.tests.run_mutant", mutant, str(seed), str(data)]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout.splitlines()[-1])
        assert result["acknowledged"] > 0
        told = set(result["rules"])
        if mutant == SOUND or told & FOUND_BY[mutant]:
            break
    return told, time.monotonic() - began


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A database with the bank's tables and nothing in them, made once for all banks."""
    data = tmp_path_factory.mktemp("tables") / "data"
    with Server(engine="mariadb") as server:
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": server.url("smartbank")},
            check=True,
        )
        server.save_data(data)
    return data


@pytest.fixture(scope="module")
def verdicts(tables):
    """What the harness says of every bank; two at a time, because they mostly wait."""
    banks = [SOUND, *FOUND_BY]
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(banks, pool.map(partial(rules_that_told, data=tables), banks), strict=True))


@pytest.mark.parametrize("mutant", FOUND_BY)
def test_a_broken_bank_is_found_out(verdicts, mutant, record_property):
    told, seconds = verdicts[mutant]
    record_property("seconds until found", f"{seconds:.1f}")
    assert told & FOUND_BY[mutant]


def test_the_sound_bank_under_the_same_load_is_not_accused(verdicts):
    told, _ = verdicts[SOUND]
    assert told == set()
