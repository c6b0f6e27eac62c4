"""Every error of the API as problem+json (RFC 9457), and of the pages as a page.

Which there are is in the catalogue. A problem never holds a stack trace, SQL, a path of the server
or somebody else's data.
"""

import logging
import sys

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, InternalError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import resolve
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions

from accounts.transactions import Busy
from smartbank.catalogue import PROBLEMS

logger = logging.getLogger("smartbank")

BUSY_RETRY_SECONDS = 2
PAGES = {"pages", "admin"}  # URL namespaces that answer HTML

# Where Django REST framework's word for it is not ours.
CODES = {
    exceptions.ParseError: "malformed_request",
    exceptions.ValidationError: "validation_error",
    exceptions.AuthenticationFailed: "not_authenticated",
    exceptions.PermissionDenied: "permission_denied",
}


def problem(
    request: HttpRequest, code: str, detail: str = "", *, headers=None, **members
) -> JsonResponse:
    """Return the problem `code` of the catalogue as a response; `members` are added to the body."""
    kind = PROBLEMS[code]
    body = {
        "type": f"/problems/{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail or f"{kind.title}.",
        "code": code,
        "request_id": request.request_id,
        **members,
    }
    return JsonResponse(
        body, status=kind.status, headers=headers, content_type="application/problem+json"
    )


def handle_exception(error: Exception, context: dict) -> HttpResponse | None:
    """Return the answer to an exception in an API view (REST framework's EXCEPTION_HANDLER)."""
    return from_exception(context["request"]._request, error)


def from_exception(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return the problem for any exception; what nobody foresaw is logged and says nothing."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, exceptions.APIException):
        return _from_api_exception(request, error)
    # InternalError is the drivers' word for numbers below 1000: the server's own files and disk.
    if isinstance(error, Busy | OperationalError | InterfaceError | InternalError):
        logger.error("database unavailable", exc_info=error, extra={"request": request})
        return busy(request)
    if isinstance(error, SuspiciousOperation):
        return problem(request, "malformed_request")
    logger.error("unforeseen error", exc_info=error, extra={"request": request})
    return problem(request, "internal_error", "It is in our logs under this request id.")


def busy(request: HttpRequest) -> JsonResponse:
    """Return 503: try again, with the same idempotency key if the request had one."""
    return problem(
        request,
        "busy",
        "Nothing was done that the same idempotency key would do twice. Try again shortly.",
        headers={"Retry-After": str(BUSY_RETRY_SECONDS)},
    )


def _from_api_exception(request: HttpRequest, error: exceptions.APIException) -> JsonResponse:
    code = CODES.get(type(error)) or error.get_codes()
    headers = dict(getattr(error, "headers", None) or {})
    members = dict(getattr(error, "members", None) or {})
    if isinstance(error, exceptions.ValidationError):
        members["errors"] = _field_errors(error.get_full_details())
        detail = " ".join(f"{one['field']}: {one['detail']}" for one in members["errors"])
    else:
        detail = str(error.detail)
    if isinstance(error, exceptions.Throttled):
        headers["Retry-After"] = str(int(error.wait or 1))
    if PROBLEMS[code].status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return problem(request, code, detail, headers=headers, **members)


def _field_errors(details, field: str = "") -> list[dict]:
    """Flatten REST framework's nested error details to one list of field, code and detail."""
    if isinstance(details, dict) and isinstance(details.get("message"), str):
        return [{"field": field, "code": details["code"], "detail": str(details["message"])}]
    if isinstance(details, dict):
        pairs = [(f"{field}.{name}" if field else str(name), one) for name, one in details.items()]
    else:
        pairs = [(field, one) for one in details]
    return [error for name, one in pairs for error in _field_errors(one, name)]


# --- What Django itself calls -----------------------------------------------------------------


def wants_page(request: HttpRequest) -> bool:
    """Return whether the answer goes to a person: on the pages' own paths, or to a lost browser."""
    match = request.resolver_match or resolve(
        request.path_info
    )  # refused before the view was found
    if match.url_name != "nowhere":
        return match.namespace in PAGES
    return "text/html" in request.headers.get("Accept", "")


def answer(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return the answer to an exception outside the API views: a page or a problem."""
    return for_caller(request, from_exception(request, error))


def for_caller(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return the problem `response` itself, or the page that says it to a person."""
    if not wants_page(request):
        return response
    page = render(
        request,
        "error.html",
        {"status": response.status_code},
        status=response.status_code,
    )
    if "Retry-After" in response:
        page["Retry-After"] = response["Retry-After"]
    return page


@csrf_exempt  # else an unknown path would answer 403 to a program that posts to it
def nowhere(request: HttpRequest) -> HttpResponse:
    """Answer a path that does not exist. A view, so that DEBUG's own page never shows up."""
    return answer(request, Http404())


def wrong_method(request: HttpRequest, refused: HttpResponse) -> HttpResponse:
    """Answer a method that a plain Django view does not take; `refused` is what Django made."""
    response = answer(request, exceptions.MethodNotAllowed(request.method))
    response["Allow"] = refused["Allow"]
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form or call without a valid CSRF token (setting CSRF_FAILURE_VIEW)."""
    return answer(request, exceptions.PermissionDenied("The CSRF token is missing or wrong."))


def not_found(request, exception=None):
    """Answer 404 (handler404)."""
    return answer(request, Http404())


def forbidden(request, exception=None):
    """Answer 403 (handler403)."""
    return answer(request, PermissionDenied())


def bad_request(request, exception=None):
    """Answer 400 (handler400)."""
    return answer(request, SuspiciousOperation())


def server_error(request):
    """Answer what broke outside of any view (handler500): 503 if it was the database."""
    return answer(request, sys.exc_info()[1] or RuntimeError("unknown"))
