"""Reading JSON without guessing (RFC 8259, and RFC 7493 where it is stricter)."""

import json
import re
from email.message import Message
from functools import lru_cache

from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

MAX_DEPTH = 8
_PROBLEM = re.compile(r"^application/problem\+json", re.I)
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|([][{}])', re.S)  # possessive, so linear


class NumberText(str):
    """A JSON number as it was written. It never becomes a float: 0.1 stays "0.1"."""


class StrictJSONParser(BaseParser):
    """Parses a UTF-8 JSON object; numbers arrive as NumberText.

    Raises UnsupportedMediaType for another charset or any Content-Encoding, and ParseError for
    everything that two readers could understand differently: bad UTF-8, a byte-order mark,
    duplicate members, NaN and Infinity, unpaired surrogates, nesting deeper than MAX_DEPTH.
    """

    media_type = "application/json"

    def parse(self, stream, media_type=None, parser_context=None):
        request = parser_context["request"]
        if encoding := request.META.get("HTTP_CONTENT_ENCODING"):
            raise UnsupportedMediaType(encoding, "Content-Encoding is not supported.")
        if media_type.partition(";")[0].strip().lower() != self.media_type:
            raise UnsupportedMediaType(media_type)  # "*/*" matches for REST framework
        if charset(media_type) != "utf-8":
            raise UnsupportedMediaType(media_type, "The charset must be utf-8.")
        body = stream.read()
        if len(body) < int(request.META["CONTENT_LENGTH"]):  # RFC 9112, 8: cut off on its way
            raise ParseError("The body is shorter than its Content-Length.")
        return loads(body)


class OneWayJSONRenderer(JSONRenderer):
    """Writes JSON in one way, whatever the Accept header asks: a replay is equal to the byte."""

    def get_indent(self, accepted_media_type, renderer_context):
        """Return no indent."""
        return None


class JSONNegotiation(DefaultContentNegotiation):
    """Speaks JSON to whoever takes it under any of its names here; an empty header says nothing."""

    def select_renderer(self, request, renderers, format_suffix=None):
        """Return the renderer and its media type; what nearly every program sends needs no reading
        of media types and their precedence."""
        if request.headers.get("Accept", "*/*") in ("*/*", "application/json"):
            return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)

    def get_accept_list(self, request):
        """Return what the Accept header takes; the form of our errors is JSON, too."""
        taken = super().get_accept_list(request)
        return [_PROBLEM.sub("application/json", one) for one in taken] if any(taken) else ["*/*"]


@lru_cache(maxsize=100)
def charset(media_type: str) -> str:
    """Return the charset that a Content-Type names, in lower case; JSON's own is utf-8.

    Several are returned as one that does not exist: two readers could each take another.
    """
    header = Message()
    header["Content-Type"] = media_type or ""
    parameters = header.get_params(failobj=[])
    named = [str(value).lower() for name, value in parameters if name.lower() == "charset"]
    return " ".join(named) if named else "utf-8"


def loads(body: bytes) -> dict:
    """Return the JSON object in `body`. Raises ParseError with a sentence for a person."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise ParseError("The body is not valid UTF-8.") from None
    if text.startswith("\ufeff"):
        raise ParseError("The body starts with a byte-order mark; leave it out.")
    _check_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_int=NumberText,
            parse_float=NumberText,
            parse_constant=_no_constant,
        )
    except ValueError as error:
        raise ParseError(f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise ParseError("The body must be a JSON object.")
    _check_surrogates(text, value)
    return value


def _check_depth(text: str) -> None:
    """Refuse deep nesting before the parser recurses into it."""
    depth = 0
    for bracket in _STRING_OR_BRACKET.findall(text):
        if bracket in ("[", "{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise ParseError(f"The body is nested deeper than {MAX_DEPTH}.")
        elif bracket:
            depth -= 1


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has two members of the same name")
    return members


def _no_constant(name: str):
    raise ValueError(f"{name} is not a JSON value")


def _check_surrogates(text: str, value: object) -> None:
    """Refuse half a character: "\\ud800" is legal JSON and no text."""
    if "\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ParseError("A string holds half of a surrogate pair.") from None
