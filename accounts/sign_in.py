"""Signing in with a name and a password, for pages, admin and tokens alike."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.utils.crypto import salted_hmac
from django.utils.translation import ngettext

from accounts import throttles
from audit.models import Action
from audit.operations import Origin, record


class RolesAlone(ModelBackend):
    """Django's users and their groups, without superusers: to be one opens nothing (setting
    AUTHENTICATION_BACKENDS). What people may do in this bank, they may by their roles."""

    def user_can_authenticate(self, user) -> bool:
        """Return whether the user may sign in, and stay so."""
        return super().user_can_authenticate(user) and not user.is_superuser


def anybody(user) -> bool:
    """Admit every active user."""
    return True


def by_password(user) -> bool:
    """Admit whom a password alone may open a door for; staff need their second factor, too."""
    return not (user.is_staff and settings.STAFF_SECOND_FACTOR)


def check(request, username: str, password: str, admits: Callable[..., bool] = anybody):
    """Return the active user whom name and password open and whom the door `admits`, or None.

    Raises throttles.TooMany, without looking at the password, once as many attempts have failed as
    `throttles.of_guessing` allows. Each attempt counts before it is looked at, so that simultaneous
    guesses cannot slip through; a success takes back what it counted.
    """
    one_name, address = throttles.of_guessing(username, request.client_ip)
    throttles.take(request, one_name, address)
    user = authenticate(request, username=username, password=password)
    if user and user.get_username() != username:
        user = None  # MariaDB's collation takes "RÉENA " for "reena": each would count on its own
    if user and not admits(user):
        user = None
    if user:
        throttles.forgive(one_name)
        throttles.give_back(address)
    _record(request, username, user)
    return user


def confirm(request, password: str) -> bool:
    """Return whether it is the password of whoever is signed in.

    Wrong ones count as at the door, and are in the audit log. Raises throttles.TooMany.
    """
    username = request.user.get_username()
    limits = throttles.of_guessing(username, request.client_ip)
    throttles.take(request, *limits)
    if request.user.check_password(password):
        for limit in limits:
            throttles.give_back(limit)
        return True
    _record(request, username, None)
    return False


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


def try_again_in(seconds: int) -> str:
    """Return what a page says to somebody who tried too often."""
    minutes = -(-seconds // 60)
    return ngettext(
        "Too many attempts. Try again in {minutes} minute.",
        "Too many attempts. Try again in {minutes} minutes.",
        minutes,
    ).format(minutes=minutes)


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
        except throttles.TooMany as refused:
            raise ValidationError(try_again_in(refused.seconds), code="throttled") from None
        if self.user_cache is None:
            raise self.get_invalid_login_error()
        self.confirm_login_allowed(self.user_cache)
        return self.cleaned_data
