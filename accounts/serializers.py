"""What the accounts API reads and writes. Amounts go out as strings in major units."""

import datetime as dt
import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property

from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.fields import empty
from rest_framework.request import Request

from accounts import bank_day, money, public_ids
from accounts.models import Account, AccountDailyUsage, Scope

_WHOLE = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z", re.ASCII
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_BIDI_CONTROLS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


class StrictSerializer(serializers.Serializer):
    """Refuses members that it does not know: a misspelt one must not be silently dropped."""

    def to_internal_value(self, data):
        """Return the validated members. Raises ValidationError naming every wrong one."""
        together = self.wrong_together(data)
        if not together and (members := self._read(data)) is not None:
            return members
        unknown = {
            name: [serializers.ErrorDetail("This member is not known.", code="unknown")]
            for name in data
            if name not in self.fields
        }
        with also_wrong({**together, **unknown}):
            return super().to_internal_value(data)

    def wrong_together(self, data: dict) -> dict:
        """Return what is wrong with members that may each be right, by the name to blame."""
        return {}

    def run_validators(self, value):
        """Do nothing: each field says all itself, and `validate` the rest."""

    @cached_property
    def _members(self) -> list[tuple]:
        return list(self.fields.items())

    def _read(self, data: dict) -> dict | None:
        """Return the members if all is well, in a fifth of the time; None if REST framework had
        better find out what is wrong."""
        members, taken = {}, 0
        try:
            for name, field in self._members:
                if data.get(name) is not None:
                    members[name] = field.to_internal_value(data[name])
                    taken += 1
                elif field.required:
                    return None
                elif field.default is not empty:
                    members[name] = field.default
        except ValidationError:
            return None
        return members if taken == len(data) else None


@contextmanager
def also_wrong(found: dict) -> Iterator[None]:
    """Let a ValidationError from inside name what was `found` wrong before, too; raise one for that
    alone if there is none."""
    try:
        yield
    except ValidationError as error:
        raise ValidationError({**found, **error.detail}) from None
    if found:
        raise ValidationError(found)


class TextField(serializers.Field):
    """A JSON string and nothing that could be turned into one, at most `max_length` characters."""

    default_error_messages = {
        "type": "This must be a string.",
        "blank": "This may not be empty.",
        "too_long": "This may have at most {max_length} characters.",
        "characters": "Control characters are not allowed.",
    }

    def __init__(self, *, max_length: int, allow_blank: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.max_length = max_length
        self.allow_blank = allow_blank

    def to_internal_value(self, data):
        """Return the text in Unicode's normal form C. Raises ValidationError."""
        if type(data) is not str:  # a JSON number arrives as a subclass of str
            self.fail("type")
        if data and len(data) <= self.max_length and data.isascii() and data.isprintable():
            return data
        text = unicodedata.normalize("NFC", data)
        if not text and not self.allow_blank:
            self.fail("blank")
        if len(text) > self.max_length:
            self.fail("too_long", max_length=self.max_length)
        if any(map(is_control, text)):
            self.fail("characters")
        return text

    def to_representation(self, value):
        """Return the text."""
        return value


def is_control(character: str) -> bool:
    """Return whether the character steers instead of showing: it could hide or reorder what the
    other side reads."""
    return unicodedata.category(character) in {"Cc", "Zl", "Zp"} or character in _BIDI_CONTROLS


class PasswordField(TextField):
    """A password: any characters, unchanged, as it was when it was set."""

    def to_internal_value(self, data):
        """Return the password as given. Raises ValidationError for another type or an empty one."""
        if type(data) is not str:
            self.fail("type")
        if not data:
            self.fail("blank")
        if len(data) > self.max_length:
            self.fail("too_long", max_length=self.max_length)
        return data


class PublicIdField(serializers.Field):
    """A public id in its canonical spelling."""

    default_error_messages = {
        "invalid": "This must be an id: 36 characters, lower case, with dashes."
    }

    def to_internal_value(self, data):
        """Return the id. Raises ValidationError for any other spelling."""
        if type(data) is not str or not public_ids.is_canonical(data):
            self.fail("invalid")
        return data


class CredentialsSerializer(StrictSerializer):
    """`POST /auth/token`."""

    username = TextField(max_length=150)
    password = PasswordField(max_length=4096)


class WholeNumberField(serializers.Field):
    """A whole JSON number between two bounds, which arrives as its own text."""

    default_error_messages = {"invalid": "This must be a whole number from {least} to {most}."}

    def __init__(self, least: int, most: int, **kwargs):
        super().__init__(**kwargs)
        self.least, self.most = least, most

    def to_internal_value(self, data):
        """Return the number. Raises ValidationError."""
        is_number = isinstance(data, str) and type(data) is not str
        if is_number and _WHOLE.fullmatch(data) and self.least <= int(data) <= self.most:
            return int(data)
        self.fail("invalid", least=self.least, most=self.most)


class ListField(serializers.Field):
    """A JSON array of strings, each as `read` returns it; kept as one text with spaces between.

    `read` raises ValueError for what cannot be in the list.
    """

    default_error_messages = {
        "type": "This must be a list of strings.",
        "invalid": "{value} is not possible here.",
        "too_long": "These are too many.",
    }

    def __init__(self, read, *, most: int, **kwargs):
        super().__init__(**kwargs)
        self.read, self.most = read, most

    def to_internal_value(self, data):
        """Return the text. Raises ValidationError."""
        if type(data) is not list or not data or any(type(one) is not str for one in data):
            self.fail("type")
        if len(data) > self.most:
            self.fail("too_long")
        read = {}
        for value in data:
            try:
                read[self.read(value)] = True
            except ValueError:
                self.fail("invalid", value=value[:40])
        return " ".join(read)


class MomentField(serializers.Field):
    """A moment as the API writes it: RFC 3339 in UTC, with Z."""

    default_error_messages = {"invalid": "This must be a time such as 2026-01-31T12:00:00Z."}

    def to_internal_value(self, data):
        """Return the moment. Raises ValidationError."""
        try:
            if type(data) is str and _MOMENT.fullmatch(data):
                return dt.datetime.fromisoformat(data)
        except ValueError:
            pass
        self.fail("invalid")


def scope(text: str) -> str:
    """Return the scope of that name. Raises ValueError."""
    return Scope(text).value


def network(text: str) -> str:
    """Return an IP address or network in its usual spelling. Raises ValueError."""
    return str(ipaddress.ip_network(text))


class NewTokenSerializer(CredentialsSerializer):
    """`POST /auth/token`: who signs in, and what the token is to be for."""

    name = TextField(max_length=60, allow_blank=True, required=False)
    scopes = ListField(scope, most=len(Scope), required=False)
    allowed_ips = ListField(network, most=8, required=False)
    days = WholeNumberField(1, 366, required=False)


class RotationSerializer(StrictSerializer):
    """`POST /auth/token/rotation`."""

    overlap_hours = WholeNumberField(0, 168, required=False)


def read_body(request: Request, serializer_class: type[StrictSerializer]) -> dict:
    """Return the validated members of the request's JSON body.

    Raises ParseError for an empty body (REST framework would take it for an empty object),
    UnsupportedMediaType, ValidationError.
    """
    if not int(request.META.get("CONTENT_LENGTH") or 0):
        raise ParseError("The body is empty; send a JSON object.")
    return validated(serializer_class, request.data)


def validated(serializer_class: type[StrictSerializer], data: dict) -> dict:
    """Return the members of `data`, validated. Raises ValidationError."""
    return _built(serializer_class).run_validation(data)


@cache
def _built(serializer_class: type[StrictSerializer]) -> StrictSerializer:
    """Return a serializer that all requests share: it keeps nothing of what it validates."""
    return serializer_class()


def path_id(text: str) -> str:
    """Return an id from a path. Raises ValidationError unless it is spelt canonically."""
    return _checked("id", PublicIdField(), text)


def query(request: Request, name: str) -> str | None:
    """Return the query parameter, or None. Raises ValidationError if it is there twice: two
    readers could each take another one."""
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise ValidationError({name: "Give this parameter once."})
    return values[0] if values else None


def query_id(request: Request, name: str) -> str | None:
    """Return the query parameter as an id, or None. Raises ValidationError."""
    text = query(request, name)
    return None if text is None else _checked(name, PublicIdField(), text)


def query_choice(request: Request, name: str, choices: list[str]) -> str | None:
    """Return the query parameter if it is one of `choices`, or None. Raises ValidationError."""
    text = query(request, name)
    if text is not None and text not in choices:
        raise ValidationError({name: f"This must be one of {', '.join(choices)}."})
    return text


def query_date(request: Request, name: str) -> dt.date | None:
    """Return the query parameter as a bank date, or None. Raises ValidationError."""
    text = query(request, name)
    if text is None:
        return None
    try:
        if _DATE.fullmatch(text):
            return dt.date.fromisoformat(text)
    except ValueError:
        pass
    raise ValidationError({name: "This must be a date such as 2026-01-31."})


def _checked(name: str, field: serializers.Field, text: str) -> str:
    try:
        return field.to_internal_value(text)
    except ValidationError as error:
        raise ValidationError({name: error.detail}) from None


# --- What goes out ----------------------------------------------------------------------------


def utc(moment: dt.datetime | None) -> str | None:
    """Return a moment as RFC 3339 text in UTC, to the microsecond; None stays None."""
    if moment is None:
        return None
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def account_body(account: Account) -> dict:
    """Return the account as the API shows it to those who may see it."""
    return {
        "id": account.public_id,
        "number": account.number,
        "name": account.name,
        "currency": account.currency,
        "status": account.status,
        "balance": money.format(account.balance_minor, account.currency),
        "available_balance": money.format(account.available_minor, account.currency),
        "daily_limit": money.format(account.daily_limit_minor, account.currency),
        "created_at": utc(account.created_at),
    }


def limits_body(account: Account) -> dict:
    """Return what is left of the account's daily limit on this bank day."""
    today = bank_day.of(timezone.now())
    used = AccountDailyUsage.used_on(account, today)
    limit, currency = account.daily_limit_minor, account.currency
    return {
        "account_id": account.public_id,
        "currency": currency,
        "date": today.isoformat(),
        "time_zone": bank_day.zone().key,
        "daily_limit": money.format(limit, currency),
        "used": money.format(used, currency),
        "remaining": money.format(max(0, limit - used), currency),
        "resets_at": utc(bank_day.end(today)),
    }
