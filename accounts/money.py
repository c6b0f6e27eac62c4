"""Money as text and as minor units, by string arithmetic alone.

Amounts live in the database as whole numbers of the currency's smallest unit (paise, yen, fils).
This is the only module that turns text into minor units and back; no float and no rounding exists
on the way, so no amount can change by being read or shown.
"""

import re

from django.utils.translation import gettext_noop

# ISO 4217: how many decimals each currency in circulation has. Funds and metal codes (XAU, XDR,
# CHE, ...) are left out: nobody holds an account in them.
_TWO_DECIMALS = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF
CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL
HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP
MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD
SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS
VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"

EXPONENTS = {
    **dict.fromkeys(_NO_DECIMALS.split(), 0),
    **dict.fromkeys(_TWO_DECIMALS.split(), 2),
    **dict.fromkeys(_THREE_DECIMALS.split(), 3),
}
SYMBOLS = {"EUR": "€", "GBP": "£", "INR": "₹", "JPY": "¥", "USD": "$"}

MAX_MAJOR_UNITS = 10**12
# What any one account may hold: far above MAX_MAJOR_UNITS, safely inside a signed BIGINT.
MAX_BALANCE_MINOR = 9 * 10**18

_AMOUNT = re.compile(r"(0|[1-9][0-9]*)(?:\.([0-9]+))?", re.ASCII)


class InvalidAmount(ValueError):
    """The text is no amount of that currency; the message says why, for a person.

    `template` and `facts` are its parts, for a page in another language.
    """

    def __init__(self, template: str, **facts):
        super().__init__(template.format(**facts))
        self.template = template
        self.facts = facts


def parse(text: str, currency: str, *, zero_allowed: bool = False) -> int:
    """Return the minor units that `text` says, e.g. ("25.00", "INR") -> 2500.

    Raises InvalidAmount unless the text is plain ASCII digits with at most the currency's decimals,
    above zero (or zero, where allowed) and at most MAX_MAJOR_UNITS.
    """
    whole, decimals = parts(text, zero_allowed=zero_allowed)
    exponent = EXPONENTS[currency]
    if len(decimals) > exponent:
        if not exponent:
            raise InvalidAmount(gettext_noop("{currency} has no decimals."), currency=currency)
        raise InvalidAmount(
            gettext_noop("{currency} has {exponent} decimals."),
            currency=currency,
            exponent=exponent,
        )
    return int(whole + decimals.ljust(exponent, "0"))


def parts(text: str, *, zero_allowed: bool = False) -> tuple[str, str]:
    """Return the whole units and the decimals that `text` says, in whatever currency.

    Raises InvalidAmount for what is an amount in none.
    """
    match = _AMOUNT.fullmatch(text)
    if not match:
        raise InvalidAmount(gettext_noop("Write the amount in digits, such as 25 or 25.00."))
    whole, decimals = match[1], match[2] or ""
    if len(whole) > len(str(MAX_MAJOR_UNITS)):  # before int(): the text may be megabytes long
        raise InvalidAmount(gettext_noop("The amount is too large."))
    has_decimals = bool(decimals.strip("0"))
    if int(whole) > MAX_MAJOR_UNITS - has_decimals:
        raise InvalidAmount(gettext_noop("The amount is too large."))
    if whole == "0" and not has_decimals and not zero_allowed:
        raise InvalidAmount(gettext_noop("The amount must be above zero."))
    return whole, decimals


def format(minor: int, currency: str) -> str:
    """Return minor units as text with exactly the currency's decimals: (2500, "INR") -> "25.00"."""
    exponent = EXPONENTS[currency]
    digits = str(abs(minor)).rjust(exponent + 1, "0")
    sign = "-" if minor < 0 else ""
    return sign + (f"{digits[:-exponent]}.{digits[-exponent:]}" if exponent else digits)


def display(minor: int, currency: str) -> str:
    """Return minor units as people write them: (123456750, "INR") -> "₹12,34,567.50"."""
    sign, (whole, point, decimals) = (
        "-" if minor < 0 else "",
        format(abs(minor), currency).partition("."),
    )
    if currency == "INR":  # lakhs and crores: three digits, then pairs
        head, tail = whole[:-3], whole[-3:]
        whole = re.sub(r"(?<=\d)(?=(\d\d)+$)", ",", head) + "," + tail if head else tail
    else:
        whole = re.sub(r"(?<=\d)(?=(\d{3})+$)", ",", whole)
    symbol = SYMBOLS.get(currency, f"{currency} ")
    return f"{sign}{symbol}{whole}{point}{decimals}"
