"""docs/security.md answers every point once, and every proof that it names exists."""

import ast
import re
from functools import cache

from smartbank.bootstrap import ROOT

ROW = re.compile(r"^\| (S\d\d) \| ([^|]+) \| ([^|]+) \| ([^|]*)\|$", re.M)
PROOF = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")
OPEN = ("Not yet", "not yet", "By the operator", "by the operator", "Does not arise")

TEXT = (ROOT / "docs" / "security.md").read_text()
POINTS = ROW.findall(TEXT)


@cache
def functions_in(path) -> set[str]:
    """Return the names of the test functions in a file."""
    tree = ast.parse(path.read_text())
    return {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}


def test_every_point_is_answered_once_and_in_order():
    assert [number for number, *_ in POINTS] == [f"S{number:02}" for number in range(1, 85)]
    assert len(re.findall(r"^\| S\d", TEXT, re.M)) == len(POINTS)


def test_every_answer_has_a_proof_or_says_what_is_missing():
    silent = [
        number
        for number, _, answer, proof in POINTS
        if not PROOF.search(proof) and not any(word in answer for word in OPEN)
    ]
    assert silent == []


def test_every_proof_exists():
    named = [(number, *found) for number, *_, proof in POINTS for found in PROOF.findall(proof)]
    assert len(named) > 90
    lost = [
        f"{number}: {path}::{test}"
        for number, path, test in named
        if not (ROOT / path).is_file() or test and test not in functions_in(ROOT / path)
    ]
    assert lost == []


def test_a_proof_cell_holds_proofs_and_nothing_else():
    assert [number for number, *_, proof in POINTS if PROOF.sub("", proof).strip()] == []
