"""The parser by itself: what is JSON for us, and what is not."""

import json
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError, UnsupportedMediaType

from smartbank.strict_json import MAX_DEPTH, NumberText, StrictJSONParser, charset, loads

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def nested(depth: int) -> bytes:
    """An object that holds lists, `depth` levels in all."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@given(st.dictionaries(texts, values, max_size=4))
def test_what_json_wrote_is_read_back_unless_it_is_too_deep(members):
    body = json.dumps(members).encode()
    try:
        assert loads(body) == members
    except ParseError as error:
        assert "nested deeper" in str(error)


@pytest.mark.parametrize(
    "number", ["25", "25.00", "0.1", "1.005", "-1", "1e2", "1E400", "-0", "9" * 5000, "0.30"]
)
def test_a_number_keeps_its_own_text(number):
    value = loads(b'{"amount": %s}' % number.encode())["amount"]
    assert value == number
    assert type(value) is NumberText


def test_a_string_of_digits_is_not_a_number():
    assert type(loads(b'{"amount": "25"}')["amount"]) is str


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\r", ""])
def test_white_space_round_tokens_means_nothing(space):
    assert loads(f'{space}{{{space}"a"{space}:{space}true{space}}}{space}'.encode()) == {"a": True}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}{}",
        b"{} x",
        b"{'a': 1}",
        b"{a: 1}",
        b'{"a": 1,}',
        b'{"a": [1,]}',
        b'{"a" 1}',
        b'{"a": 01}',
        b'{"a": +1}',
        b'{"a": .5}',
        b'{"a": 5.}',
        b'{"a": 0x10}',
        b'{"a": 1_000}',
        b'{"a": True}',
        b'{"a": None}',
        b'{"a": undefined}',
        b'{"a": /* why */ 1}',
        b'{"a": "line\nbreak"}',
        b'{"a": "nul\x00"}',
        b'{"a": "\\x41"}',
        b'{"a": "\\u12"}',
        b'{"a": "open',
        b"\x0b{}",
        "\u00a0{}".encode(),
        '{"a": ٢٥}'.encode(),
    ],
)
def test_what_is_not_json_is_refused(body):
    with pytest.raises(ParseError, match="not JSON"):
        loads(body)


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_a_constant_that_json_does_not_have_is_refused(name):
    with pytest.raises(ParseError, match=f"{name} is not a JSON value"):
        loads(b'{"amount": %s}' % name.encode())


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"25", b"true", b"false", b"null", b"[{}]"])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(ParseError, match="must be a JSON object"):
        loads(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 1}',
        b'{"a": 1, "a": 2}',
        b'{"a": 1, "\\u0061": 2}',
        b'{"outer": {"a": 1, "b": 2, "a": 3}}',
        b'{"list": [{"a": null, "a": null}]}',
    ],
)
def test_a_member_that_is_there_twice_is_refused(body):
    with pytest.raises(ParseError, match="two members of the same name"):
        loads(body)


def test_members_that_differ_in_letter_case_are_two_members():
    assert loads(b'{"a": true, "A": false}') == {"a": True, "A": False}


def test_nesting_is_read_down_to_its_bound():
    assert loads(nested(MAX_DEPTH)) == {"a": [[[[[[[]]]]]]]}


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 100, 1_000, 100_000])
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deeper_nesting_is_refused_before_it_is_parsed(depth, opening):
    with pytest.raises(ParseError, match="nested deeper than 8"):
        loads(opening * depth)


def test_brackets_inside_a_string_are_no_nesting():
    text = '[[[[[[[[[[ {{{{{{{{{{ \\" ]'
    assert loads(json.dumps({"a": text}).encode()) == {"a": text}


def test_lists_beside_each_other_are_no_nesting():
    assert loads(b'{"a": [' + b"[]," * 50 + b"[]]}") == {"a": [[]] * 51}


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "\xff"}',
        b'{"a": "\xc0\xaf"}',  # an overlong slash
        b'{"a": "\xed\xa0\x80"}',  # half a pair in bytes
        b'{"a": "\xf4\x90\x80\x80"}',  # beyond Unicode
        b'{"a": "\xe2\x82"}',  # cut off
        '{"a": "café"}'.encode("latin-1"),
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-32"),
    ],
)
def test_bytes_that_are_not_utf_8_are_refused(body):
    with pytest.raises(ParseError, match="not valid UTF-8"):
        loads(body)


def test_a_byte_order_mark_is_refused():
    with pytest.raises(ParseError, match="byte-order mark"):
        loads(b'\xef\xbb\xbf{"a": 1}')


@pytest.mark.parametrize("half", ["\\ud800", "\\udfff", "\\udc00\\ud800", "x\\uDBFFy"])
@pytest.mark.parametrize("body", ['{"a": "%s"}', '{"%s": 1}', '{"a": [{"b": "%s"}]}'])
def test_half_a_surrogate_pair_is_refused_wherever_it_stands(half, body):
    with pytest.raises(ParseError, match="surrogate"):
        loads((body % half).encode())


def test_a_whole_surrogate_pair_is_one_character():
    assert loads(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json;charset=utf-8",
        'application/json; charset="UTF-8"',
        "application/json; Charset=Utf-8; version=1",
        "",
    ],
)
def test_utf_8_is_the_charset_however_it_is_written_and_by_default(content_type):
    assert charset(content_type) == "utf-8"


class Stream:
    """A request body that must not be read."""

    def read(self):
        raise AssertionError("read before the headers were checked")


class Request:
    def __init__(self, **meta):
        self.META = meta


@pytest.mark.parametrize(
    ("content_type", "meta"),
    [
        ("application/json; charset=latin-1", {}),
        ("application/json; charset=utf-16", {}),
        ("application/json; charset=utf-8-sig", {}),
        ("application/json; charset*=utf-8''latin-1", {}),
        ("*/*", {}),
        ("application/*", {}),
        ("application/json", {"HTTP_CONTENT_ENCODING": "gzip"}),
        ("application/json", {"HTTP_CONTENT_ENCODING": "identity"}),
    ],
)
def test_another_charset_or_any_encoding_is_refused_unread(content_type, meta):
    with pytest.raises(UnsupportedMediaType):
        StrictJSONParser().parse(Stream(), content_type, {"request": Request(**meta)})


def test_a_body_cut_off_on_its_way_is_not_read(rf):
    request = rf.post("/transfers", b"{}", content_type="application/json")
    parse = StrictJSONParser().parse
    assert parse(BytesIO(b"{}"), "application/json", {"request": request}) == {}

    request.META["CONTENT_LENGTH"] = "3"
    with pytest.raises(ParseError, match="shorter than its Content-Length"):
        parse(BytesIO(b"{}"), "application/json", {"request": request})
