"""Pages about the API for those who program against it. Everybody may read them."""

import json
import re
from functools import cache

from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition, require_safe
from drf_spectacular.renderers import OpenApiYamlRenderer
from rest_framework import exceptions

from smartbank import openapi
from smartbank.catalogue import PROBLEMS


@require_safe
def problems(request):
    """List every error that the API can answer."""
    return render(request, "documentation/problems.html", {"problems": PROBLEMS.items()})


@require_safe
def problem(request, code):
    """Explain one error. A problem's `type` is the address of this page."""
    if code not in PROBLEMS:
        raise Http404
    kind = PROBLEMS[code]
    context = {
        "code": code,
        "problem": kind,
        "meaning": _with_code(kind.meaning),
        "remedy": _with_code(kind.remedy),
        "example": json.dumps(kind.example(code), indent=2, ensure_ascii=False),
    }
    return render(request, "documentation/problem.html", context)


def _with_code(text: str) -> SafeString:
    """Return the text as HTML, with what stands between backticks marked as code."""
    parts = enumerate(re.split("`", text))
    marked = ((format_html("<code>{}</code>", part) if n % 2 else part,) for n, part in parts)
    return format_html_join("", "{}", marked)


# --- The OpenAPI document ---------------------------------------------------------------------


@csrf_exempt
@require_safe
@condition(etag_func=lambda request: f'"{_preferred(request)}-{openapi.digest()}"')
def schema(request):
    """Answer the OpenAPI document as JSON, or as YAML to `?format=yaml` or who prefers that."""
    wanted = _preferred(request)
    if wanted not in ("json", "yaml"):
        raise exceptions.ValidationError({"format": "This must be one of json, yaml."})
    if wanted == "json":
        return JsonResponse(openapi.document())
    return HttpResponse(_yaml(), content_type="application/yaml")


@cache
def _yaml() -> bytes:
    """Return the document as YAML: writing it takes half a second of the processor."""
    return as_yaml(openapi.document())


def as_yaml(document: dict) -> bytes:
    """Return the document as it is committed in docs/openapi.yaml."""
    return OpenApiYamlRenderer().render(document, renderer_context={})


def _preferred(request) -> str:
    if "format" in request.GET:
        return request.GET["format"]
    best = request.get_preferred_type(["application/json", "application/yaml"])
    return "yaml" if best == "application/yaml" else "json"


@require_safe
def docs(request):
    """Show the document as a page on which each operation can be tried."""
    return render(request, "documentation/docs.html")
