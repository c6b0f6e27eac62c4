"""What test_fuzz.py sends: good requests, spoilt by chance in words, marks, bytes or headers.

Everything is drawn with Hypothesis, so a failing input comes back as small as it can be. Ids and
account numbers are the same in every run.
"""

import json
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from hypothesis import strategies as st

from conftest import PASSWORD
from tests import second_reader as reader

MAX_BODY = 64 * 1024


def known_as(owner: str | None, n: int, currency: str) -> reader.Account:
    """Return an account with an id and a number that are easy to recognise."""
    body = 10**9 + n
    number = f"{body}{98 - body * 100 % 97:02}"
    return reader.Account(owner, f"abcdef0{n}-0000-7000-8000-00000000000{n}", number, currency)


REENA = [known_as("reena", n, currency) for n, currency in enumerate(["INR", "JPY", "KWD"], 1)]
RAHUL = [known_as("rahul", n, currency) for n, currency in enumerate(["INR", "JPY", "KWD"], 4)]
CASH = known_as(None, 7, "INR")
ACCOUNTS = [*REENA, *RAHUL, CASH]
NOBODY = known_as("nobody", 9, "INR")

pairs_of_accounts = st.sampled_from([*zip(REENA, RAHUL, strict=True)])
any_account = st.sampled_from([*ACCOUNTS, NOBODY])


def written(minor: int, currency: str) -> str:
    """Return an amount with all its decimals."""
    decimals = reader.DECIMALS[currency]
    digits = f"{minor:0{decimals + 1}}"
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits


# --- Words ----------------------------------------------------------------------------------------

# Digits and letters of other scripts; U+212A is a K that Unicode's normal form makes ours.
EXOTIC = "２٢२𝟐²½Ⅱ二．٫，−–₹Ｉ\u212a\u0130ſé"
INVISIBLE = "\u00a0\u2003\u200b\u2060\ufeff\u00ad\u0301\U000e0031\ufffe"
STEERING = "\x00\x01\t\n\r\x1b\x7f\x85\x9f\u2028\u200e\u202e\u2066"
nasty = st.sampled_from([*"aZ09 .,-_'\"\\/<&%{}[]:;🙂", *EXOTIC, *INVISIBLE, *STEERING])
nasty_texts = st.text(nasty, max_size=8)
long_texts = st.sampled_from(["x" * 140, "x" * 141, "🙂" * 140, "e\u0301" * 141, "é" * 5_000])


def edited(texts, characters=nasty) -> st.SearchStrategy[str]:
    """Draw a text with one character put in, or in the place of another."""

    def edit(text: str, at: int, character: str, instead: int) -> str:
        at %= len(text) + 1
        return text[:at] + character + text[at + instead :]

    return st.builds(edit, texts, st.integers(0, 40), characters, st.integers(0, 1))


references = st.one_of(
    *(edited(st.just("Rent")), st.text("abc é🙂&<'", max_size=9)),
    *(nasty_texts, long_texts, st.text(max_size=5)),
)

TRICKS = [  # amounts that a careless reader takes, and a few that everybody should
    *("25", "25.5", "25.50", "0.01", "25.500", "1.2345", "25.0", "1000000000000", "0.001"),
    *("1e2", "1E2", "25e0", "2.5e1", "+25", "-25", "025", "25.", ".5", "0", "0.00", "-0", "1_000"),
    *("2\uff15", "٢٥", "२५", "𝟐𝟓", "²", "½", "25．5", "25,5", "1,000", "1,00,000", "1,25", "1 000"),
    *(" 25", "25 ", "25\n", "25\x00", "\ufeff25", "2\u200b5", "0x19", "NaN", "Infinity", "25%", ""),
    *("1000000000000.01", "1000000000001", "9" * 20, "₹25", "INR 25", "1.000,00", "0,123", "12 34"),
]
PIECES = [
    *("0", "00", "1", "9", "25", "999", "1000000000000", "5000000000000", "9" * 400),
    *(".", ".", ".0", ".5", ".00", ".01", ".125", ",", ",000", " 000", "_", "'"),
    *("-", "+", "e2", "E-2", "x", "%", "NaN", "Infinity", "null", "INR", "₹", "¥", "KWD"),
    *(" ", "\t", "\n", "\x00", "\u00a0", "\u200b", "２", "٢", "२", "𝟐", "²", "½", "．", "−"),
]
plain_amounts = st.one_of(
    st.integers(1, 10**6).map(str),
    st.builds("{}.{:02}".format, st.integers(0, 10**6), st.integers(1, 99)),
    st.builds("{}.{}".format, st.integers(1, 999), st.integers(1, 9)),
    st.sampled_from(["0.001", "1.125", "1000000000000", "1000000000000.01", "0", "0.00", "1.000"]),
)
odd_amounts = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
marks = st.sampled_from([*"２٢२𝟐²½．٫−,_ +-e.x'0", "\n", "\u00a0", "\u200b", "\x00", "e2", "E0"])
near_amounts = edited(plain_amounts, marks)
amounts = st.one_of(plain_amounts, near_amounts, near_amounts, odd_amounts)

SPELLINGS = [
    *(str.upper, str.title, " {}".format, "{} ".format, "{}\n".format, "{}0".format),
    *("{{{}}}".format, "urn:uuid:{}".format, "{}' OR '1'='1".format),
    *(lambda name: name.replace("-", ""), lambda name: name.replace("-", "\u2010")),
    *(lambda name: name.replace("0", "０"), lambda name: name.replace("a", "ａ")),
    *(lambda name: name[:7] + "-" + name[7] + name[9:], lambda name: name[:-1], lambda name: ""),
    *(lambda name: name[:4] + " " + name[4:], lambda name: name[:5] + "7" + name[6:]),
]


def names_of(account_names) -> st.SearchStrategy[str]:
    """Draw a name of an account, mostly right, else in a wrong spelling or with a slip in it."""
    wrong = st.builds(lambda name, spell: spell(name), account_names, st.sampled_from(SPELLINGS))
    slips = edited(account_names, st.sampled_from([*"0123456789", "a", "Ａ", "-", " "]))
    return st.one_of(account_names, account_names, wrong, slips, edited(account_names))


ids = names_of(any_account.map(lambda account: account.id))
numbers = names_of(any_account.map(lambda account: account.number))
currencies = st.sampled_from(
    [*reader.DECIMALS, *reader.DECIMALS, "inr", "INR ", "XXX", "XAU", "", "ＩＮＲ", "\u212aWD", "₹"]
)


# --- JSON -----------------------------------------------------------------------------------------


def as_it_is(text: str) -> str:
    """Quote without escaping what is not ASCII."""
    return json.dumps(text, ensure_ascii=False)


def fully_escaped(text: str) -> str:
    """Quote with every character escaped."""
    units = text.encode("utf-16-be")
    return '"' + "".join(f"\\u{units[n : n + 2].hex()}" for n in range(0, len(units), 2)) + '"'


def carelessly(text: str) -> str:
    """Quote without escaping anything."""
    return f'"{text}"'


right_quotings = st.sampled_from([json.dumps, as_it_is, fully_escaped])
quotings = st.sampled_from([json.dumps, as_it_is, fully_escaped, carelessly])
string_tokens = st.builds(
    lambda quote, text: quote(text), quotings, st.one_of(references, amounts, ids)
)
ODD_TOKENS = [
    *("true", "false", "null", "[]", "{}", '[""]', '{"a":"b"}', "", "'a'", "NaN", "-Infinity"),
    *("0", "-1", "1e400", "1E2", "0.1e1", "01", "1.", ".5", "+1", "0x1", "1_0", "2٢", "9" * 5_000),
    *('"\\ud800"', '"\\udfff\\ud83d"', '"\\x41"', '"\\u00g0"', '"\\u+123"', '"\\', '"a', '"\t"'),
    *("[" * 8 + "]" * 8, "[" * 9 + "]" * 9, "[" * 5_000, '{"a":' * 3_000 + "1" + "}" * 3_000),
    *("/**/1", "undefined", "True", '"a" "b"', '"a",', "1 2", "//"),
]
tokens = st.one_of(string_tokens, string_tokens, amounts, st.sampled_from(ODD_TOKENS))
NAMES = [
    *("from_account_id", "to_account_id", "to_account_number", "amount", "currency", "reference"),
    *("Amount", "amount ", "ａmount", "id", "status", "__proto__", "payee_name", ""),
    *("username", "password", "received_amount", "customer_id"),
]
names = st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES), nasty_texts)

# What holds a JSON text together, not always as it should.
spaces = st.sampled_from(["", " ", "\r\n\t ", "\u00a0", "\x0b", "\ufeff", "/**/", "\x00"])
openings = st.sampled_from(["{", "{", "{", "", "[{", "{{", "\ufeff{", "{,", "x={", ")]}'{"])
closings = st.sampled_from(["}", "}", "}", "", "}]", "}}", ",}", "}{}", "}\x00", "} //", "]"])
encodings = st.sampled_from(["utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1252"])
bad_bytes = st.sampled_from(
    [
        *(b"\xff", b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88", b"\x00"),
        *(b'"', b"{", b"}", b",", b"\\", b" ", b"1", b"e", b"-", b"."),
    ]
)
JSON = "application/json"
content_types = st.sampled_from(
    [
        *("Application/JSON", f"{JSON}; charset=utf-8", f'{JSON};charset="UTF-8"'),
        *(f"{JSON} ; charset=utf-8", f"{JSON}; version=1", "text/json", "json", ""),
        *(f"{JSON}; charset=latin-1", f"{JSON}; charset=utf-16", "*/*", "text/plain"),
        *(f"{JSON}; charset=utf8", f"{JSON}; charset=nonsense", "application/*"),
        *(f"{JSON}; charset=utf-8; charset=utf-16", f"{JSON}; charset=", f"{JSON}; charset"),
        *(f"{JSON}; charset*=utf-16''x", f"{JSON}; CHARSET=UTF-16", f"{JSON};charset='utf-8'"),
        *("application/problem+json", "application/jsonp", f"{JSON}\u00e9", f"{JSON}, text/html"),
        *("application/x-www-form-urlencoded", "multipart/form-data", MULTIPART_CONTENT),
        *("application/xml", ";", "a;b=c", "=", "/", f"{JSON}/{JSON}", f"x{JSON}"),
    ]
)
content_encodings = st.sampled_from(["gzip", "identity", "br", "é", "utf-8", "x, y"])
good_keys = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=230)
BAD_KEYS = ["", "x" * 256, "x" * 5_000, "é", "a\tb", "a\r\nb", "\x00", "\x7f", "a\xa0", "🙂"]
keys = st.one_of(st.none(), good_keys)


@dataclass(frozen=True)
class Sent:
    """A request body with the headers that matter."""

    raw: bytes
    content_type: str = JSON
    content_encoding: str | None = None
    key: str | None = None

    def __repr__(self):
        raw = repr(self.raw)
        raw = raw if len(raw) < 500 else f"{raw[:300]}…{raw[-100:]} ({len(self.raw)} bytes)"
        headers = [f"as {self.content_type!r}"] if self.content_type != JSON else []
        headers += [f"encoded {self.content_encoding!r}"] if self.content_encoding else []
        headers += [f"key {self.key!r}"] if self.key is not None else []
        return " ".join([raw, *headers])

    def read_by(self, read):
        """Return what the second reader makes of it. Raises Unreadable."""
        if not reader.says_json(self.content_type) or self.content_encoding is not None:
            raise reader.Unreadable("not JSON")
        if len(self.raw) > MAX_BODY or self.key is not None and not reader.is_key(self.key):
            raise reader.Unreadable("too large, or no key")
        return read(self.raw)

    def post(self, client: Client, path: str):
        """Send it and return the answer."""
        headers = dict(client.credentials)
        if self.content_encoding is not None:
            headers["Content-Encoding"] = self.content_encoding
        if self.key is not None:
            headers["Idempotency-Key"] = self.key
        return client.generic("POST", path, self.raw, self.content_type, headers=headers)


TOKEN, NAME, LESS, MORE, TWICE = "a token", "a name", "one less", "one more", "one twice"
MARKS, BYTES, TYPE, ENCODING, KEY = "marks", "bytes", "Content-Type", "Content-Encoding", "key"
faults = [*[TOKEN] * 3, NAME, LESS, MORE, TWICE, *[MARKS] * 2, *[BYTES] * 2, TYPE, TYPE, ENCODING]


@st.composite
def spoilt(draw, members: dict[str, str], values: dict[str, list], more_faults=()) -> Sent:
    """Draw a JSON object of these members with a fault, or with more.

    `values` are strategies for what a member may say instead, right or wrong, named as often as
    they shall be drawn. Any other token may stand there, too.
    """
    pairs = [[json.dumps(name), json.dumps(value)] for name, value in members.items()]
    said = [(name, value) for name, strategies in values.items() for value in strategies]
    between, opening, closing, changes = "", "{", "}", []
    for _ in range(draw(st.sampled_from([1, 1, 1, 1, 2, 3]))):
        fault = draw(st.sampled_from([*said, *said, *faults, *more_faults]))
        if fault == MARKS:
            between, opening, closing = draw(spaces), draw(openings), draw(closings)
        elif fault in (BYTES, TYPE, ENCODING, KEY):
            changes.append(fault)
        else:
            draw(spoilt_words(pairs, fault))
    text = opening + joined(pairs, between) + closing
    return Sent(
        draw(spoilt_bytes(text)) if BYTES in changes else text.encode(),
        draw(content_types) if TYPE in changes else JSON,
        draw(content_encodings) if ENCODING in changes else None,
        draw(st.sampled_from(BAD_KEYS)) if KEY in changes else None,
    )


def joined(pairs, between: str) -> str:
    """Return the inside of a JSON object."""
    members = (f"{name}{between}:{between}{value}" for name, value in pairs)
    return between + f"{between},{between}".join(members) + between


@st.composite
def spoilt_words(draw, pairs: list, fault) -> None:
    """Change one thing about the members."""
    if fault == MORE or not pairs:
        pairs.append([draw(quotings)(draw(names)), draw(tokens)])
        return
    at = draw(st.integers(0, len(pairs) - 1))
    if fault == TOKEN:
        pairs[at][1] = draw(tokens)
    elif fault == NAME:
        pairs[at][0] = draw(quotings)(draw(names))
    elif fault == LESS:
        del pairs[at]
    elif fault == TWICE:
        pairs.append([draw(st.sampled_from([pairs[at][0], '"\\u0061mount"'])), pairs[at][1]])
    else:
        name, values = fault
        others = [pair for pair in pairs if pair[0] != json.dumps(name)]
        bare = name.endswith("amount") and draw(st.booleans())
        text = draw(values)
        pairs[:] = [*others, [json.dumps(name), text if bare else draw(right_quotings)(text)]]


@st.composite
def spoilt_bytes(draw, text: str) -> bytes:
    """Draw the text in another encoding or length, or with other bytes in it."""
    raw = text.encode()
    match draw(st.sampled_from(["byte", "byte", "byte", "encoding", "length"])):
        case "encoding":
            return text.encode(draw(encodings), "replace")
        case "length":
            long = raw.ljust(MAX_BODY)
            return draw(st.sampled_from([long, long + b" ", raw[: len(raw) // 2], raw[:-1], b""]))
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(bad_bytes) + raw[at + draw(st.integers(0, 1)) :]
    return raw


@st.composite
def orders(draw) -> Sent:
    """Draw a spoilt order from Reena to Rahul."""
    payer, payee = draw(pairs_of_accounts)
    receiver, value, names = draw(
        st.sampled_from(
            [("to_account_id", payee.id, ids), ("to_account_number", payee.number, numbers)]
        )
    )
    members = {
        "from_account_id": payer.id,
        receiver: value,
        "amount": "25",
        **draw(st.sampled_from([{}, {"currency": payer.currency}])),
        **draw(st.sampled_from([{}, {"reference": "Rent"}])),
    }
    said = {
        "from_account_id": [ids],
        receiver: [names, names],
        "amount": [amounts] * 4,
        "currency": [currencies],
        "reference": [references] * 3,
    }
    sent = draw(spoilt(members, said, [KEY]))
    return sent if sent.key is not None else replace(sent, key=draw(keys))


def tricks() -> list[Sent]:
    """Return orders whose amounts are the known tricks, as strings and as bare tokens."""
    orders = []
    for payer, payee in zip(REENA, RAHUL, strict=True):
        members = {"from_account_id": payer.id, "to_account_id": payee.id, "amount": "TRICK"}
        tokens = [*map(json.dumps, TRICKS), *(TRICKS if payer.currency == "INR" else [])]
        orders += [json.dumps(members).replace('"TRICK"', token) for token in tokens]
    return [Sent(order.encode()) for order in orders]


shown = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=reader.STEERING)
good_references = st.text(shown, max_size=46)  # normal form C makes it three times as long at most


@st.composite
def good_orders(draw) -> Sent:
    """Draw an order with nothing wrong, in any of the ways to write it."""
    payer, payee = draw(pairs_of_accounts)
    most = 10**12 * 10 ** reader.DECIMALS[payer.currency]
    minor = draw(st.one_of(st.integers(1, 10**5), st.integers(1, most)))
    amount = written(minor, payer.currency)
    if "." in amount and draw(st.booleans()):
        amount = amount.rstrip("0").rstrip(".")
    write = draw(right_quotings)
    by_id, by_number = ("to_account_id", payee.id), ("to_account_number", payee.number)
    said = [("from_account_id", payer.id), draw(st.sampled_from([by_id, by_number]))]
    if draw(st.booleans()):
        said.append(("currency", payer.currency))
    if draw(st.booleans()):
        said.append(("reference", draw(good_references)))
    pairs = [(write(name), write(value)) for name, value in said]
    pairs.append((write("amount"), draw(st.sampled_from([write(amount), amount]))))
    between = draw(st.text(st.sampled_from(" \t\r\n"), max_size=3))
    text = f"{between}{{{joined(draw(st.permutations(pairs)), between)}}}{between}"
    content_type = draw(st.sampled_from([JSON, 'application/JSON; charset="Utf-8"']))
    return Sent(text.encode(), content_type, None, draw(st.one_of(st.none(), good_keys)))


@st.composite
def receipts(draw) -> Sent:
    """Draw what the receiver of KWD 1.250 says, spoilt."""
    amount = draw(st.sampled_from(["1.25", "1.25", "1.250", "0", "1.24"]))
    return draw(spoilt({"received_amount": amount}, {"received_amount": [amounts] * 8}))


@st.composite
def credentials(draw) -> Sent:
    """Draw Reena's name and password, spoilt."""
    users = ["reena", "Reena", "reena ", "ｒeena", "réena", "x" * 151, ""]
    passwords = [PASSWORD, PASSWORD.upper(), PASSWORD + " ", "", "x" * 5_000]
    said = {"username": [st.sampled_from(users)] * 4, "password": [st.sampled_from(passwords)] * 4}
    return draw(spoilt({"username": "reena", "password": PASSWORD}, said))


# --- The form -------------------------------------------------------------------------------------

NEW_KEY = "00000000-0000-4000-8000-000000000000"  # stands for one that was never used
URLENCODED = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Typed:
    """What a browser, or something that poses as one, sends to the form."""

    pairs: tuple[tuple[str, str], ...]
    content_type: str = URLENCODED

    def __repr__(self):
        typed = "&".join(f"{name}={text!r}" for name, text in self.pairs)
        return f"{self.content_type}: {typed}"

    @property
    def raw(self) -> bytes:
        """The bytes on their way."""
        if not self.content_type.startswith("multipart"):
            return urlencode(self.pairs).encode()
        part = b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
        pairs = ((name.encode(), text.encode()) for name, text in self.pairs)
        return b"".join(part % pair for pair in pairs) + b"--b--\r\n"


groups = st.lists(st.from_regex(r"[0-9]{1,4}", fullmatch=True), min_size=2, max_size=4)
separators = st.sampled_from([",", ",", " ", "\u00a0", ", ", ".", "'", "_", "，"])
grouped = st.builds(str.join, separators, groups)
signed = st.builds(
    str.format,
    st.sampled_from(["₹ {}", "₹{}", "INR {}", "{} ₹", "₹INR{}", "¥{}", "KWD {} ", "${}", "₹-{}"]),
    st.one_of(plain_amounts, grouped),
)
typed_amounts = st.one_of(
    *(amounts, amounts, grouped, signed),
    st.sampled_from(
        ["1,250.50", "12,34,567.50", "1,25", "0,123", "1,000,00", "\u00a05\u2003", ",5"]
    ),
)
typed_numbers = st.one_of(
    numbers,
    st.sampled_from(
        [
            f" {account.number[:4]}-{account.number[4:8]}\u2013{account.number[8:]}\t"
            for account in RAHUL
        ]
    ),
    st.sampled_from(["\u00a0".join(account.number) for account in RAHUL]),
)
form_keys = st.sampled_from([NEW_KEY, "", "x", "0" * 31, "g" * 32, "1" * 33, "\x00", "é" * 32])
FIELDS = {  # what may stand there instead, as often as it shall be drawn
    "from_account_id": [ids],
    "to_account_number": [typed_numbers] * 3,
    "amount": [typed_amounts] * 5,
    "reference": [references] * 3,
    "idempotency_key": [form_keys],
}
fields = [(name, values) for name, strategies in FIELDS.items() for values in strategies]
unknown_fields = st.sampled_from(
    ["Amount", "amount[]", "currency", "to_account_id", "csrfmiddlewaretoken", "é", "x", "0"]
)
OTHER_TYPES = [
    "multipart/form-data; boundary=b",
    *(f"{URLENCODED}; charset={one}" for one in ("utf-8", "latin-1")),
]


@st.composite
def forms(draw) -> Typed:
    """Draw the form as Reena fills it in, with something done to it."""
    payer, payee = draw(pairs_of_accounts)
    pairs = [
        ("from_account_id", payer.id),
        ("to_account_number", payee.number),
        ("amount", "25"),
        ("reference", "Rent"),
        ("idempotency_key", NEW_KEY),
    ]
    content_type = URLENCODED
    for _ in range(draw(st.sampled_from([1, 1, 1, 1, 2, 3]))):
        match draw(st.sampled_from([*fields, *fields, LESS, TWICE, TWICE, MORE, TYPE, TYPE])):
            case str(fault) if fault == LESS:
                del pairs[draw(st.integers(0, len(pairs) - 1))]
            case str(fault) if fault == TWICE:
                name, values = draw(st.sampled_from(fields))
                pairs.append((name, draw(values)))
            case str(fault) if fault == MORE:
                pairs.append((draw(unknown_fields), draw(references)))
            case str(fault) if fault == TYPE:
                content_type = draw(st.sampled_from(OTHER_TYPES))
            case name, values:
                text = draw(values)
                pairs = [(other, text if other == name else said) for other, said in pairs]
    return Typed(tuple(pairs), content_type)


def typed_tricks() -> list[Typed]:
    """Return forms whose amounts are the known tricks."""
    names = {"from_account_id": REENA[0].id, "to_account_number": RAHUL[0].number}
    names["idempotency_key"] = NEW_KEY
    return [Typed((*names.items(), ("amount", amount))) for amount in TRICKS]


@dataclass(frozen=True)
class Broken:
    """A form whose bytes are broken."""

    raw: bytes
    content_type: str


form_bytes = st.sampled_from(
    [b"%", b"%ff", b"%00", b"&", b"=", b"\xff", b"\x00", b"\r\n", b"--", b'"', b"+", b"%C3", b"1"]
)
OTHER_FORM_TYPES = [
    *(MULTIPART_CONTENT, URLENCODED, f"{URLENCODED}; charset=utf-16", JSON, "", "text/plain"),
    *("multipart/form-data", "multipart/form-data; boundary=x", "multipart/mixed; boundary=x"),
    *("multipart/form-data; boundary=é", "multipart/form-data; boundary=" + "x" * 300),
]


@st.composite
def broken_forms(draw) -> Broken:
    """Draw the bytes of a good form, with some of them changed or missing."""
    good = {
        "from_account_id": REENA[0].id,
        "to_account_number": RAHUL[0].number,
        "amount": "25",
        "reference": "Café",
        "idempotency_key": NEW_KEY,
    }
    multipart = draw(st.booleans())
    raw = encode_multipart(BOUNDARY, good) if multipart else urlencode(good).encode()
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(form_bytes) + raw[at + draw(st.sampled_from([0, 1, 1, 9, 40])) :]
    if draw(st.integers(0, 30)) == 30:
        raw = raw.ljust(MAX_BODY + 1, b"x")
    content_type = MULTIPART_CONTENT if multipart else URLENCODED
    return Broken(raw, draw(st.sampled_from([*[content_type] * 20, *OTHER_FORM_TYPES])))


# --- Everything that is read ----------------------------------------------------------------------

OWN, FOREIGN, NOBODYS, STRANGE = "own", "foreign", "nobody's", "strange"
CURSOR, SPOILT_CURSOR = "a cursor", "a spoilt cursor"  # stand for what the list itself gave
STATUSES = ["PENDING", "COMPLETED", "REJECTED", "CANCELLED"]
PAGES = {"limit", "cursor"}
PATHS = {  # whose id each path has, and which parameters it knows
    "/me": (None, set()),
    "/customers/{}/accounts": ("customer", PAGES),
    "/accounts/{}": ("account", set()),
    "/accounts/{}/limits": ("account", set()),
    "/accounts/{}/entries": ("account", PAGES | {"since", "until", "direction"}),
    "/transfers": (None, PAGES | {"account_id", "direction", "status", "since", "until"}),
    "/transfers/{}": ("transfer", set()),
}


@dataclass(frozen=True)
class Read:
    """A GET: the path with an id of that kind, and its parameters."""

    path: str
    whose: str
    strange_id: str
    parameters: list[tuple[str, str]]


NUMBERS = ["1", "50", "200", "0", "201", "-1", "1.0", "1e1", "50 ", "٥", "５", "9" * 30, "", "007"]
DATES = [
    *("2026-01-31", "1970-01-01", "9999-12-31", "2026-02-30", "0000-01-01", "2026-1-1", "20260131"),
    *("2026-01-01T00:00:00Z", "2026-W01-1", "२०२६-01-01", "-001-01-01", "2026-13-01", "now"),
]
VALUES = {  # right and wrong ones
    "limit": st.sampled_from(NUMBERS),
    "cursor": st.sampled_from([CURSOR, SPOILT_CURSOR, "", "null"]),
    "since": st.sampled_from(DATES),
    "until": st.sampled_from(DATES),
    "account_id": ids,
    "direction": st.sampled_from(["in", "out", "IN", "both", "in,out", ""]),
    "status": st.sampled_from([*STATUSES, "completed", "DONE", ""]),
}
any_value = st.one_of(*VALUES.values(), nasty_texts)
unknown = st.sampled_from(["Limit", "page", "format", "_", "é", "id"])
parameters = st.lists(
    st.one_of(
        *[st.tuples(st.just(name), values) for name, values in VALUES.items()],
        st.tuples(st.sampled_from([*VALUES]), any_value),
        st.tuples(unknown, any_value),
    ),
    max_size=3,
)
strange_ids = st.one_of(
    st.sampled_from([spell(REENA[0].id) for spell in SPELLINGS]),
    st.sampled_from([".", "..", "%2e%2e", "a/b", "\x00", "%", "null", "1", "*", "🙂", "x" * 3_000]),
    nasty_texts,
)


def single_parameters() -> list[Read]:
    """Return a read for every known value of every parameter."""
    listed = {
        **{"limit": NUMBERS, "cursor": [CURSOR, SPOILT_CURSOR], "since": DATES, "until": DATES},
        **{"direction": ["in", "out", "IN"], "status": [*STATUSES, "completed"]},
        "account_id": [REENA[1].id, RAHUL[1].id, NOBODY.id, REENA[1].id.upper()],
    }
    return [
        Read(path, OWN, "", [(name, text)])
        for path, (_, known) in PATHS.items()
        for name in sorted(known)
        for text in listed[name]
    ]


reads = st.builds(
    Read,
    st.sampled_from([*PATHS]),
    st.sampled_from([OWN, OWN, OWN, FOREIGN, NOBODYS, STRANGE]),
    strange_ids,
    parameters,
)


def is_right(name: str, text: str) -> bool | None:
    """Return whether a known parameter has a right value; None if one may see it either way."""
    match name:
        case "limit":
            if set(text) - set(reader.DIGITS) or not 1 <= len(text) <= 3:
                return False
            return None if text[0] == "0" and int(text) else 1 <= int(text) <= 200
        case "since" | "until":
            return reader.is_date(text)
        case "direction":
            return text in ("in", "out")
        case "status":
            return text in STATUSES
        case "account_id":
            return reader.is_id(text)
        case "cursor":
            return text == CURSOR
    raise ValueError(name)
