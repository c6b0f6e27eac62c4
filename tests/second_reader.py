"""Reading an order a second time, by other means than the bank does: no `json`, nothing of ours.

What the bank accepts it must have understood as this reader does; what this reader cannot read the
bank must refuse; what it can, the bank must take. Only flat objects of strings and numbers are
read, because no call takes anything else.
"""

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass

DECIMALS = {"INR": 2, "JPY": 0, "KWD": 3, "USD": 2}
DIGITS = "0123456789"
SPACE = " \t\r\n"
STEERING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029"

_STRING = re.compile(r'"((?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Number(str):
    """A JSON number, as it was written."""


class Unreadable(Exception):
    """These bytes are no flat JSON object, or say no order."""


# --- JSON ---------------------------------------------------------------------------------------


def members(raw: bytes) -> dict[str, str]:
    """Return the members of a flat JSON object. Raises Unreadable."""
    try:
        text = raw.decode("utf-8").strip(SPACE)
    except UnicodeDecodeError:
        raise Unreadable("not UTF-8") from None
    if text[:1] != "{" or text[-1:] != "}":
        raise Unreadable("no object")
    found: dict[str, str] = {}
    rest = text[1:-1].strip(SPACE)
    while rest or found:
        name, rest = _string(rest)
        if rest[:1] != ":" or name in found:
            raise Unreadable("no colon, or a name that was there before")
        rest = rest[1:].lstrip(SPACE)
        found[name], rest = _string(rest) if rest[:1] == '"' else _number(rest)
        if not rest:
            break
        if rest[0] != ",":
            raise Unreadable("no comma")
        rest = rest[1:].lstrip(SPACE)
    return found


def _string(text: str) -> tuple[str, str]:
    match = _STRING.match(text)
    if not match:
        raise Unreadable("no string")
    plain = _ESCAPE.sub(_unescaped, match[1])
    try:
        plain = plain.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise Unreadable("half a character") from None
    return plain, text[match.end() :].lstrip(SPACE)


def _unescaped(match: re.Match) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) == 5 else _SHORT.get(code, code)


def _number(text: str) -> tuple[str, str]:
    match = _NUMBER.match(text)
    if not match:
        raise Unreadable("neither a string nor a number")
    return Number(match[0]), text[match.end() :].lstrip(SPACE)


# --- Amounts, ids, numbers, words -----------------------------------------------------------------


def amount(text: str, currency: str, smallest: int = 1) -> int:
    """Return the minor units that plain digits say. Raises Unreadable."""
    whole, point, decimals = text.partition(".")
    if set(whole + decimals) - set(DIGITS) or not whole or (point and not decimals):
        raise Unreadable("not digits")
    if whole != "0" and whole[0] == "0":
        raise Unreadable("a leading zero")
    if len(decimals) > DECIMALS[currency] or len(whole) > 13:
        raise Unreadable("too many digits")
    minor = int(whole) * 10 ** DECIMALS[currency]
    minor += int((decimals + "000")[: DECIMALS[currency]] or "0")
    if not smallest <= minor <= 10**12 * 10 ** DECIMALS[currency]:
        raise Unreadable("nothing, or too much")
    return minor


def is_id(text: str) -> bool:
    """Return whether this is an id in its one spelling."""
    parts = text.split("-")
    is_hex = not set(text) - set(DIGITS + "abcdef-")
    return is_hex and [len(part) for part in parts] == [8, 4, 4, 4, 12]


def is_number(text: str) -> bool:
    """Return whether this is an account number with the right check digits."""
    return len(text) == 12 and not set(text) - set(DIGITS) and int(text) % 97 == 1


def reference(text: str) -> str:
    """Return the reference as it is kept. Raises Unreadable."""
    text = unicodedata.normalize("NFC", text)
    if len(text) > 140 or any(unicodedata.category(one) == "Cc" or one in STEERING for one in text):
        raise Unreadable("too long, or characters that steer")
    return text


# --- What was asked ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """An account as outsiders name it; without an owner it is the bank's."""

    owner: str | None
    id: str
    number: str
    currency: str


@dataclass(frozen=True)
class Order:
    """What an order means; None is an account that nobody has."""

    payer: Account | None
    payee: Account | None
    minor: int
    currency: str
    reference: str


def order(raw: bytes, caller: str, accounts: list[Account]) -> Order:
    """Return what the body of `POST /transfers` means. Raises Unreadable."""
    said = members(raw)
    names = {"from_account_id", "amount", "to_account_id", "to_account_number"}
    if set(said) - names - {"currency", "reference"} or not {"from_account_id", "amount"} <= set(
        said
    ):
        raise Unreadable("a member too many or too few")
    if ("to_account_id" in said) == ("to_account_number" in said):
        raise Unreadable("not one receiver")
    if any(isinstance(one, Number) for name, one in said.items() if name != "amount"):
        raise Unreadable("a number where text must be")
    if not all(is_id(said[name]) for name in said if name.endswith("_id")):
        raise Unreadable("no id")
    if not is_number(said.get("to_account_number", "000000000001")):
        raise Unreadable("no account number")
    if "currency" in said and said["currency"] not in DECIMALS:
        raise Unreadable("no currency")
    payee = said.get("to_account_id") or said["to_account_number"]
    return _order(
        caller,
        accounts,
        said["from_account_id"],
        payee,
        said["amount"],
        said.get("currency"),
        said.get("reference", ""),
    )


def typed_order(fields: dict[str, str], caller: str, accounts: list[Account]) -> Order:
    """Return what a person means who typed this into the form. Raises Unreadable."""
    needed = ("from_account_id", "to_account_number", "amount")
    if any(name not in fields for name in needed):
        raise Unreadable("a field is missing")
    payer, number, typed = (fields[name].strip() for name in needed)
    number = "".join(
        one
        for one in number
        if not one.isspace() and unicodedata.category(one) != "Pd" and one != "\u2212"
    )
    if not is_id(payer) or not is_number(number):
        raise Unreadable("no account")
    own = [one.currency for one in accounts if one.id == payer and one.owner == caller]
    text = typed_amount(typed, (own or ["INR"])[0])
    return _order(caller, accounts, payer, number, text, None, fields.get("reference", ""))


def typed_amount(text: str, currency: str) -> str:
    """Return an amount without the currency's sign or code and without grouping."""
    text = " ".join(text.split())
    for sign in ({"INR": "₹", "JPY": "¥"}.get(currency, currency), currency):
        text = text.removeprefix(sign).removesuffix(sign).strip()
    whole, point, decimals = text.partition(".")
    for separator in ", ":
        groups = whole.split(separator)
        if (
            len(groups) > 1
            and all(group and not set(group) - set(DIGITS) for group in groups)
            and len(groups[0]) <= 3
            and all(len(group) in (2, 3) for group in groups[1:-1])
            and len(groups[-1]) == 3
        ):
            whole = "".join(groups)
    return whole + point + decimals


def _order(caller, accounts, payer, payee, text, said_currency, words) -> Order:
    payer = next((one for one in accounts if one.id == payer), None)
    payee = next((one for one in accounts if payee in (one.id, one.number)), None)
    own = payer is not None and payer.owner == caller
    currency = said_currency or (payer.currency if own else "INR")
    return Order(payer, payee, amount(text, currency), currency, reference(words))


def verdict(one: Order, caller: str) -> tuple[int, str | None]:
    """Return status and code for an order of somebody who can afford everything."""
    if one.payer is None or one.payer.owner != caller:
        return 404, "account_not_found"
    if one.payee is None or one.payee.owner is None:
        return 404, "account_not_found"
    if one.payer == one.payee:
        return 422, "same_account"
    if not one.currency == one.payer.currency == one.payee.currency:
        return 422, "currency_mismatch"
    return 201, None


def says_json(content_type: str) -> bool:
    """Return whether a Content-Type is JSON in UTF-8."""
    kind, *parameters = content_type.split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if (
            name.strip().lower() in ("charset", "charset*")
            and value.strip().strip('"').lower() != "utf-8"
        ):
            return False
    return kind.strip().lower() == "application/json"


def is_key(text: str) -> bool:
    """Return whether this is an Idempotency-Key."""
    return 1 <= len(text) <= 255 and all(" " <= one <= "~" for one in text)


def is_date(text: str) -> bool:
    """Return whether this is a day such as 2026-01-31."""
    if [len(part) for part in text.split("-")] != [4, 2, 2] or set(text) - set(DIGITS + "-"):
        return False
    try:
        return bool(dt.date(*(int(part) for part in text.split("-"))))
    except ValueError:
        return False
