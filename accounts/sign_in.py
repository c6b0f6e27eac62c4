"""Signing in with a name and a password, for pages, admin and tokens alike."""

import datetime as dt
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.db.models import Max
from django.utils import timezone
from django.utils.crypto import salted_hmac

from audit.models import Action, AuditLog
from audit.operations import Origin, record


class TooManyFailures(Exception):
    """This name was tried too often from this address; `seconds` says for how long it rests."""

    def __init__(self, seconds: int):
        super().__init__(seconds)
        self.seconds = seconds


def anybody(user) -> bool:
    """Admit every active user."""
    return True


def check(request, username: str, password: str, admits: Callable[..., bool] = anybody):
    """Return the active user whom name and password open and whom the door `admits`, or None.

    Raises TooManyFailures, without looking at the password, once SIGN_IN_FAILURES attempts from
    this address have failed within SIGN_IN_WINDOW_SECONDS with no success in between. Counting by
    name *and* address, for minutes, keeps an attacker from locking the owner out for good. The
    audit log is the memory, so all workers share it and a restart forgets nothing.
    """
    seconds = _seconds_to_wait(username, request.client_ip)
    if seconds:
        raise TooManyFailures(seconds)
    user = authenticate(request, username=username, password=password)
    if user and user.get_username() != username:
        user = None  # MariaDB's collation takes "RÉENA " for "reena": each would count on its own
    if user and not admits(user):
        user = None
    _record(request, username, user)
    return user


def _seconds_to_wait(username: str, ip: str | None) -> int:
    now = timezone.now()
    window = dt.timedelta(seconds=settings.SIGN_IN_WINDOW_SECONDS)
    attempts = AuditLog.objects.filter(
        object_id=_attempted(username), ip=ip, created_at__gt=now - window
    )
    successes = attempts.filter(action=Action.SIGNED_IN)
    last_success = successes.aggregate(at=Max("created_at"))["at"]
    failures = attempts.filter(action=Action.SIGN_IN_FAILED)
    if last_success:
        failures = failures.filter(created_at__gt=last_success)
    times = list(
        failures.order_by("-created_at").values_list("created_at", flat=True)[
            : settings.SIGN_IN_FAILURES
        ]
    )
    if len(times) < settings.SIGN_IN_FAILURES:
        return 0
    return max(1, round((times[-1] + window - now).total_seconds()))


def _attempted(username: str) -> str:
    """Return a name for the name that was typed: people type passwords there, so it is not kept."""
    return salted_hmac("sign-in", username.casefold(), algorithm="sha256").hexdigest()


def _record(request, username: str, user) -> None:
    """Audit one attempt; a failed one proves nobody's identity, so it has no actor."""
    tried = get_user_model().objects.filter(username=username).values_list("pk", flat=True).first()
    record(
        Action.SIGNED_IN if user else Action.SIGN_IN_FAILED,
        Origin(user and user.pk, request.request_id, request.client_ip),
        object_type="sign-in",
        object_id=_attempted(username),
        user_id=tried,
    )


class SignInForm(AuthenticationForm):
    """Django's form, with our limit on guessing in front of it."""

    admits = staticmethod(anybody)

    def clean(self):
        """Sign in. Raises ValidationError if that is refused, or was tried too often."""
        username = self.cleaned_data.get("username")
        password = self.cleaned_data.get("password")
        if not username or not password:
            return self.cleaned_data
        try:
            self.user_cache = check(self.request, username, password, self.admits)
        except TooManyFailures as refused:
            minutes = -(-refused.seconds // 60)
            unit = "minute" if minutes == 1 else "minutes"
            raise ValidationError(
                f"Too many attempts. Try again in {minutes} {unit}.", code="throttled"
            ) from None
        if self.user_cache is None:
            raise self.get_invalid_login_error()
        self.confirm_login_allowed(self.user_cache)
        return self.cleaned_data
