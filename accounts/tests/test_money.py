"""Text to minor units and back, without a float and without rounding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import money

currencies = st.sampled_from(sorted(money.EXPONENTS))

# ISO 4217 as of 2026, the currencies that have no decimals and those that have three.
NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"


@st.composite
def amounts(draw):
    """A currency and any amount that may be sent in it."""
    currency = draw(currencies)
    most = money.MAX_MAJOR_UNITS * 10 ** money.EXPONENTS[currency]
    return draw(st.integers(1, most)), currency


@given(amounts())
def test_what_is_formatted_is_parsed_back(amount):
    minor, currency = amount
    assert money.parse(money.format(minor, currency), currency) == minor


@given(amounts())
def test_an_amount_is_shown_with_exactly_the_currencys_decimals(amount):
    minor, currency = amount
    _, point, decimals = money.format(minor, currency).partition(".")
    assert len(decimals) == money.EXPONENTS[currency]
    assert bool(point) == bool(decimals)


@given(amounts())
def test_what_people_read_has_the_digits_of_what_programs_read(amount):
    minor, currency = amount
    digits = [one for one in money.display(minor, currency) if one.isdigit() or one == "."]
    assert "".join(digits) == money.format(minor, currency)


@given(st.text(max_size=12) | st.text("0123456789.,_-+e٢", max_size=9))
def test_any_text_is_an_amount_of_the_grammar_or_refused(text):
    try:
        minor = money.parse(text, "INR")
    except money.InvalidAmount:
        return
    whole, _, decimals = text.partition(".")
    assert text.isascii()
    assert minor == int(whole) * 100 + int(decimals.ljust(2, "0"))


@pytest.mark.parametrize("currency", sorted(money.EXPONENTS))
def test_each_currency_takes_its_own_decimals_and_not_one_more(currency):
    exponent = money.EXPONENTS[currency]
    assert exponent == (0 if currency in NO_DECIMALS else 3 if currency in THREE_DECIMALS else 2)
    decimals = "123"[:exponent]
    text = f"7.{decimals}" if decimals else "7"
    assert money.parse(text, currency) == int(f"7{decimals}")
    assert money.format(int(f"7{decimals}"), currency) == text
    with pytest.raises(money.InvalidAmount, match="decimals"):
        money.parse(f"7.{decimals}0", currency)


def test_the_currencies_with_other_than_two_decimals_are_all_known():
    assert set(money.EXPONENTS) >= {*NO_DECIMALS.split(), *THREE_DECIMALS.split()}


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("25", "INR", 2_500),
        ("25.0", "INR", 2_500),
        ("25.00", "INR", 2_500),
        ("0.01", "INR", 1),
        ("0.1", "INR", 10),
        ("1000000000000", "INR", 10**14),
        ("1000000000000.00", "INR", 10**14),
        ("999999999999.99", "INR", 10**14 - 1),
        ("2500", "JPY", 2_500),
        ("1.250", "KWD", 1_250),
        ("1.2", "KWD", 1_200),
        ("1000000000000.000", "KWD", 10**15),
    ],
)
def test_an_amount_is_read_exactly(text, currency, minor):
    assert money.parse(text, currency) == minor


NOT_AMOUNTS = [
    *("", " ", "25 ", " 25", "25\n", "\t25", "2 5", "25\x00", "\ufeff25", "25\u00a0"),
    *("+5", "-5", "--5", "-0", "+0.01", "(5)", "5-"),
    *("1e2", "1E2", "1e-2", "1.5e1", "0x10", "0b1", "1_000", "1,000", "1,00,000", "1'000"),
    *(".5", "5.", ".", "1.2.3", "1,5", "01", "00", "00.5", "007"),
    *("NaN", "nan", "Infinity", "-Infinity", "inf", "sNaN", "None", "true", "null"),
    *("٢٥", "२५", "２５", "２5", "𝟐𝟓", "²", "½", "Ⅷ", "一", "25．00", "25٫00"),
    *("₹25", "25 INR", "INR25", "$5", "25%", "1/3", "1+1", "abc", "2,5", "one"),
]


@pytest.mark.parametrize("text", NOT_AMOUNTS)
@pytest.mark.parametrize("currency", ["INR", "JPY", "KWD"])
def test_what_is_not_of_the_grammar_is_refused(text, currency):
    with pytest.raises(money.InvalidAmount, match="in digits"):
        money.parse(text, currency)


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("1000000000000.01", "INR"),
        ("1000000000001", "INR"),
        ("1000000000001", "JPY"),
        ("1000000000000.001", "KWD"),
        ("9" * 13, "INR"),
        ("1" + "0" * 30, "INR"),
        ("9" * 5_000, "INR"),
        ("9" * 1_000_000, "JPY"),
    ],
)
def test_more_than_a_million_millions_is_refused(text, currency):
    with pytest.raises(money.InvalidAmount, match="too large"):
        money.parse(text, currency)


@pytest.mark.parametrize(
    ("text", "currency"),
    [("1.005", "INR"), ("25.000", "INR"), ("0.001", "INR"), ("1.0", "JPY"), ("0.0001", "KWD")],
)
def test_too_many_decimals_are_refused_and_never_rounded(text, currency):
    with pytest.raises(money.InvalidAmount, match="decimals"):
        money.parse(text, currency)


@pytest.mark.parametrize("text", ["0", "0.0", "0.00"])
def test_nothing_is_no_amount_to_send_but_one_that_may_have_come(text):
    with pytest.raises(money.InvalidAmount, match="above zero"):
        money.parse(text, "INR")
    assert money.parse(text, "INR", zero_allowed=True) == 0


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (0, "INR", "0.00"),
        (1, "INR", "0.01"),
        (10, "INR", "0.10"),
        (-1, "INR", "-0.01"),
        (-2_500, "INR", "-25.00"),
        (0, "JPY", "0"),
        (-2_500, "JPY", "-2500"),
        (0, "KWD", "0.000"),
        (1_250, "KWD", "1.250"),
        (9 * 10**18, "INR", "90000000000000000.00"),
    ],
)
def test_minor_units_are_written_exactly(minor, currency, text):
    assert money.format(minor, currency) == text


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (0, "INR", "₹0.00"),
        (99_999, "INR", "₹999.99"),
        (100_000, "INR", "₹1,000.00"),
        (10_000_000, "INR", "₹1,00,000.00"),
        (123_456_750, "INR", "₹12,34,567.50"),
        (1_000_000_000, "INR", "₹1,00,00,000.00"),
        (-123_456_750, "INR", "-₹12,34,567.50"),
        (1_234_567, "JPY", "¥1,234,567"),
        (999, "JPY", "¥999"),
        (1_234_567_891, "KWD", "KWD 1,234,567.891"),
        (123_456_789, "USD", "$1,234,567.89"),
        (-100_000_000, "EUR", "-€1,000,000.00"),
        (50, "GBP", "£0.50"),
    ],
)
def test_people_read_an_amount_as_they_write_it(minor, currency, text):
    assert money.display(minor, currency) == text
