"""API tokens: making, presenting, rotating and revoking them."""

import datetime as dt
from functools import partial

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DatabaseError, transaction
from django.utils import timezone
from rest_framework import authentication, exceptions, permissions

from accounts import callers, rows, sign_in, transactions
from accounts.models import ApiToken, Customer
from accounts.transactions import not_waiting
from audit.instances import relate
from audit.models import Action
from audit.operations import Origin, record

WRONG = "The token is wrong, expired or revoked."


def create(
    user,
    *,
    name: str = "",
    scopes: str = ApiToken.ALL_SCOPES,
    allowed_ips: str = "",
    days: int | None = None,
    used: bool = False,
    second_factor: bool = False,
    reason: str = "",
    origin: Origin,
) -> tuple[str, ApiToken]:
    """Make a token for `user` that expires after `days`, or API_TOKEN_DAYS; return its secret and
    its row.

    The secret is not stored: whoever does not keep it now needs a new token. `used` says that
    making it was its first use, as signing in is; `second_factor` that more than a password was
    asked for; `reason` why somebody else makes it. Raises
    AuthenticationFailed if the password is another by now than the one that `user` was read with.
    """
    secret, now = ApiToken.new_secret(), timezone.now()
    columns = {
        "name": name,
        "scopes": scopes,
        "allowed_ips": allowed_ips,
        "created_at": now,
        "expires_at": now + dt.timedelta(days=days or settings.API_TOKEN_DAYS),
        "last_used_at": now if used else None,
        "second_factor": second_factor,
    }

    def work() -> ApiToken:
        found = _locked(user.pk)
        if not found.is_active or found.password != user.password:
            raise exceptions.AuthenticationFailed("The username or the password is wrong.")
        return _made(secret) or _insert(
            secret, user, origin, {"reason": reason} if reason else {}, **columns
        )

    return secret, transactions.run(work)


def rotate(token: ApiToken, overlap: dt.timedelta, *, origin: Origin) -> tuple[str, ApiToken]:
    """Make a successor that may do the same, for as long as `token` was made for, and let `token`
    end after `overlap` at the latest; return the successor's secret and its row.

    Raises NotAuthenticated if the token was rotated or revoked before: it has one successor.
    """
    secret, now = ApiToken.new_secret(), timezone.now()
    ends_at = min(token.expires_at, now + overlap)

    def work() -> ApiToken:
        _locked(token.user_id)
        if made := _made(secret):
            return made
        rotated = ApiToken.objects.filter(pk=token.pk, revoked_at=None, rotated_at=None)
        if not rotated.update(rotated_at=now, expires_at=ends_at):
            raise exceptions.NotAuthenticated("The token was rotated or revoked before.")
        return _insert(
            secret,
            token.user,
            origin,
            {"replaces": token.public_id, "which_ends_at": ends_at.isoformat()},
            name=token.name,
            scopes=token.scopes,
            allowed_ips=token.allowed_ips,
            created_at=now,
            expires_at=now + (token.expires_at - token.created_at),
            last_used_at=now,
            second_factor=token.second_factor,
        )

    return secret, transactions.run(work)


def _locked(user_id: int):
    """Return the user as of now, whose password nobody changes until the token is there: whoever
    changes it then finds the token, and revokes it."""
    return get_user_model().objects.select_for_update().get(pk=user_id)


def _made(secret: str) -> ApiToken | None:
    """Return the token if it was made: then our COMMIT arrived and its reply did not."""
    return ApiToken.objects.filter(token_hash=ApiToken.digest(secret)).first()


def _insert(secret: str, user, origin: Origin, details: dict, **columns) -> ApiToken:
    token = ApiToken.objects.create(
        user=user,
        token_hash=ApiToken.digest(secret),
        hint=secret[:8],
        **columns,
    )
    record(
        Action.TOKEN_CREATED,
        origin,
        object_type="token",
        object_id=token.public_id,
        user_id=user.pk,
        scopes=token.scopes,
        allowed_ips=token.allowed_ips,
        expires_at=token.expires_at.isoformat(),
        **details,
    )
    return token


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
        if scheme.lower() != "bearer":
            raise exceptions.AuthenticationFailed(WRONG)
        token_hash = ApiToken.digest(secret)
        is_looked_at_again = _is_looked_at_again(request)
        recalled = callers.recall(token_hash) if is_looked_at_again else None
        token = recalled or _presented(token_hash)
        if token is None or not token.works_from(request.client_ip):
            raise exceptions.AuthenticationFailed(WRONG)
        if not recalled:
            callers.remember(token)
        if not is_looked_at_again:
            _note_use(token)
        request.is_unconfirmed = is_looked_at_again
        return token.user, token

    def authenticate_header(self, request):
        """Return the challenge of a 401."""
        return "Bearer"


def _is_looked_at_again(request) -> bool:
    """Return whether the token is looked at, and its use noted, in the transaction of what is asked
    for."""
    view = request.parser_context.get("view")
    return getattr(view, "action", None) in getattr(view, "looks_at_token", ())


def confirm(request) -> None:
    """Look the caller's token up now, and note its use, if no transaction has. Raises
    AuthenticationFailed."""
    if getattr(request, "is_unconfirmed", False):
        look_up_again(request)
        _note_use(request.auth)


def look_up_again(request) -> None:
    """Let `request.user` and `auth` be what the token stands for now. Raises AuthenticationFailed
    if it opens nothing any more."""
    callers.forget(request.auth.token_hash)
    request.user, request.auth = BearerAuthentication().authenticate(request)


def confirmed(request) -> None:
    """Note that a transaction has looked at the caller's token."""
    request.is_unconfirmed = False


def _presented(token_hash: str) -> ApiToken | None:
    """Return the token if it counts, with its user and customer, as of now.

    One look-up, and never a memory of the last one: a token that is revoked, or whose user is
    deactivated, opens nothing from that moment on. Nor does one whose user became staff, unless it
    was made behind their second factor.
    """
    look_up = partial(
        rows.joined,
        {"token": ApiToken, "person": get_user_model(), "customer": Customer},
        "FROM api_tokens token JOIN auth_user person ON person.id = token.user_id "
        "LEFT JOIN customers customer ON customer.user_id = person.id WHERE token.token_hash = %s",
        [token_hash],
    )
    for token, user, customer in transactions.instead_of_a_ping(look_up):
        relate(token, user=user)
        relate(user, customer=customer)
        if token.is_valid and (token.second_factor or sign_in.by_password(user)):
            return token
    return None


def _note_use(token: ApiToken) -> None:
    """Note that the token was used, once in ten minutes: all other calls pay nothing for it."""
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at <= now - callers.USE_IS_NOTED_EVERY:
        try:
            with not_waiting():
                rows.run(*callers.note_use([token.pk], now))
        except DatabaseError:  # a bank that can only be read is still read, and no call waits
            return


class MissingScope(exceptions.PermissionDenied):
    """403: the token is not for this."""

    def __init__(self, scope: str):
        super().__init__(f"The token lacks the scope {scope}.", "permission_denied")
        self.members = {"missing_scope": scope}
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        self.headers = {"WWW-Authenticate": challenge}


class HasScope(permissions.BasePermission):
    """Lets a token do what it is for. Each view says in `scopes` what an action of it needs; an
    empty text lets any token in, and what is not listed lets in none."""

    def has_permission(self, request, view) -> bool:
        """Return whether the caller may come in. Raises MissingScope."""
        action = getattr(view, "action_map", {}).get(request.method.lower())
        if request.auth is None or hasattr(view, "action_map") and action is None:
            return True  # a session, or a method that the view will refuse
        scope = getattr(view, "scopes", {}).get(action)
        if scope and not request.auth.may(scope):
            raise MissingScope(scope)
        return scope is not None
