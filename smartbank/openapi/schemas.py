"""The shapes of what goes in and out, as JSON Schema: the components of the OpenAPI document."""

from accounts import money
from accounts.models import Account, Scope
from smartbank.catalogue import PROBLEMS
from transfers.bulk import MOST, MOST_AT_ONCE
from transfers.models import Transfer, WebhookDelivery
from transfers.outbox import EventType

_TEXT = "[^\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]"


def ref(name: str) -> dict:
    """Return a reference to the schema of that name."""
    return {"$ref": f"#/components/schemas/{name}"}


def a(schema: dict, **more) -> dict:
    """Return a schema with more said about it."""
    return {**schema, **more}


def or_null(schema: dict) -> dict:
    """Return a schema that also takes null."""
    if isinstance(schema.get("type"), str) and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def an_object(members: dict, optional: tuple[str, ...] = ()) -> dict:
    """Return the schema of an object with exactly these members, all there but the `optional`."""
    required = [name for name in members if name not in optional]
    made = {"type": "object", "properties": members, "additionalProperties": False}
    return made | ({"required": required} if required else {})


def a_page(of: str) -> dict:
    """Return the schema of a page of a list."""
    link = {"type": ["string", "null"], "format": "uri"}
    return an_object(
        {
            "next": a(link, description="The page of older rows."),
            "previous": a(link, description="The page of newer rows."),
            "results": {"type": "array", "items": ref(of)},
        }
    )


ID = {
    "type": "string",
    "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    "description": "A UUID in lower case.",
}
_HASH = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_SIGNATURE = {
    "key_id": {"type": "string", "description": "Which key of `GET /audit/key` checks it."},
    "signature": {"type": "string", "pattern": "^[0-9a-f]{128}$", "description": "Ed25519."},
}
TIME = {"type": "string", "format": "date-time", "description": "RFC 3339 in UTC."}
DATE = {"type": "string", "format": "date", "description": "A day of the bank."}
AMOUNT = {
    "type": "string",
    "pattern": "^(0|[1-9][0-9]*)(\\.[0-9]+)?$",
    "description": "Major units, with exactly the currency’s ISO 4217 decimals.",
}
SIGNED = {**AMOUNT, "pattern": "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?$"}
CURRENCY = {"type": "string", "enum": sorted(money.EXPONENTS), "description": "ISO 4217."}
NUMBER = {
    "type": "string",
    "pattern": "^[0-9]{12}$",
    "description": "An account number: 12 digits, the last two check the others "
    "(ISO 7064 MOD 97-10).",
}
STATUS = {"type": "string", "enum": Transfer.Status.values}


def text(length: int, least: int = 0) -> dict:
    """Return the schema of a text that people read: no control or bidirectional characters."""
    return {
        "type": "string",
        "maxLength": length,
        "pattern": f"^{_TEXT}{{{least},{length}}}$",
    }


_PAYMENT = {
    "from_account_id": a(ID, description="The account to send from: one of the caller’s own."),
    "to_account_id": a(ID, description="The account to send to; or give `to_account_number`."),
    "to_account_number": NUMBER,
    "amount": {
        "anyOf": [AMOUNT, {"type": "number", "exclusiveMinimum": 0}],
        "description": "More than zero, with at most the currency’s decimals. A string, or a JSON "
        "number whose own digits are read, never as a float.",
    },
    "currency": a(CURRENCY, description="Left out: the sender’s account’s."),
    "reference": a(text(140), description="Shown to both sides."),
}
_RECEIVER = {"oneOf": [{"required": ["to_account_id"]}, {"required": ["to_account_number"]}]}
_OPTIONAL = ("to_account_id", "to_account_number", "currency", "reference")

_URL = {"type": "string", "format": "uri", "maxLength": 500}
_EVENTS = {
    "type": "array",
    "items": {"type": "string", "enum": EventType.values},
    "minItems": 1,
    "maxItems": len(EventType),
    "description": "Left out: all.",
}
_WEBHOOK = {
    "id": ID,
    "url": _URL,
    "events": _EVENTS,
    "status": {"type": "string", "enum": ["ACTIVE", "DISABLED"]},
    "created_at": TIME,
}
_SECRET = {"type": "string", "pattern": "^whsec_", "description": "Shown this once."}

SCHEMAS = {
    "WishedToken": an_object(
        {
            "username": text(150, 1),
            "password": {
                "type": "string",
                "minLength": 1,
                "maxLength": 4096,
                "format": "password",
            },
            "name": a(text(60), description="To know it by in lists."),
            "scopes": {
                "type": "array",
                "items": {"type": "string", "enum": Scope.values},
                "minItems": 1,
                "maxItems": len(Scope),
                "description": "What it is to be for.",
            },
            "allowed_ips": {
                "type": "array",
                "items": {"type": "string", "examples": ["203.0.113.9", "198.51.100.0/24"]},
                "minItems": 1,
                "maxItems": 8,
                "description": "The only addresses and networks that it is to work from.",
            },
            "days": {"type": "integer", "minimum": 1, "maximum": 366},
        },
        ("name", "scopes", "allowed_ips", "days"),
    ),
    "Rotation": an_object(
        {
            "overlap_hours": {
                "type": "integer",
                "minimum": 0,
                "maximum": 168,
                "default": 24,
                "description": "How long the old token still works.",
            }
        },
        ("overlap_hours",),
    ),
    "NewToken": an_object(
        {
            "token": {"type": "string", "pattern": "^sbk_", "description": "Shown this once."},
            "expires_at": TIME,
        }
    ),
    "Me": an_object(
        {
            "username": {"type": "string"},
            "customer_id": or_null(ID),
            "name": {"type": "string"},
            "is_staff": {"type": "boolean"},
        }
    ),
    "Account": an_object(
        {
            "id": ID,
            "number": NUMBER,
            "name": {"type": "string"},
            "currency": CURRENCY,
            "status": {"type": "string", "enum": Account.Status.values},
            "balance": SIGNED,
            "available_balance": a(
                SIGNED, description="The balance less what pending transfers hold."
            ),
            "daily_limit": AMOUNT,
            "created_at": TIME,
        }
    ),
    "AccountPage": a_page("Account"),
    "Limits": an_object(
        {
            "account_id": ID,
            "currency": CURRENCY,
            "date": DATE,
            "time_zone": {"type": "string", "description": "Whose midnight ends the day."},
            "daily_limit": AMOUNT,
            "used": AMOUNT,
            "remaining": AMOUNT,
            "resets_at": TIME,
        }
    ),
    "Entry": an_object(
        {
            "sequence": {
                "type": "integer",
                "minimum": 1,
                "description": "1, 2, 3, … per account, without a gap.",
            },
            "transfer_id": ID,
            "amount": a(SIGNED, description="Below zero: it left the account."),
            "balance_after": SIGNED,
            "counterparty_name": {"type": "string"},
            "reference": {"type": "string"},
            "created_at": TIME,
        }
    ),
    "EntryPage": a_page("Entry"),
    "Statement": an_object(
        {
            "account_id": ID,
            "account_number": NUMBER,
            "currency": CURRENCY,
            "time_zone": {"type": "string"},
            "since": DATE,
            "until": DATE,
            "opening_balance": SIGNED,
            "closing_balance": SIGNED,
            "lines": {"type": "array", "items": ref("Entry")},
        }
    ),
    "Payment": an_object(_PAYMENT, _OPTIONAL) | _RECEIVER,
    "BulkPayment": an_object(
        _PAYMENT | {"idempotency_key": {"type": "string", "pattern": "^[ -~]{1,255}$"}}, _OPTIONAL
    )
    | _RECEIVER,
    "Bulk": an_object(
        {
            "transfers": {
                "type": "array",
                "items": ref("BulkPayment"),
                "minItems": 1,
                "maxItems": MOST,
            },
            "atomic": {
                "type": "boolean",
                "default": False,
                "description": f"All or none; then at most {MOST_AT_ONCE}.",
            },
        },
        ("atomic",),
    ),
    "BulkResults": an_object(
        {
            "results": {
                "type": "array",
                "description": "One for each transfer, in the same order.",
                "items": an_object(
                    {
                        "status": {"type": "integer"},
                        "transfer": ref("Transfer"),
                        "problem": ref("Problem"),
                    },
                    ("transfer", "problem"),
                ),
            }
        }
    ),
    "PaymentToQuote": an_object(
        _PAYMENT | {"payee_name": a(text(140), description="Whose account you think it is.")},
        (*_OPTIONAL, "payee_name"),
    )
    | _RECEIVER,
    "Quote": an_object(
        {
            "outcome": {
                "type": "string",
                "description": "`COMPLETED`, `PENDING`, or the code of the refusal.",
            },
            "payee": an_object(
                {
                    "name_match": {
                        "type": "string",
                        "enum": ["MATCH", "CLOSE_MATCH", "NO_MATCH", "NOT_CHECKED"],
                    },
                    "display_name": {"type": ["string", "null"]},
                }
            ),
            "balance_after": or_null(SIGNED),
            "remaining_today": or_null(AMOUNT),
        }
    ),
    "Transfer": an_object(
        {
            "id": ID,
            "status": STATUS,
            "from_account_id": ID,
            "to_account_id": ID,
            "amount": AMOUNT,
            "currency": CURRENCY,
            "reference": {"type": "string"},
            "failure_code": {
                "type": ["string", "null"],
                "description": "Why it was refused: a problem’s code.",
            },
            "created_at": TIME,
            "completed_at": or_null(TIME),
            "receipt": an_object(
                {
                    "status": {"type": "string", "enum": Transfer.Receipt.values},
                    "confirmed_at": or_null(TIME),
                    "credited_amount": a(
                        AMOUNT, description="To the receiver: what really arrived."
                    ),
                    "balance_after": SIGNED,
                    "matches": {"type": "boolean"},
                },
                ("credited_amount", "balance_after", "matches"),
            ),
            "reverses": or_null(a(ID, description="The transfer that this one takes back.")),
            "reversed_amount": a(AMOUNT, description="How much of it was taken back."),
        }
    ),
    "TransferPage": a_page("Transfer"),
    "Receipt": an_object(
        {
            "received_amount": {
                "anyOf": [AMOUNT, {"type": "number", "minimum": 0}],
                "description": "Equal to what was credited confirms it, anything else disputes it.",
            }
        }
    ),
    "WishedWebhook": an_object({"url": _URL, "events": _EVENTS}, ("events",)),
    "Webhook": an_object(_WEBHOOK),
    "NewWebhook": an_object({**_WEBHOOK, "secret": _SECRET}),
    "WebhookPage": a_page("Webhook"),
    "WebhookSecret": an_object({"secret": _SECRET}),
    "Replay": an_object({"since": a(TIME, pattern="Z$")}),
    "Replayed": an_object({"count": {"type": "integer", "minimum": 0}}),
    "Delivery": an_object(
        {
            "message_id": ID,
            "message": ref("Message"),
            "status": {"type": "string", "enum": WebhookDelivery.State.values},
            "attempts": {"type": "integer", "minimum": 0},
            "last_answer": {"type": "string", "description": "A status, or why there was none."},
            "delivered_at": or_null(TIME),
            "next_attempt_at": or_null(TIME),
        }
    ),
    "DeliveryPage": a_page("Delivery"),
    "Message": an_object(
        {
            "type": {"type": "string", "enum": EventType.values},
            "timestamp": TIME,
            "data": {"type": "object", "description": "The account’s id and what happened to it."},
        }
    ),
    "Proof": an_object(
        {
            "receipt": an_object(
                {
                    "transfer_id": ID,
                    "status": STATUS,
                    "from_account_id": ID,
                    "to_account_id": ID,
                    "amount": AMOUNT,
                    "currency": CURRENCY,
                    "reference": {"type": "string"},
                    "failure_code": {"type": ["string", "null"]},
                    "created_at": TIME,
                    "completed_at": or_null(TIME),
                    "account_id": a(ID, description="In whose chain of audit rows it stands."),
                    "sequence": {"type": "integer", "minimum": 1},
                    "previous_link": _HASH,
                    "tag": _HASH,
                    "link": a(_HASH, description="SHA-256 of `previous_link` and `tag`."),
                }
            ),
            **_SIGNATURE,
            "seal": or_null(ref("SealOfProof")),
        }
    ),
    "SealOfProof": an_object(
        {
            "number": {"type": "integer", "minimum": 1},
            "sealed_at": TIME,
            "count": {"type": "integer", "minimum": 1, "description": "Leaves of its tree."},
            "root": _HASH,
            "previous": a(_HASH, description="Hash of the seal before."),
            **_SIGNATURE,
            "account": an_object(
                {
                    "account_id": ID,
                    "sequence": {"type": "integer", "minimum": 1},
                    "link": a(_HASH, description="Where the chain ended when it was sealed."),
                }
            ),
            "tags": {
                "type": "array",
                "items": _HASH,
                "description": "Of the rows after the receipt’s, up to there.",
            },
            "path": {
                "type": "array",
                "items": an_object({"left": _HASH, "right": _HASH}, ("left", "right")),
                "description": "What the leaf is hashed with, in turn, up to the root.",
            },
        }
    ),
    "AuditKeys": an_object(
        {
            "keys": {
                "type": "array",
                "items": an_object(
                    {
                        "id": {"type": "string"},
                        "algorithm": {"type": "string", "enum": ["Ed25519"]},
                        "public_key": _HASH,
                    }
                ),
            }
        }
    ),
    "Health": an_object({"status": {"type": "string", "enum": ["alive", "ready"]}}),
    "Problem": {
        "type": "object",
        "description": "RFC 9457. `code` decides, `detail` is for people; refusals have more "
        "members, which the page at `type` explains.",
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string", "enum": list(PROBLEMS)},
            "request_id": {"type": "string"},
            "errors": {
                "type": "array",
                "items": an_object(
                    {one: {"type": "string"} for one in ("field", "code", "detail")}
                ),
            },
            "transfer_id": a(ID, description="The transfer that records the refusal."),
            "refusals": {
                "type": "array",
                "items": an_object(
                    {
                        "index": {"type": "integer", "minimum": 0},
                        "status": {"type": "integer"},
                        "problem": ref("Problem"),
                    }
                ),
            },
            "available_balance": AMOUNT,
            "remaining": AMOUNT,
            "resets_at": TIME,
            "field": {"type": "string"},
            "missing_scope": {"type": "string", "enum": Scope.values},
        },
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "additionalProperties": False,
    },
}
