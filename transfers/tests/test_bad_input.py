"""What `POST /transfers` refuses to read: with its status and code, and without a trace.

Each case is a good order with one thing wrong, so that only that can be the reason.
"""

import gzip
import json

import pytest

from audit.models import AuditLog
from transfers.models import Transfer


@pytest.fixture
def order(reena, rahul) -> dict:
    """A good order, to be spoilt."""
    return reena.order(rahul, "25.00", currency="INR", reference="Rent")


@pytest.fixture
def refuses(reena, books):
    """Return a function that posts bytes and checks how they are refused, and that it is all."""

    def check(raw: bytes, status: int, code: str, fields=None, **kwargs) -> None:
        before = books(), AuditLog.objects.count()
        response = reena.api.post("/transfers", raw=raw, **kwargs)
        body = response.json()
        assert (response.status_code, body["code"]) == (status, code)
        assert response["Content-Type"] == "application/problem+json"
        assert [one["field"] for one in body.get("errors", [])] == (fields or [])
        assert (books(), AuditLog.objects.count()) == before

    return check


@pytest.fixture
def refuses_each(refuses, subtests):
    """Return a function like `refuses` for many bodies; each one is a subtest of its own.

    They share one cast: nothing that is refused here can leave anything for the next.
    """

    def check(bodies, *args, **kwargs) -> None:
        for raw in bodies:
            with subtests.test(ascii(raw)[-60:]):
                refuses(raw, *args, **kwargs)

    return check


def spoilt(order: dict, **members) -> bytes:
    return json.dumps(order | members).encode()


def with_raw(order: dict, name: str, token: str) -> bytes:
    """The order with one member's value written as it is."""
    return json.dumps(order | {name: "TOKEN"}).replace('"TOKEN"', token).encode()


def test_the_order_that_is_spoilt_below_is_good(order, reena):
    assert reena.api.post("/transfers", order).status_code == 201


# --- Amounts ----------------------------------------------------------------------------------

NO_AMOUNTS = [
    *("", " ", " 25", "25 ", "25\n", "\t25", "2 5", "25\u0000", "\ufeff25", "\u200b25", "25\u00a0"),
    *("+5", "-5", "-0", "0", "0.00", "-0.01", "+0", "--5", "5-", "(5)"),
    *("1e2", "1E2", "1e-2", "2.5e1", "0x19", "0b1", "0o7", "1_000", "1_0.00"),
    *("1,000", "1,000.00", "1,00,000", "25,00", "1.000,00", "1'000", "1 000", "1.000.000"),
    *(".5", "5.", ".", "1..5", "01", "00", "00.50", "025.00"),
    *("25.001", "1.005", "25.000", "0.001", "0.009", "24.999999999999999999"),
    *("NaN", "nan", "Infinity", "-Infinity", "inf", "sNaN", "None", "null", "true", "false"),
    *("２５", "２５.００", "٢٥", "२५", "২৫", "𝟐𝟓", "²", "½", "Ⅷ", "二五", "2٥", "25．00", "25٫00"),
    *("₹25", "25 INR", "INR 25.00", "$25", "25%", "5/2", "5+5", "25;", "25'--", "abc"),
    *("1000000000000.01", "1000000000001", "1" + "0" * 30, "9" * 5_000, "0." + "0" * 5_000 + "1"),
]
NO_AMOUNT_TOKENS = [
    *("-5", "-0", "0", "0.0", "0.00", "1e2", "1E2", "2.5e1", "1e-2", "25e0", "1e400", "1e-400"),
    *("1.005", "25.001", "0.001", "25.000", "0.30000000000000004", "24.999999999999999999"),
    *("1000000000000.01", "1000000000001", "1" + "0" * 30, "9" * 5_000, "9007199254740993.1"),
    *("true", "false", "null", "[]", "{}", "[25]", '["25.00"]', '{"value": "25.00"}'),
]
NO_JSON_TOKENS = [
    *("NaN", "Infinity", "-Infinity", "nan", "inf", "+5", ".5", "5.", "01", "00", "-01", "1_000"),
    *("0x19", "1e", "1e+", "2 5", "1,000", "--5", "٢٥", "２５", "", "'25'", "25.00.00", "True"),
]


def test_a_string_that_is_no_amount_is_refused(order, refuses_each):
    bodies = [spoilt(order, amount=amount) for amount in NO_AMOUNTS]
    refuses_each(bodies, 400, "validation_error", ["amount"])


def test_a_json_value_that_is_no_amount_is_refused(order, refuses_each):
    bodies = [with_raw(order, "amount", token) for token in NO_AMOUNT_TOKENS]
    refuses_each(bodies, 400, "validation_error", ["amount"])


def test_a_number_that_json_does_not_know_is_refused(order, refuses_each):
    bodies = [with_raw(order, "amount", token) for token in NO_JSON_TOKENS]
    refuses_each(bodies, 400, "malformed_request")


@pytest.mark.parametrize(
    ("currency", "amount"),
    [("JPY", "25.0"), ("JPY", "0.5"), ("JPY", "25."), ("KWD", "1.0005"), ("KWD", "0.0000")],
)
def test_more_decimals_than_the_currency_has_are_refused(currency, amount, order, refuses):
    raw = spoilt(order, currency=currency, amount=amount)
    refuses(raw, 400, "validation_error", ["amount"])


# --- Ids and numbers --------------------------------------------------------------------------

SPELLINGS = {
    "upper case": str.upper,
    "one upper letter": lambda one: one[:-1] + "A",
    "no dashes": lambda one: one.replace("-", ""),
    "braces": "{{{}}}".format,
    "urn": "urn:uuid:{}".format,
    "space before": " {}".format,
    "space after": "{} ".format,
    "line end": "{}\n".format,
    "null byte": "{}\0".format,
    "underscores": lambda one: one.replace("-", "_"),
    "long dashes": lambda one: one.replace("-", "\u2010"),
    "other digits": lambda one: one.replace("0", "\u0660"),
    "full width": lambda one: one.replace("0", "\uff10"),
    "moved dash": lambda one: one[:7] + "-" + one[7] + one[9:],
    "cut off": lambda one: one[:-1],
    "too long": "{}0".format,
    "sql": "{}' OR '1'='1".format,
    "integer": lambda one: int(one.replace("-", ""), 16),
    "key": lambda one: 1,
    "fraction": lambda one: 1.5,
    "true": lambda one: True,
    "null": lambda one: None,
    "empty": lambda one: "",
    "list": lambda one: [one],
    "object": lambda one: {"id": one},
}


@pytest.mark.parametrize("member", ["from_account_id", "to_account_id"])
def test_an_id_in_another_spelling_is_refused(member, order, refuses_each):
    wrong = [spell(order[member]) for spell in SPELLINGS.values()]
    assert order[member] not in wrong
    bodies = [spoilt(order, **{member: one}) for one in wrong]
    refuses_each(bodies, 400, "validation_error", [member])


NUMBER_SPELLINGS = [
    int,
    lambda one: one[:-1] + str((int(one[-1]) + 1) % 10),
    lambda one: one[1:],
    "{}0".format,
    " {}".format,
    lambda one: f"{one[:4]} {one[4:8]} {one[8:]}",
    lambda one: f"{one[:4]}-{one[4:]}",
    lambda one: one.translate({ord("0") + n: 0x0660 + n for n in range(10)}),
    lambda one: one.translate({ord("0") + n: 0xFF10 + n for n in range(10)}),
    lambda one: "",
    lambda one: None,
    lambda one: True,
    lambda one: [one],
]


def test_an_account_number_in_another_spelling_is_refused(order, rahul, refuses_each):
    del order["to_account_id"]
    wrong = [spell(rahul.account.number) for spell in NUMBER_SPELLINGS]
    bodies = [spoilt(order, to_account_number=one) for one in wrong]
    refuses_each(bodies, 400, "validation_error", ["to_account_number"])


def test_naming_the_receiver_twice_is_refused(order, rahul, refuses):
    raw = spoilt(order, to_account_number=rahul.account.number)
    refuses(raw, 400, "validation_error", ["to_account_id"])


def test_naming_no_receiver_is_refused(order, refuses):
    del order["to_account_id"]
    refuses(spoilt(order), 400, "validation_error", ["to_account_id"])


# --- Currency and reference -------------------------------------------------------------------


NO_CURRENCIES = [
    *("", "inr", "Inr", " INR", "INR ", "INRR", "IN", "XXX", "XAU", "XTS", "₹", "ＩＮＲ", "356"),
    *(None, True, 356, ["INR"], {"code": "INR"}),
]


def test_a_currency_that_is_none_is_refused(order, refuses_each):
    bodies = [spoilt(order, currency=currency) for currency in NO_CURRENCIES]
    refuses_each(bodies, 400, "validation_error", ["currency"])


NO_REFERENCES = [
    *("x" * 141, "🙂" * 141, "e\u0301" * 141, "x" * 10_000),
    *("\x00", "a\x00b", "\t", "\n", "a\r\nb", "\x1b[31m", "\x7f", "\x85", "\x9f"),
    *("\u2028", "\u2029", "\u061c", "\u200e", "\u200f"),
    *("\u202a", "\u202b", "\u202c", "\u202d", "\u202etxen", "\u2066", "\u2067", "\u2069"),
    *(None, True, 5, 2.5, [], {}, ["Rent"]),
]


def test_a_reference_that_is_too_long_or_steers_is_refused(order, refuses_each):
    bodies = [spoilt(order, reference=reference) for reference in NO_REFERENCES]
    refuses_each(bodies, 400, "validation_error", ["reference"])


# --- Members ----------------------------------------------------------------------------------


@pytest.mark.parametrize("member", ["from_account_id", "amount"])
def test_a_missing_member_is_refused(member, order, refuses):
    del order[member]
    refuses(spoilt(order), 400, "validation_error", [member])


UNKNOWN_MEMBERS = [
    *("id", "status", "balance", "customer_id", "fee", "created_at", "completed_at", "kind"),
    *("value_date", "caller", "caller_id", "failure_code", "idempotency_key", "reverses"),
    *("Amount", "amount ", "ammount", "AMOUNT", "from-account-id", "fromAccountId"),
    *("", "__proto__", "__class__", "constructor", "csrfmiddlewaretoken", "format", "message"),
    *("payee_name", "amount\u0000", "ａｍｏｕｎｔ", "x" * 1_000),
]


def test_an_unknown_member_is_refused(order, refuses, subtests):
    for member in UNKNOWN_MEMBERS:
        with subtests.test(ascii(member)[:60]):
            refuses(spoilt(order, **{member: "25.00"}), 400, "validation_error", [member])


@pytest.mark.parametrize("member", ["from_account_id", "to_account_id", "amount", "reference"])
@pytest.mark.parametrize("same", [True, False], ids=["same value", "other value"])
def test_a_member_that_is_there_twice_is_refused(member, same, order, refuses):
    value = order[member] if same else "1"
    raw = json.dumps(order)[:-1] + f', "{member}": {json.dumps(value)}}}'
    refuses(raw.encode(), 400, "malformed_request")


def test_a_member_that_is_there_twice_in_two_spellings_is_refused(order, refuses):
    raw = json.dumps(order)[:-1] + ', "\\u0061mount": "1"}'
    refuses(raw.encode(), 400, "malformed_request")


# --- The body ---------------------------------------------------------------------------------


NO_OBJECTS = [
    *(b"", b" ", b"\n", b"\x00", b"null", b"true", b"25", b'"25"', b"[]", b"[{}]", b"x=1"),
    *(b"{", b"}", b"{]", b'{"amount"', b'{"amount":}', b"{}{}", b"{} {}", b"{},", b"{'a': 1}"),
    *(b"<order/>", b"amount: 25", b"\xff\xfe", b"\x80", b"{\x00}", b"\x1f\x8b\x08"),
]


def test_a_body_that_is_no_json_object_is_refused(refuses_each):
    refuses_each(NO_OBJECTS, 400, "malformed_request")


def test_an_empty_object_is_an_order_without_its_members(refuses):
    fields = ["to_account_id", "from_account_id", "amount"]
    refuses(b"{}", 400, "validation_error", fields)


def test_all_that_is_wrong_is_named_at_once(order, refuses):
    raw = spoilt(
        order,
        **{"from_account_id": "x", "to_account_id": "y", "amount": "1e3", "reference": 5},
        **{"currency": "zz", "note": ""},
    )
    fields = ["note", "from_account_id", "to_account_id", "amount", "currency", "reference"]
    refuses(raw, 400, "validation_error", ["Idempotency-Key", *fields], key="")


@pytest.mark.parametrize("amount", ["-5", "0", "0.000", "1000000000000.01"])
def test_what_is_an_amount_in_no_currency_is_named_with_the_rest(amount, order, refuses):
    del order["to_account_id"]
    refuses(spoilt(order, amount=amount), 400, "validation_error", ["to_account_id", "amount"])


def test_an_order_in_a_list_is_refused(order, refuses):
    refuses(json.dumps([order]).encode(), 400, "malformed_request")


def test_a_second_order_after_the_first_is_refused(order, refuses):
    refuses(spoilt(order) + spoilt(order), 400, "malformed_request")


def test_a_comma_too_many_is_refused(order, refuses):
    refuses(spoilt(order)[:-1] + b",}", 400, "malformed_request")


@pytest.mark.parametrize("depth", [8, 9, 1_000, 10_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused_whatever_the_depth(depth, opening, closing, order, refuses):
    raw = with_raw(order, "reference", opening * depth + "1" + closing * depth)
    refuses(raw, 400, "malformed_request")


def test_nesting_within_the_bound_is_only_the_wrong_type(order, refuses):
    raw = with_raw(order, "reference", "[" * 7 + "]" * 7)
    refuses(raw, 400, "validation_error", ["reference"])


@pytest.mark.parametrize("count", [1_000, 60_000])
def test_brackets_that_are_never_closed_are_refused(count, refuses):
    refuses(b"[" * count, 400, "malformed_request")


def test_a_hundred_thousand_brackets_are_too_large_a_body(refuses):
    refuses(b"[" * 100_000, 413, "payload_too_large")


@pytest.mark.parametrize("size", [64 * 1024 + 1, 1024 * 1024])
def test_a_good_order_in_too_large_a_body_is_refused(size, order, refuses):
    refuses(spoilt(order).ljust(size), 413, "payload_too_large")


def test_a_good_order_in_exactly_64_kib_is_read(order, reena):
    raw = spoilt(order).ljust(64 * 1024)
    assert reena.api.post("/transfers", raw=raw).status_code == 201


# --- Encodings and content types --------------------------------------------------------------


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252"]
)
def test_an_order_in_another_encoding_is_refused(encoding, order, refuses):
    raw = json.dumps(order | {"reference": "Café"}, ensure_ascii=False).encode(encoding)
    refuses(raw, 400, "malformed_request")


@pytest.mark.parametrize(
    "broken",
    [b"\xff", b"\x80", b"\xc0\xaf", b"\xe2\x82", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xfe"],
)
def test_broken_utf_8_is_refused(broken, order, refuses):
    refuses(spoilt(order, reference="X").replace(b"X", broken), 400, "malformed_request")


@pytest.mark.parametrize("member", ["reference", "amount", "from_account_id", "extra"])
def test_half_a_surrogate_pair_is_refused(member, order, refuses_each):
    halves = ["\\ud800", "\\udfff", "\\ude00\\ud83d", "a\\uD83Db"]
    bodies = [with_raw(order, member, f'"{half}"') for half in halves]
    refuses_each(bodies, 400, "malformed_request")


@pytest.mark.parametrize("raw_control", [b"\x00", b"\n", b"\t", b"\x1f"])
def test_a_control_character_that_is_not_escaped_is_refused(raw_control, order, refuses):
    raw = spoilt(order, reference="X").replace(b"X", raw_control)
    refuses(raw, 400, "malformed_request")


NOT_OUR_JSON = [
    "",
    "json",
    "*/*",
    "application/*",
    "text/plain",
    "text/json",
    "application/jsonp",
    "application/json-seq",
    "application/problem+json",
    "application/merge-patch+json",
    "application/xml",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "application/json; charset=latin-1",
    "application/json; charset=utf-16",
    "application/json; charset=us-ascii",
    'application/json; charset="iso-8859-1"',
]


def test_a_good_order_said_to_be_something_else_is_refused(order, refuses, subtests):
    for content_type in NOT_OUR_JSON:
        with subtests.test(content_type):
            raw = spoilt(order)
            refuses(raw, 415, "unsupported_media_type", content_type=content_type)


def test_a_form_is_refused(order, refuses):
    raw = "&".join(f"{member}={value}" for member, value in order.items()).encode()
    refuses(raw, 415, "unsupported_media_type", content_type="application/x-www-form-urlencoded")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity", "x"])
def test_any_content_encoding_is_refused(encoding, order, refuses):
    raw = gzip.compress(spoilt(order)) if encoding == "gzip" else spoilt(order)
    refuses(raw, 415, "unsupported_media_type", Content_Encoding=encoding)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
    ],
)
def test_json_may_be_said_in_any_letter_case_and_with_its_charset(content_type, order, reena):
    response = reena.api.post("/transfers", order, content_type=content_type)
    assert response.status_code == 201


# --- What is not read at all ------------------------------------------------------------------


def test_parameters_in_the_url_are_no_part_of_the_order(order, reena, rahul):
    response = reena.api.post("/transfers?amount=9999&to_account_id=x", order)
    assert (response.status_code, response.json()["amount"]) == (201, "25.00")


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override"])
def test_a_header_cannot_make_a_get_of_a_post(header, order, reena, books):
    response = reena.api.get("/transfers", order, **{header: "POST"})
    assert response.status_code == 200
    assert Transfer.objects.filter(reference="Rent").count() == 0
