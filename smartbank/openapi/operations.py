"""Every operation of the API, in words: what it does, takes and answers.

What the code knows is not repeated here: paths and methods come from the URL configuration, the
scope that a token needs from the view, errors from the catalogue.
"""

from dataclasses import dataclass

from accounts.pagination import DEFAULT_LIMIT, MAX_LIMIT
from smartbank.openapi.schemas import AMOUNT, CURRENCY, DATE, ID, STATUS
from transfers.bulk import MOST, MOST_AT_ONCE

ACCOUNTS, TRANSFERS, CALLER, DOCS = "Accounts", "Transfers", "Who is calling", "About the API"
WEBHOOKS = "Webhooks"
TAGS = [CALLER, ACCOUNTS, TRANSFERS, WEBHOOKS, DOCS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path."""

    tag: str
    name: str  # the operationId
    summary: str
    description: str = ""
    query: tuple[dict, ...] = ()
    headers: tuple[dict, ...] = ()  # of the request
    body: str = ""  # the name of a schema
    status: int = 200
    answer: str = ""  # the name of a schema; empty: there is no body
    answers_with: tuple[str, ...] = ()  # names of headers
    links: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()  # beyond those that every such operation has
    is_public: bool = False
    takes_session: bool = True
    is_conditional: bool = False


def parameter(name: str, schema: dict, description: str, where: str = "query") -> dict:
    """Return an optional parameter."""
    return {"name": name, "in": where, "schema": schema, "description": description}


_PAGES = (
    parameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        "How many rows a page has.",
    ),
    parameter("cursor", {"type": "string"}, "Where a page begins: from `next` or `previous`."),
)
_FILTERS = (
    parameter("since", DATE, "From this day of the bank on."),
    parameter("until", DATE, "Up to this day of the bank, itself included."),
    parameter("direction", {"type": "string", "enum": ["in", "out"]}, "Only what came, or went."),
    parameter("min_amount", AMOUNT, "Only of at least this amount."),
    parameter("max_amount", AMOUNT, "Only of at most this amount."),
)
IF_NONE_MATCH = parameter(
    "If-None-Match", {"type": "string"}, "The ETag of an answer that you have.", "header"
)
IDEMPOTENCY_KEY = parameter(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[ -~]{1,255}$"},
    "Makes it safe to send the request again: the first outcome under a key is remembered for "
    "good. Make a new one (a UUID, say) for each new order. What comes while the first request "
    "under its key still runs waits for that, and gets its answer.",
    "header",
)

OPERATIONS = {
    ("POST", "/auth/token"): Operation(
        tag=CALLER,
        name="createToken",
        summary="Sign in: get a token for a username and a password",
        description="Guesses are counted for each name and address, and tokens for each user: the "
        "`RateLimit` headers tell how many are left. All but username and password may be left "
        "out: then the token is for everything that you may do, from anywhere, for 30 days. Staff "
        "with a second factor get none here but the 401 of a wrong password: they make one that "
        "reads, under *API token* in the back office.",
        body="WishedToken",
        answer="NewToken",
        answers_with=("RateLimit", "RateLimit-Policy"),
        problems=("not_authenticated", "throttled"),
        is_public=True,
    ),
    ("DELETE", "/auth/token"): Operation(
        tag=CALLER,
        name="revokeToken",
        summary="Sign out: revoke the token that is presented",
        status=204,
        takes_session=False,
    ),
    ("POST", "/auth/token/rotation"): Operation(
        tag=CALLER,
        name="rotateToken",
        summary="Get a successor for the token that is presented",
        description="It is for the same and lives as long. Both work until the overlap is over, so "
        "that you can put the new one in place everywhere.",
        body="Rotation",
        takes_session=False,
        answer="NewToken",
        answers_with=("RateLimit", "RateLimit-Policy"),
    ),
    ("GET", "/me"): Operation(
        tag=CALLER,
        name="readMe",
        summary="Who am I?",
        answer="Me",
        links=("customers",),
    ),
    ("GET", "/customers/{id}/accounts"): Operation(
        tag=ACCOUNTS,
        name="listAccounts",
        summary="The accounts of a customer",
        description="`customer_id` of `GET /me` says which customer you are.",
        query=_PAGES,
        answer="AccountPage",
        links=("account", "limits", "entries"),
    ),
    ("GET", "/accounts/{id}"): Operation(
        tag=ACCOUNTS,
        name="readAccount",
        summary="One account",
        answer="Account",
        is_conditional=True,
    ),
    ("GET", "/accounts/{id}/limits"): Operation(
        tag=ACCOUNTS,
        name="readLimits",
        summary="What may still be sent today",
        answer="Limits",
        is_conditional=True,
    ),
    ("GET", "/accounts/{id}/entries"): Operation(
        tag=ACCOUNTS,
        name="listEntries",
        summary="What happened to an account, newest first",
        query=(*_PAGES, *_FILTERS),
        answer="EntryPage",
    ),
    ("GET", "/accounts/{id}/statement"): Operation(
        tag=ACCOUNTS,
        name="readStatement",
        summary="All that happened to an account in a period, between two balances",
        description="Streamed, oldest line first. `closing_balance` is the `opening_balance` of "
        "the next period. In CSV, text that a spreadsheet could take for a formula begins with an "
        "apostrophe.",
        query=(
            parameter("since", DATE, "The first day; without it, the account’s first."),
            parameter("until", DATE, "The last day, itself included; without it, today."),
            parameter(
                "format",
                {"type": "string", "enum": ["json", "csv", "pdf"], "default": "json"},
                "In which form.",
            ),
        ),
        answer="Statement",
    ),
    ("POST", "/transfers"): Operation(
        tag=TRANSFERS,
        name="createTransfer",
        summary="Send money",
        description="All or nothing, at once. A refusal (402, 409, 429 `daily_limit_exceeded`) is "
        "an outcome too: it is recorded under the key, and replayed. No answer, or a 503? Send the "
        "same request with the same key until there is one.",
        headers=(IDEMPOTENCY_KEY,),
        body="Payment",
        status=201,
        answer="Transfer",
        answers_with=("Location", "Idempotent-Replayed"),
        links=("transfer",),
        problems=(
            *("insufficient_funds", "account_not_found", "account_not_active", "same_account"),
            *("currency_mismatch", "idempotency_key_reused", "daily_limit_exceeded"),
        ),
    ),
    ("GET", "/transfers"): Operation(
        tag=TRANSFERS,
        name="listTransfers",
        summary="The caller’s transfers, newest first",
        description="Staff, who see everybody’s, give a direction only with an `account_id`.",
        query=(
            *_PAGES,
            parameter("account_id", ID, "Only those of this account."),
            *_FILTERS,
            parameter("currency", CURRENCY, "Only of this currency, in which amounts are meant."),
            parameter("status", STATUS, "Only those of this status."),
        ),
        answer="TransferPage",
    ),
    ("POST", "/transfers/bulk"): Operation(
        tag=TRANSFERS,
        name="createTransfers",
        summary="Send money to many",
        description=f"Up to {MOST:,} transfers, each by itself: the answer is 200 and has one "
        "result for each, which is what `POST /transfers` would have answered under the same key. "
        "If at first money or limit do not last for all, they are carried out in their order; if "
        "they do, in the bank’s. No answer, or a 503 among the results? Send the same call again. "
        f"With `atomic`, all of them or none, and at most {MOST_AT_ONCE}. The body may have 4 MiB.",
        body="Bulk",
        answer="BulkResults",
        problems=("bulk_refused",),
    ),
    ("POST", "/transfers/quote"): Operation(
        tag=TRANSFERS,
        name="quoteTransfer",
        summary="Ask what a transfer would come to now, and check the payee’s name",
        description="Nothing moves and nothing is recorded.",
        body="PaymentToQuote",
        answer="Quote",
    ),
    ("GET", "/transfers/{id}"): Operation(
        tag=TRANSFERS,
        name="readTransfer",
        summary="One transfer, as its sender or its receiver sees it",
        answer="Transfer",
        is_conditional=True,
    ),
    ("POST", "/transfers/{id}/receipt"): Operation(
        tag=TRANSFERS,
        name="giveReceipt",
        summary="As the receiver: say what arrived",
        body="Receipt",
        answer="Transfer",
        problems=("receipt_not_possible",),
    ),
    ("POST", "/webhooks"): Operation(
        tag=WEBHOOKS,
        name="createWebhook",
        summary="Be told what happens to your accounts",
        description="Messages are POSTed to `url` as Standard Webhooks has it: the headers "
        "`webhook-id` (the same however often a message is sent), `webhook-timestamp` and "
        "`webhook-signature`. Answer 2xx within 10 seconds; else it comes again, for three days. "
        "Messages about one account come in the order of its events. Only public hosts, over TLS.",
        body="WishedWebhook",
        status=201,
        answer="NewWebhook",
        answers_with=("Location",),
        links=("webhook", "deliveries"),
    ),
    ("GET", "/webhooks"): Operation(
        tag=WEBHOOKS,
        name="listWebhooks",
        summary="Your endpoints, newest first",
        query=_PAGES,
        answer="WebhookPage",
    ),
    ("GET", "/webhooks/{id}"): Operation(
        tag=WEBHOOKS, name="readWebhook", summary="One endpoint", answer="Webhook"
    ),
    ("DELETE", "/webhooks/{id}"): Operation(
        tag=WEBHOOKS, name="disableWebhook", summary="Disable an endpoint for good", status=204
    ),
    ("POST", "/webhooks/{id}/secret"): Operation(
        tag=WEBHOOKS,
        name="rotateWebhookSecret",
        summary="Get a new secret",
        description="For 24 hours each message is signed with the old one, too.",
        answer="WebhookSecret",
    ),
    ("POST", "/webhooks/{id}/replay"): Operation(
        tag=WEBHOOKS,
        name="replayWebhook",
        summary="Ask for messages since a moment again, under their old ids",
        description="The first 1,000 since then; `count` says how many they are. Ask again "
        "for the next, 60 times an hour.",
        body="Replay",
        answer="Replayed",
    ),
    ("GET", "/webhooks/{id}/deliveries"): Operation(
        tag=WEBHOOKS,
        name="listDeliveries",
        summary="What became of each message, newest first",
        query=(
            parameter(
                "status",
                {"type": "string", "enum": ["WAITING", "DELIVERED", "FAILED"]},
                "Only those of this status.",
            ),
            *_PAGES,
        ),
        answer="DeliveryPage",
    ),
    ("GET", "/transfers/{id}/proof"): Operation(
        tag=TRANSFERS,
        name="readProof",
        summary="A receipt that anybody can check",
        description="Signed by the bank, with the place of its row in the audit log of the "
        "caller’s account and, once there is one, the way from there to a seal. "
        "docs/verify_receipt.py checks it offline, with the answer of `GET /audit/key`.",
        answer="Proof",
        problems=("proof_not_possible",),
    ),
    ("GET", "/audit/key"): Operation(
        tag=DOCS,
        name="readAuditKeys",
        summary="The public keys that check receipts and seals, the one in use first",
        answer="AuditKeys",
        is_public=True,
    ),
    ("GET", "/healthz"): Operation(
        tag=DOCS,
        name="readHealth",
        summary="Is the process alive?",
        answer="Health",
        is_public=True,
    ),
    ("GET", "/readyz"): Operation(
        tag=DOCS,
        name="readReadiness",
        summary="Can it serve: is the database there, and migrated?",
        answer="Health",
        problems=("busy",),
        is_public=True,
    ),
    ("GET", "/schema"): Operation(
        tag=DOCS,
        name="readSchema",
        summary="This document, in JSON or YAML",
        query=(
            parameter(
                "format",
                {"type": "string", "enum": ["json", "yaml"]},
                "Which; else the Accept header decides, and JSON if that says neither.",
            ),
        ),
        answer="Schema",
        is_conditional=True,
        is_public=True,
    ),
}
