"""Check digits: a slip of the finger never names another account."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import numbers

account_numbers = st.integers(0, 10**10 - 1).map(
    lambda body: numbers.with_check_digits(f"{body:010d}")
)


@given(account_numbers)
def test_a_number_with_its_check_digits_is_valid(number):
    assert len(number) == 12
    assert numbers.is_valid(number)


@given(account_numbers)
def test_every_single_wrong_digit_is_refused(number):
    wrong = [
        number[:place] + digit + number[place + 1 :]
        for place in range(12)
        for digit in "0123456789"
        if digit != number[place]
    ]
    assert len(wrong) == 108
    assert not any(map(numbers.is_valid, wrong))


@given(account_numbers)
def test_every_swap_of_two_neighbours_is_refused(number):
    swapped = [
        number[:place] + number[place + 1] + number[place] + number[place + 2 :]
        for place in range(11)
        if number[place] != number[place + 1]
    ]
    assert not any(map(numbers.is_valid, swapped))


@pytest.mark.parametrize(
    ("body", "number"),
    [
        ("0000000794", "000000079444"),  # 794 44 is the example of ISO 7064
        ("0000000000", "000000000098"),
        ("0000000001", "000000000195"),
    ],
)
def test_the_check_digits_are_those_of_the_standard(body, number):
    assert numbers.with_check_digits(body) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "98",
        "00000000098",
        "0000000000098",
        " 00000000098",
        "00000000009 8",
        "000000000098\n",
        "+00000000098",
        "0000-0000-0098",
        "٠٠٠٠٠٠٠٠٠٠٩٨",
        "００００００００００９８",
        "00000000009a",
    ],
)
def test_anything_but_twelve_ascii_digits_is_refused(text):
    assert not numbers.is_valid(text)


def test_new_numbers_are_valid_differ_and_keep_their_length_on_paper():
    fresh = [numbers.new() for _ in range(1_000)]
    assert all(map(numbers.is_valid, fresh))
    assert len(set(fresh)) == 1_000
    assert not [number for number in fresh if number.startswith("0")]
