"""Public ids: version 7, in order of time, impossible to guess, with one spelling."""

import time
import uuid

import pytest

from accounts import public_ids

CANONICAL = "01890000-0000-7000-8000-00000000abcd"


def test_an_id_is_a_uuid_of_version_7_in_its_canonical_spelling():
    text = public_ids.new()
    parsed = uuid.UUID(text)
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert str(parsed) == text
    assert public_ids.is_canonical(text)


def test_an_id_begins_with_the_milliseconds_since_1970(monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 0x0123_4567_89AB * 1_000_000 + 999_999)
    assert public_ids.new().startswith("01234567-89ab-7")


def test_a_later_id_sorts_after_an_earlier_one(monkeypatch):
    ids = []
    for second in range(100):
        monkeypatch.setattr(time, "time_ns", lambda now=second: now * 10**9)
        ids.append(public_ids.new())
    assert ids == sorted(ids)


def test_ids_of_one_millisecond_differ_in_all_their_74_random_bits(monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 1)
    values = [uuid.UUID(public_ids.new()).int for _ in range(1_000)]
    assert len(set(values)) == 1_000
    ever_set = ever_clear = 0
    for value in values:
        ever_set |= value
        ever_clear |= ~value
    random_bits = ever_set & ever_clear & (2**128 - 1)
    assert random_bits == 0xFFF << 64 | (1 << 62) - 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        CANONICAL.upper(),
        CANONICAL.replace("-", ""),
        f"{{{CANONICAL}}}",
        f"urn:uuid:{CANONICAL}",
        f" {CANONICAL}",
        f"{CANONICAL}\n",
        CANONICAL[:-1],
        f"{CANONICAL}0",
        CANONICAL.replace("-", "_"),
        CANONICAL.replace("a", "g"),
        CANONICAL.replace("0", "٠"),
        CANONICAL.replace("0", "０"),
        "0189000-00000-7000-8000-00000000abcd",
        "1",
    ],
)
def test_any_other_spelling_is_not_canonical(text):
    assert public_ids.is_canonical(CANONICAL)
    assert not public_ids.is_canonical(text)
