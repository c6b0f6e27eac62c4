"""`manage.py bench`: every row is measured, and what it says of itself is so."""

import json
import subprocess
import sys

import pytest

from bench import load, rows, run
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
