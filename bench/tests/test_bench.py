"""`manage.py bench`: every row is measured, and what it says of itself is so."""

import json
import subprocess
import sys

import pytest
from django.core.management import call_command

from bench import bank, database, load, rows, run
from bench.__main__ import parse
from bench.bank import ROOT
from bench.rows import Row


@pytest.mark.row_locks
def test_a_run_measures_every_row_and_ends_with_the_books_proved(tmp_path):
    figures = tmp_path / "bench.json"
    few = ["--rounds", "1", "--seconds", "0.1", "--customers", "40", "--transfers", "40"]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *few, "--json", str(figures)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The books are right" in done.stdout
    [measured] = json.loads(figures.read_text()).values()
    expected = [run.YARDSTICK, *rows.transfers(), *rows.reads()]
    assert [(one["row"], one["connections"]) for one in measured] == [
        (row.name, row.connections) for row in expected
    ]
    assert measured[0]["ratio"] == 1
    for one in measured:
        assert one["requests"] > 0
        assert f"| {one['row']} | {one['connections']} |" in done.stdout


@pytest.mark.django_db(transaction=True)
def test_a_server_that_runs_already_is_measured_with_the_tokens_of_its_customers(
    live_server, tmp_path
):
    tokens = tmp_path / "tokens.csv"
    call_command("load_data", customers=4, transfers=8, tokens=tokens, processes=1)
    chosen = [one for one in rows.transfers() + rows.reads() if one.connections == 1]
    with bank.found(live_server.url, tokens) as served:
        measured = run.once(chosen, served, rounds=1, seconds=0.1, say=print)
    assert [(one["row"], one["ratio"]) for one in measured] == [("POST /transfers", None)]
    assert measured[0]["requests"] > 0
    assert run.table(measured)[-1].endswith("| - | - | - |")
    call_command("reconcile")


def test_a_given_database_is_reached_as_its_url_says():
    with database.given("mysql://teller:secret@db.example:3307/bank") as given:
        assert given.connect() == {
            "host": "db.example",
            "port": 3307,
            "user": "teller",
            "password": "secret",
            "db": "bank",
        }
        assert given.connect(given.copy)["db"] == "bank_yardstick"


@pytest.mark.parametrize(
    "options",
    [
        ["--server", "http://x"],
        ["--tokens", "x.csv"],
        ["--database-url", "mysql://x/y", "--scale"],
        ["--database-url", "mysql://x/y", "--server", "http://x", "--tokens", "x.csv"],
    ],
    ids=lambda options: options[0],
)
def test_options_that_make_no_sense_together_are_refused(options):
    with pytest.raises(SystemExit):
        parse(options)


def test_a_row_whose_answers_are_others_than_it_expects_is_no_measurement():
    result = run.Result(Row("paying", 1, lambda *_: iter(()), 201))
    sample = load.Sample(seconds=1, latencies=[0.1, 0.1])
    sample.statuses.update([201, 503])
    with pytest.raises(run.CannotMeasure, match="503"):
        result.add(sample, run.NOTHING)


def test_the_figures_are_medians_of_rounds_and_percentiles_of_requests():
    result = run.Result(Row("paying", 1, lambda *_: iter(()), 201))
    for latency, count, ratio in ((0.001, 98, 0.5), (0.002, 100, 0.6), (0.010, 2, 0.1)):
        sample = load.Sample(seconds=1, latencies=[latency] * count)
        sample.statuses[201] = count
        result.ratios.append(ratio)
        result.add(sample, run.NOTHING)
    figures = result.summary()
    assert (figures["per_second"], figures["ratio"]) == (98, 0.5)
    assert (figures["p50_ms"], figures["p99_ms"]) == (2, 10)
