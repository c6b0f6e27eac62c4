"""API tokens: making, presenting and revoking them."""

import datetime as dt

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from rest_framework import authentication, exceptions

from accounts.models import ApiToken
from audit.models import Action
from audit.operations import Origin, record


def create(user, *, origin: Origin) -> tuple[str, ApiToken]:
    """Make a token for `user` that expires after API_TOKEN_DAYS; return its secret and its row.

    The secret is not stored: whoever does not keep it now needs a new token.
    """
    secret = ApiToken.new_secret()
    now = timezone.now()
    with transaction.atomic():
        token = ApiToken.objects.create(
            user=user,
            token_hash=ApiToken.digest(secret),
            hint=secret[:8],
            created_at=now,
            expires_at=now + dt.timedelta(days=settings.API_TOKEN_DAYS),
        )
        record(
            Action.TOKEN_CREATED,
            origin,
            object_type="token",
            object_id=token.public_id,
            user_id=user.pk,
            expires_at=token.expires_at.isoformat(),
        )
    return secret, token


def revoke(token: ApiToken, *, origin: Origin, reason: str = "") -> bool:
    """Make `token` worthless at once; return False if it was already."""
    with transaction.atomic():
        changed = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(
            revoked_at=timezone.now()
        )
        if changed:
            record(
                Action.TOKEN_REVOKED,
                origin,
                object_type="token",
                object_id=token.public_id,
                user_id=token.user_id,
                reason=reason,
            )
    return bool(changed)


def revoke_all(user, *, origin: Origin, reason: str) -> None:
    """Make every token of `user` worthless: who changes a password wants to be alone."""
    for token in ApiToken.objects.valid().filter(user=user):
        revoke(token, origin=origin, reason=reason)


class BearerAuthentication(authentication.BaseAuthentication):
    """Signs in the user behind `Authorization: Bearer <token>` (RFC 6750).

    Whoever sends an Authorization header is judged by it alone: a wrong one is 401 and never
    falls back to the session cookie.
    """

    def authenticate(self, request):
        """Return (user, token), None without the header. Raises AuthenticationFailed."""
        header = authentication.get_authorization_header(request)
        if not header:
            return None
        scheme, _, secret = header.decode("latin-1").partition(" ")
        token = None
        if scheme.lower() == "bearer":
            token = (
                ApiToken.objects.valid()
                .filter(token_hash=ApiToken.digest(secret))
                .select_related("user__customer")
                .first()
            )
        if token is None:
            raise exceptions.AuthenticationFailed("The token is wrong, expired or revoked.")
        return token.user, token

    def authenticate_header(self, request):
        """Return the challenge of a 401."""
        return "Bearer"
