"""Is the name that a payer typed the name of the account's owner?

The answer protects people who were told a wrong account number. So a MATCH is given only where
nothing speaks against it; whatever could as well be somebody else's name is at most a CLOSE_MATCH,
and the payer is shown the owner's name to decide.
"""

import re
import unicodedata
from collections import Counter
from enum import StrEnum


class NameMatch(StrEnum):
    """How a typed name compares with the owner's."""

    MATCH = "MATCH"
    CLOSE_MATCH = "CLOSE_MATCH"
    NO_MATCH = "NO_MATCH"
    NOT_CHECKED = "NOT_CHECKED"


_HIS, _HERS = {"mr", "shri", "sir"}, {"mrs", "ms", "miss", "smt"}
_TITLES = {*_HIS, *_HERS, "dr", "prof", "mx"}
_ABBREVIATIONS = {"limited": "ltd", "private": "pvt", "company": "co", "corporation": "corp"}
# Letters that Unicode does not take apart into a base and its accent.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"})
_LONGEST = 12  # words; beyond that only equal names are compared, so that no name costs much


def compare(typed: str, owner: str) -> NameMatch:
    """Return how the name `typed` compares with the name of the account's `owner`.

    Order, case, accents, titles and abbreviated middle names do not matter. NOT_CHECKED if there
    is nothing to compare: no name, or one in another script than the owner's.
    """
    left, right = _words(typed), _words(owner)
    if not left or not right or not _scripts(left) & _scripts(right):
        return NameMatch.NOT_CHECKED
    (left, her_title), (right, other_title) = _without_title(left), _without_title(right)
    one_of_a_couple = {her_title, other_title} == {"his", "hers"}
    verdict = _compare(left, right)
    if verdict == NameMatch.MATCH and one_of_a_couple:
        return NameMatch.CLOSE_MATCH
    return verdict


def _compare(left: list[str], right: list[str]) -> NameMatch:
    rest_left = list((Counter(left) - Counter(right)).elements())
    rest_right = list((Counter(right) - Counter(left)).elements())
    if not rest_left and not rest_right:
        return NameMatch.MATCH
    if max(len(left), len(right)) > _LONGEST:
        return NameMatch.NO_MATCH
    full = sum(len(word) > 1 for word in (Counter(left) & Counter(right)).elements())
    initials = _pair_initials(rest_left, rest_right)
    if not rest_left and not rest_right:  # "Rahul K Verma" for Rahul Kumar Verma
        return NameMatch.MATCH if full >= 2 else _close_if(full >= 1)
    if not rest_left or not rest_right:  # "Rahul Verma" for Rahul Kumar Verma
        return _close_if(full >= 1)
    if "".join(left) == "".join(right):
        return NameMatch.CLOSE_MATCH  # "Mary Ann" for Maryann
    if len(rest_left) == len(rest_right) == 1 and not initials:
        longer = len(max(*rest_left, *rest_right, key=len))
        return _close_if(_one_slip_apart(*rest_left, *rest_right) and (longer >= 5 or full >= 1))
    return NameMatch.NO_MATCH


def _close_if(condition: bool) -> NameMatch:
    return NameMatch.CLOSE_MATCH if condition else NameMatch.NO_MATCH


def _pair_initials(left: list[str], right: list[str]) -> int:
    """Take initials and the words that they stand for out of both lists; return how many."""
    taken = 0
    for short, long in ((left, right), (right, left)):
        for initial in [word for word in short if len(word) == 1]:
            word = next((one for one in long if len(one) > 1 and one.startswith(initial)), None)
            if word:
                short.remove(initial)
                long.remove(word)
                taken += 1
    return taken


def _one_slip_apart(left: str, right: str) -> bool:
    """Return whether one wrong, missing or additional letter, or one swap, is the difference."""
    if len(left) > len(right):
        left, right = right, left
    start = next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), None)
    if start is None:
        return len(right) - len(left) == 1
    if len(left) < len(right):
        return left[start:] == right[start + 1 :]
    swapped = left[start : start + 2] == right[start : start + 2][::-1]
    return left[start + 1 :] == right[start + 1 :] or (
        swapped and left[start + 2 :] == right[start + 2 :]
    )


def _words(name: str) -> list[str]:
    """Return the words of a name, in small letters without accents, abbreviations unified."""
    text = unicodedata.normalize("NFKD", name).casefold().translate(_PLAIN)
    text = re.sub("['\u2018\u2019\u02bc`\u0300-\u036f]", "", text).replace("&", " and ")
    # Marks stay: past Latin, Greek and Cyrillic, whose accents are gone, they are vowels.
    letters = (one if unicodedata.category(one)[0] in "LMN" else " " for one in text)
    return [_ABBREVIATIONS.get(word, word) for word in "".join(letters).split()]


def _scripts(words: list[str]) -> set[str]:
    """Return the scripts of the letters, such as LATIN and DEVANAGARI; digits have none."""
    letters = {character for word in words for character in word if character.isalpha()}
    names = {unicodedata.name(letter, "").partition(" ")[0] for letter in letters}
    return names or {"LATIN"}


def _without_title(words: list[str]) -> tuple[list[str], str]:
    """Return the name without the title before it, and whether that was his or hers.

    What would leave one word alone is taken for a name: MS Dhoni is no lady.
    """
    gender = ""
    while len(words) > 2 and words[0] in _TITLES:
        title, *words = words
        gender = "his" if title in _HIS else "hers" if title in _HERS else gender
    return words, gender
