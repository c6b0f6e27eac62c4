"""The OpenAPI document: drf-spectacular walks the URL configuration, our tables have the words.

`operations` says what each operation does, `schemas` what goes in and out, `examples.json` holds
real answers that a test records, and the catalogue of errors is the one that answers are made from.
"""

import hashlib
import json
from functools import cache
from pathlib import Path

from drf_spectacular.drainage import error
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema

from smartbank.catalogue import PROBLEMS
from smartbank.openapi.operations import IF_NONE_MATCH, OPERATIONS, TAGS, Operation
from smartbank.openapi.schemas import ID, SCHEMAS, ref

HEADERS = {
    "X-Request-ID": "This call’s id in the bank’s logs: your own, if you sent one.",
    "Location": "The path of what was made.",
    "Link": "The next and previous pages (RFC 8288).",
    "ETag": "Changes with what it names. Send it back as If-None-Match: 304 if nothing did.",
    "Idempotent-Replayed": "`true`: this is the first answer again, and nothing moved now.",
    "Retry-After": "Seconds to wait.",
    "RateLimit": "What is left of each limit (`r`), and for how many seconds (`t`).",
    "RateLimit-Policy": "How much each limit allows (`q`) in how many seconds (`w`).",
    "WWW-Authenticate": "`Bearer`.",
}
LINKS = {
    "customers": ("listAccounts", "id", "$response.body#/customer_id"),
    "account": ("readAccount", "id", "$response.body#/results/0/id"),
    "limits": ("readLimits", "id", "$response.body#/results/0/id"),
    "entries": ("listEntries", "id", "$response.body#/results/0/id"),
    "webhook": ("readWebhook", "id", "$response.body#/id"),
    "deliveries": ("listDeliveries", "id", "$response.body#/id"),
    "transfer": ("readTransfer", "id", "$response.body#/id"),
}
COMPONENTS = {
    "schemas": {**SCHEMAS, "Schema": {"type": "object", "description": "OpenAPI 3.1."}},
    "examples": {
        code: {"summary": kind.title, "value": kind.example(code)}
        for code, kind in PROBLEMS.items()
    },
    "headers": {
        name: {"description": words, "schema": {"type": "string"}}
        for name, words in HEADERS.items()
    },
    "securitySchemes": {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of `POST /auth/token`.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "A browser’s session; unsafe methods also need `X-CSRFToken`.",
        },
    },
}
DESCRIPTION = """\
Send money between accounts. Amounts are strings in major units, ids are UUIDs, times are UTC.

- **Nothing twice**: send an `Idempotency-Key` with `POST /transfers`, and repeat the same request
  with the same key until you have an answer.
- **Errors** are `application/problem+json`. Decide by `code`; the page at `type` says what to do.
- **Two kinds of 429**: `daily_limit_exceeded` is about money and recorded, `throttled` is about
  calls.
- What is not yours does not exist: 404.
- A method that a path does not have is 405, with `Allow`.
- **The first of several errors** is told: a body that is too large (413), an `Accept` without JSON
  (406), who is calling (401), the scope of the token (403), the number of calls (429 `throttled`),
  the method (405), what the caller may see and do (404, 403), the form of the request (400, 415),
  the idempotency key (a replay, or 422), and only then the transfer itself.
"""


class Documented(AutoSchema):
    """Documents an operation of a view from the table (REST framework's DEFAULT_SCHEMA_CLASS)."""

    def get_operation(self, path, path_regex, path_prefix, method, registry):
        """Return the operation, or None with an error that fails the document's test."""
        operation = OPERATIONS.get((method, path))
        if operation is None:
            error(f"{method} {path} is not in smartbank/openapi/operations.py")
            return None
        scope = getattr(self.view, "scopes", {}).get(self.view.action, "")
        return as_openapi(path, operation, scope)


@cache
def examples() -> dict:
    """Return what was sent and answered, by the name of the operation."""
    return json.loads((Path(__file__).parent / "examples.json").read_text())


@cache
def document() -> dict:
    """Return the whole document; it changes only with the code."""
    return SchemaGenerator().get_schema(request=None, public=True)


@cache
def digest() -> str:
    """Return what changes with the document."""
    return hashlib.sha256(json.dumps(document()).encode()).hexdigest()[:32]


def complete(result: dict, generator, request, public) -> dict:
    """Add what no REST framework view answers, in the table's order (spectacular's hook)."""
    paths = {}
    for (method, path), operation in OPERATIONS.items():
        found = result["paths"].get(path, {}).get(method.lower())
        paths.setdefault(path, {})[method.lower()] = found or as_openapi(path, operation, "")
    return {
        **result,
        "info": result["info"] | {"description": DESCRIPTION},
        "tags": [{"name": tag} for tag in TAGS],
        "paths": paths,
        "components": COMPONENTS,
    }


def no_request(method, path, view, original_request) -> None:
    """Return nothing: our table needs no request to look at (spectacular's GET_MOCK_REQUEST)."""


def as_openapi(path: str, operation: Operation, scope: str) -> dict:
    """Return an operation as OpenAPI has it."""
    in_path = [{"name": "id", "in": "path", "required": True, "schema": ID}] * ("{id}" in path)
    needs = f"Needs the scope `{scope}`." if scope else ""
    made = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": " ".join(filter(None, [operation.description, needs])),
        "parameters": [*in_path, *operation.query, *operation.headers],
        "security": _security(operation, scope),
        "responses": {str(operation.status): _success(operation)} | _problems(path, operation),
    }
    if operation.is_conditional:
        made["parameters"].append(IF_NONE_MATCH)
        made["responses"]["304"] = {
            "description": "Nothing has changed since the answer with that ETag.",
            "headers": _headers("X-Request-ID", "ETag"),
        }
    if operation.body:
        content = {"schema": ref(operation.body)}
        if recorded := examples().get(operation.name, {}).get("request"):
            content["example"] = recorded
        made["requestBody"] = {"required": True, "content": {"application/json": content}}
    return made


def _security(operation: Operation, scope: str) -> list[dict]:
    if operation.is_public:
        return []
    return [{"token": [scope] * bool(scope)}] + [{"session": []}] * operation.takes_session


def _success(operation: Operation) -> dict:
    headers = ["X-Request-ID", *operation.answers_with]
    if operation.answer.endswith("Page"):
        headers.append("Link")
    if operation.is_conditional:
        headers.append("ETag")
    response = {"description": "Done.", "headers": _headers(*headers)}
    if operation.answer:
        content = {"schema": ref(operation.answer)}
        if recorded := examples().get(operation.name, {}).get("answer"):
            content["example"] = recorded
        response["content"] = {"application/json": content}
        if operation.answer == "Statement":
            response["content"] |= {"text/csv": {}, "application/pdf": {}}
        if operation.answer == "Schema":
            response["content"]["application/yaml"] = {"schema": {"type": "string"}}
    links = [(name, *LINKS[name]) for name in operation.links]
    if links:
        response["links"] = {
            name: {"operationId": target, "parameters": {parameter: where}}
            for name, target, parameter, where in links
        }
    return response


def _problems(path: str, operation: Operation) -> dict:
    """Return the responses for all errors that the operation can answer, by status."""
    codes = {"malformed_request", "internal_error", *operation.problems}
    if not operation.is_public:
        codes |= {"not_authenticated", "permission_denied", "throttled"}
    if operation.name not in {"readHealth", "readSchema"}:
        codes.add("busy")
    if operation.body:
        codes |= {"validation_error", "payload_too_large", "unsupported_media_type"}
    if operation.query:
        codes.add("validation_error")
    if "{id}" in path or any(one["name"] == "account_id" for one in operation.query):
        codes |= {"validation_error", "not_found"}
    if path not in {"/healthz", "/readyz", "/schema"}:
        codes.add("not_acceptable")

    responses = {}
    for code, kind in PROBLEMS.items():
        if code in codes:
            response = responses.setdefault(
                str(kind.status),
                {
                    "description": "",
                    "headers": _headers("X-Request-ID"),
                    "content": {
                        "application/problem+json": {"schema": ref("Problem"), "examples": {}}
                    },
                },
            )
            _add(response, code)
    return responses


def _add(response: dict, code: str) -> None:
    kind = PROBLEMS[code]
    line = f"[`{code}`](/problems/{code}): {kind.title}."
    response["description"] = "\n".join(filter(None, [response["description"], f"- {line}"]))
    if kind.retry_after:
        response["headers"] |= _headers("Retry-After")
    if kind.status == 401:
        response["headers"] |= _headers("WWW-Authenticate")
    examples = response["content"]["application/problem+json"]["examples"]
    examples[code] = {"$ref": f"#/components/examples/{code}"}


def _headers(*names: str) -> dict:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
