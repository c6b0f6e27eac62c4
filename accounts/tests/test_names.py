"""Which names count as the owner's. The pairs are the specification."""

import re

import pytest

from accounts.names import NameMatch, compare
from smartbank.bootstrap import ROOT

SAME = [
    ("Rahul Verma", "Rahul Verma"),
    ("rahul VERMA", "Rahul Verma"),
    ("Verma, Rahul", "Rahul Verma"),
    ("  Rahul   Verma ", "Rahul Verma"),
    ("Mr. Rahul Verma", "Rahul Verma"),
    ("Rahul Verma", "Shri Rahul Verma"),
    ("Dr Reena Shah", "Smt. Reena Shah"),
    ("Prof. Dr. Reena Shah", "Reena Shah"),
    ("José Nuñez", "Jose Nunez"),
    ("Renée Brontë", "RENEE BRONTE"),
    ("Łukasz Søren Weiß", "Lukasz Soren Weiss"),
    ("Siobhan O'Brien", "Siobhán OBrien"),
    ("Siobhan O’Brien", "Siobhan O'Brien"),
    ("Anne-Marie Dupont", "Anne Marie Dupont"),
    ("Rahul K Verma", "Rahul Kumar Verma"),
    ("Rahul K. Verma", "Rahul Kumar Verma"),
    ("Rahul Kumar Verma", "Rahul K Verma"),
    ("R Verma", "R. Verma"),
    ("Shah & Sons Pvt Ltd", "Shah and Sons Private Limited"),
    ("Ｒａｈｕｌ Verma", "Rahul Verma"),
    ("राहुल वर्मा", "राहुल वर्मा"),
    ("वर्मा राहुल", "राहुल वर्मा"),
    ("Иван Петров", "петров иван"),
]
CLOSE = [
    ("R Verma", "Rahul Verma"),
    ("Rahul V", "Rahul Verma"),
    ("Rahul", "Rahul Verma"),
    ("Rahul Verma", "Rahul Kumar Verma"),
    ("Rahul Kumar Verma", "Rahul Verma"),
    ("Rahul Varma", "Rahul Verma"),
    ("Rahlu Verma", "Rahul Verma"),
    ("Rahull Verma", "Rahul Verma"),
    ("Raul Verma", "Rahul Verma"),
    ("Mary Ann Smith", "Maryann Smith"),
    ("Ann Amarie", "Anna Marie"),
    ("Müller Karl", "Karl Mueller"),
    ("Mr Arif Khan", "Mrs Arif Khan"),
    ("Ravi Kumar", "Ravi Kumar Jr"),
    ("Ravi Kumar II", "Ravi Kumar III"),
    ("Ramesh Verma", "Rakesh Verma"),
    ("Acme", "Acme Ltd"),
    ("Rаhul Verma", "Rahul Verma"),  # the first a is Cyrillic
]
OTHERS = [
    ("Rohan Verma", "Rahul Verma"),
    ("Rahul Sharma", "Rahul Verma"),
    ("Reena Shah", "Rahul Verma"),
    ("R V", "Rahul Verma"),
    ("K Verma", "Rahul Verma"),
    ("Rahul S Verma", "Rahul Kumar Verma"),
    ("Verma", "Sharma"),
    ("Ravi", "Rani"),
    ("Rahul Verma Reena Shah", "Rahul Verma Anita Rao"),
    ("राहुल वर्मा", "रोहन वर्मा"),
    ("a " * 70, "Rahul Verma"),
]
NOT_COMPARED = [
    ("", "Rahul Verma"),
    ("  ", "Rahul Verma"),
    ("...", "Rahul Verma"),
    ("राहुल वर्मा", "Rahul Verma"),
    ("Rahul Verma", "राहुल वर्मा"),
]


@pytest.mark.parametrize(("typed", "owner"), SAME)
def test_the_same_name_in_another_spelling_matches(typed, owner):
    assert compare(typed, owner) == NameMatch.MATCH
    assert compare(owner, typed) == NameMatch.MATCH


@pytest.mark.parametrize(("typed", "owner"), CLOSE)
def test_what_could_be_somebody_else_is_close_at_most(typed, owner):
    assert compare(typed, owner) == NameMatch.CLOSE_MATCH
    assert compare(owner, typed) == NameMatch.CLOSE_MATCH


@pytest.mark.parametrize(("typed", "owner"), OTHERS)
def test_another_name_does_not_match(typed, owner):
    assert compare(typed, owner) == NameMatch.NO_MATCH
    assert compare(owner, typed) == NameMatch.NO_MATCH


@pytest.mark.parametrize(("typed", "owner"), NOT_COMPARED)
def test_what_cannot_be_compared_is_not_checked(typed, owner):
    assert compare(typed, owner) == NameMatch.NOT_CHECKED


def test_the_documented_pairs_are_among_these_and_answered_so():
    text = (ROOT / "docs" / "names.md").read_text()
    rows = re.findall(r"^\| (.+?) \| (.+?) \| `(\w+)` \| .+ \|$", text, re.M)
    assert len(rows) == 24
    for typed, owner, answer in rows:
        assert (typed, owner) in [*SAME, *CLOSE, *OTHERS, *NOT_COMPARED]
        assert compare(typed, owner) == answer


def test_a_long_name_costs_no_more_than_a_short_one():
    assert compare("x y " * 10_000, "Rahul Verma") == NameMatch.NO_MATCH
