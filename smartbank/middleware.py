"""What every request passes through before Django's own middleware."""

import ipaddress
import logging
import re
import time
import uuid
from functools import lru_cache, partial

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import BadRequest, DisallowedHost, SuspiciousOperation
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponseNotAllowed, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.middleware.locale import LocaleMiddleware
from django.urls import resolve
from django.utils import translation
from django.utils.functional import SimpleLazyObject

from accounts import sessions, throttles
from smartbank import problems

logger = logging.getLogger("smartbank.access")

DROPPED_BYTES, DROPPING_SECONDS, PIECE = 8 * 1024 * 1024, 5, 64 * 1024
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class RequestIdMiddleware:
    """Gives each request an id and a caller's address, and writes one log line about it."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        started = time.monotonic()
        given = request.headers.get("X-Request-ID", "")
        request.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        request.client_ip = client_ip(request)
        response = self.get_response(request)
        response["X-Request-ID"] = request.request_id
        for name, value in throttles.headers(request).items():
            response[name] = value
        milliseconds = round((time.monotonic() - started) * 1000)
        logger.info(
            "%s %s %s",
            request.method,
            request.path,
            response.status_code,
            extra={
                "request": request,
                "status": response.status_code,
                "ms": milliseconds,
            },
        )
        return response


def client_ip(request: HttpRequest) -> str | None:
    """Return the caller's address.

    X-Forwarded-For counts only as far as TRUSTED_PROXIES wrote it: read from the right, the first
    address that is not one of them. Whatever a client puts further left changes nothing.
    """
    hops = request.headers.get("X-Forwarded-For", "").split(",")
    address = request.META.get("REMOTE_ADDR", "")
    while address in settings.TRUSTED_PROXIES and hops and hops[-1].strip():
        address = hops.pop().strip()
    return _canonical(address)


@lru_cache(maxsize=10_000)
def _canonical(address: str) -> str | None:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:  # a unix socket, or a proxy that wrote nonsense
        return None


class PageLanguageMiddleware(LocaleMiddleware):
    """Speaks the reader's language on the customers' pages; API and back office speak English."""

    def process_request(self, request):
        """Choose the language by the reader's cookie, else by what the browser asks for."""
        if _namespace(request.path_info) == "pages":
            super().process_request(request)
        else:
            translation.activate(settings.LANGUAGE_CODE)

    def process_response(self, request, response):
        """Name the language of a page."""
        if _namespace(request.path_info) == "pages":
            return super().process_response(request, response)
        return response


@lru_cache(maxsize=1_000)
def _namespace(path: str) -> str:
    return resolve(path).namespace


class TimeoutMiddleware:
    """Ends browser sessions after idle minutes, and in any case after hours."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.path == "/healthz":  # which must need no database, whoever asks
            return self.get_response(request)
        try:
            response = sessions.time_out(request)
        except DatabaseError as error:  # here, outside of any view, Django would answer by itself
            return problems.answer(request, error)
        return response or self.get_response(request)


class SecurityHeadersMiddleware:
    """Adds what Django's SecurityMiddleware does not: the content security policy, no caching."""

    def __init__(self, get_response):
        self.get_response = get_response
        self.policy = "; ".join(
            f"{name} {' '.join(sources)}" for name, sources in settings.SECURE_CSP.items()
        )

    def __call__(self, request):
        response = self.get_response(request)
        response["Content-Security-Policy"] = self.policy
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        response["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=()"
        if not request.path.startswith(settings.STATIC_URL):
            response["Cache-Control"] = "no-store"
        return response


class ProblemMiddleware:
    """Refuses what no view should see, and turns what a view lets escape into an answer."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        try:
            request.get_host()
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except (DisallowedHost, ValueError):
            return self._refuse(request, "malformed_request")
        most = settings.BODY_BYTES.get(request.path, settings.MAX_BODY_BYTES)
        if length > most:
            _drop_body(request)
            bound = f"The body may have {most} bytes."
            return self._refuse(request, "payload_too_large", bound)
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed):  # of a view that is not the API's
            return problems.wrong_method(request, response)
        if "Allow" in response and not problems.wants_page(request):
            # REST framework names a method that it answers nowhere here
            response["Allow"] = response["Allow"].removesuffix(", OPTIONS")
        return response

    def process_view(self, request, view, args, kwargs):
        """Refuse a form that cannot be read, before the CSRF check trips over it."""
        if problems.wants_page(request):
            try:
                request.POST  # noqa: B018  (reading it is the point)
            except (BadRequest, SuspiciousOperation, MultiPartParserError):
                return self._refuse(request, "malformed_request")
        return None

    def _refuse(self, request, code, detail=""):
        return problems.for_caller(request, problems.problem(request, code, detail))

    def process_exception(self, request, error):
        """Answer an exception of a view that is not the API's, with DEBUG on or off."""
        return problems.answer(request, error)


def _drop_body(request: HttpRequest) -> None:
    """Read what a client sends before it listens, keeping nothing, so that it gets the answer and
    no broken pipe: up to DROPPED_BYTES, for DROPPING_SECONDS. Who asked first need not send it."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        return
    until, left = time.monotonic() + DROPPING_SECONDS, DROPPED_BYTES
    try:
        while left > 0 and time.monotonic() < until and (piece := request.read(PIECE)):
            left -= len(piece)
    except UnreadablePostError:  # it hung up
        return


class SecondFactorMiddleware:
    """Takes staff whose session has given a password and no code for strangers, on all paths: only
    the page that asks for the code looks at `request.half_known`."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        """Answer the request; who asks is still looked up only if somebody wants to know."""
        request.half_known = request.user
        if settings.STAFF_SECOND_FACTOR:
            request.user = SimpleLazyObject(partial(_admitted, request.half_known))
        return self.get_response(request)


def _admitted(user):
    needs_code = user.is_authenticated and user.is_staff and not user.is_verified()
    return AnonymousUser() if needs_code else user
