"""Browser sessions: rows that their owner can list and end, and their end when nobody is there."""

import hashlib
import uuid
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from accounts import drafts

SIGNED_IN_AT, SEEN_AT, ADDRESS, AGENT = "signed_in_at", "seen_at", "ip", "agent"
DRAFTS_OF = "drafts_of"
SEEN_EVERY_SECONDS = 60  # so that not every page writes the session
GRACE_SECONDS = 3600  # for which the row outlives the session, to know whose draft it was


class SessionStore(DatabaseStore):
    """Django's sessions in the database, with columns for whose they are (SESSION_ENGINE)."""

    @classmethod
    def get_model_class(cls):
        """Return the model of a session."""
        from accounts.models import BrowserSession  # models are not loaded when this module is

        return BrowserSession

    def create_model_instance(self, data):
        """Return the row to be written, with the columns filled from the session's data."""
        made = super().create_model_instance(data)
        made.user_id = data.get(SESSION_KEY)
        made.public_id = public_id(made.session_key)
        made.signed_in_at = data.get(SIGNED_IN_AT)
        made.seen_at = data.get(SEEN_AT)
        made.ip = data.get(ADDRESS)
        made.agent = data.get(AGENT, "")
        return made


def public_id(session_key: str) -> str:
    """Return the name by which a page can speak of a session; it does not open it."""
    return str(uuid.UUID(bytes=hashlib.sha256(session_key.encode()).digest()[:16]))


def begin(sender, request: HttpRequest, user, **kwargs) -> None:
    """Note down when and where somebody signed in (Django's user_logged_in calls it)."""
    session, now = request.session, _now()
    session[SIGNED_IN_AT] = session[SEEN_AT] = now
    session[ADDRESS] = getattr(request, "client_ip", None)
    session[AGENT] = request.headers.get("User-Agent", "")[:200]
    session.set_expiry(settings.SESSION_SECONDS + GRACE_SECONDS)
    if session.pop(DRAFTS_OF, user.pk) != user.pk:  # they are another's who sat here before
        session.pop(drafts.DRAFTS, None)


def time_out(request: HttpRequest) -> HttpResponse | None:
    """End the session of the request after idle minutes, or after hours, and keep its drafts.

    Whoever signs in again finds them; anybody else who signs in here does not. Returns the answer
    if that is a page to sign in on, else None.
    """
    session, now = request.session, _now()
    if SIGNED_IN_AT in session:
        idle, age = now - session[SEEN_AT], now - session[SIGNED_IN_AT]
        if idle > settings.SESSION_IDLE_SECONDS or age > settings.SESSION_SECONDS:
            return _end(request)
        # What a page asks by itself is no sign of its user.
        if idle >= SEEN_EVERY_SECONDS and request.path != reverse("pages:session"):
            session[SEEN_AT] = now
    elif DRAFTS_OF in session and _is_draft(request):
        return _ask_to_sign_in(request)
    return None


def stay(request: HttpRequest) -> None:
    """Take it for a sign that whoever is signed in says to be there."""
    if SIGNED_IN_AT in request.session:
        request.session[SEEN_AT] = _now()


def seconds_left(request: HttpRequest) -> int:
    """Return for how long whoever is signed in stays so without another sign; 0 for strangers."""
    session = request.session
    if not request.user.is_authenticated or SIGNED_IN_AT not in session:
        return 0
    ends = [
        session[SEEN_AT] + settings.SESSION_IDLE_SECONDS,
        session[SIGNED_IN_AT] + settings.SESSION_SECONDS,
    ]
    return max(0, min(ends) - _now())


def _end(request) -> HttpResponse | None:
    user_id, kept = request.user.pk, request.session.get(drafts.DRAFTS, {})
    logout(request)
    request.session[DRAFTS_OF] = user_id
    request.session[drafts.DRAFTS] = kept
    request.session.set_expiry(GRACE_SECONDS)
    return _ask_to_sign_in(request) if request.path in _pages() else None


def _ask_to_sign_in(request) -> HttpResponse:
    wanted = request.get_full_path() if request.method == "GET" else request.path
    if _is_draft(request):
        drafts.keep(request.session, request.POST.dict())
        wanted = f"{reverse('pages:send')}?draft={request.POST['idempotency_key']}"
    return redirect(f"{settings.LOGIN_URL}?{urlencode({'next': wanted, 'ended': 1})}")


def _pages() -> set[str]:
    """Return the pages that may hold a draft, or that most people stop at."""
    return {reverse(f"pages:{name}") for name in ("home", "send", "check")}


def _is_draft(request) -> bool:
    return (
        request.method == "POST" and request.path in _pages() and "idempotency_key" in request.POST
    )


def _now() -> int:
    return int(timezone.now().timestamp())


def others(user, current_key: str | None):
    """Return the live sessions of the user but for the current one, the last one seen first."""
    return live(user).exclude(session_key=current_key)


def live(user):
    """Return the live sessions of the user, the last one seen first."""
    now = _now()
    return (
        SessionStore.get_model_class()
        .objects.filter(
            user=user,
            signed_in_at__gte=now - settings.SESSION_SECONDS,
            seen_at__gte=now - settings.SESSION_IDLE_SECONDS,
        )
        .order_by("-seen_at", "-signed_in_at")
    )
