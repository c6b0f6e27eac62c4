"""`manage.py torture` itself: a short run with every fault, on every engine that the suite has."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300


def torture(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", "torture", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def figure(name: str, printout: str) -> int:
    """Return the first number behind a name in the table."""
    line = re.search(rf"^ *{re.escape(name)} \.+ (.*)$", printout, re.M)
    assert line, printout
    return int(re.search(r"\d[\d,]*|none|-", line[1])[0].replace(",", ""))


@pytest.mark.row_locks
@pytest.mark.django_db
def test_nothing_is_lost_while_everything_dies(tmp_path):
    mysql = connection.vendor == "mysql" and not connection.mysql_is_mariadb
    engine = "mysql" if mysql else "mariadb"

    done = torture(
        *("--minutes", "0.5", "--pause", "0.5", "--engine", engine, "--keep", str(tmp_path))
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert figure("VIOLATIONS", done.stdout) == 0
    assert figure("operations acknowledged", done.stdout) > 100
    assert figure("intents resolved after one", done.stdout) > 0
    assert figure("answers swallowed", done.stdout) > 0
    assert figure("replies to COMMIT swallowed", done.stdout) > 0
    assert "worker-kill" in done.stdout
    assert "500" not in re.search(r"^5xx .*$", done.stdout, re.M)[0].replace("503", "")
    assert sum(len(path.read_text().splitlines()) for path in tmp_path.glob("*.jsonl")) > 100


def test_nothing_is_lost_on_sqlite_while_workers_die():
    done = torture("--minutes", "0.2", "--pause", "0.4", "--engine", "sqlite")

    assert done.returncode == 0, done.stdout + done.stderr
    assert figure("VIOLATIONS", done.stdout) == 0
    assert figure("operations acknowledged", done.stdout) > 50
    assert "worker-kill" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--faults", "meteor"], "no such fault on mariadb: meteor"),
        (["--engine", "sqlite", "--faults", "database-kill"], "no such fault on sqlite"),
        (["--minutes", "0"], "must be above zero"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_a_sentence(arguments, sentence):
    done = torture(*arguments)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
