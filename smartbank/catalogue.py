"""Every error that the API can answer: what its code means, what to do about it, and an example.

`problems` answers from this list, the pages at `/problems/<code>` and the OpenAPI document are made
from it, and tests provoke each code and hold its example against the real answer.
"""

from dataclasses import dataclass, field

ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of error. `members` are what its body has beyond those of every problem."""

    status: int
    title: str
    meaning: str
    remedy: str
    detail: str
    members: dict = field(default_factory=dict)
    retry_after: str = ""  # what the Retry-After header counts to; empty: there is none

    def example(self, code: str) -> dict:
        """Return a real answer, but for its ids."""
        return {
            "type": f"/problems/{code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": code,
            "request_id": "7c1d4b1e9f0a4b7f",
            **self.members,
        }


_SAME_KEY = "Send the same request with the same idempotency key"
_NEW_KEY = "Under this idempotency key the answer stays; a new attempt needs a new key."

PROBLEMS = {
    # 400
    "malformed_request": Problem(
        400,
        "The request cannot be read",
        "The body is not one JSON object in UTF-8, a member is there twice, a number is NaN or "
        "Infinity, or it is nested deeper than 8; or the Host header is none of the bank’s.",
        "Correct what writes the JSON. Nothing was done, and no idempotency key is used up.",
        "The body is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 "
        "(char 1).",
    ),
    "validation_error": Problem(
        400,
        "The request is not valid",
        "A member, query parameter or header is missing, unknown, or of the wrong type or form. "
        "`errors` names all of them at once; that an amount has more decimals than its currency is "
        "told when the rest is right.",
        "Correct what `errors` names. Nothing was done, and no idempotency key is used up.",
        "amount: INR has 2 decimals.",
        {
            "errors": [
                {
                    "field": "amount",
                    "code": "invalid",
                    "detail": "INR has 2 decimals.",
                }
            ]
        },
    ),
    # 401, 402, 403
    "not_authenticated": Problem(
        401,
        "You are not signed in",
        "There are no credentials, or the token is wrong, expired, revoked, or used from an "
        "address that it is not for. For `POST /auth/token`: username or password is wrong.",
        "Get a new token with `POST /auth/token` and send it as `Authorization: Bearer <token>`.",
        "The token is wrong, expired or revoked.",
    ),
    "insufficient_funds": Problem(
        402,
        "Not enough money in the account",
        "The account had less than was to be sent. The refusal is recorded: `transfer_id` can be "
        "read, its status is `REJECTED`. No money moved.",
        f"Send at most `available_balance`, or wait for money. {_NEW_KEY}",
        "Not enough money in the account: ₹500.00 was available.",
        {"transfer_id": ID, "available_balance": "500.00"},
    ),
    "permission_denied": Problem(
        403,
        "You may not do this",
        "You may see it, and may not do this to it: staff move no customers’ money, only the "
        "receiver gives a receipt, a browser’s call lacks its CSRF token.",
        "Use a token of somebody who may.",
        "Only customers order transfers.",
    ),
    # 404, 405, 406
    "not_found": Problem(
        404,
        "Not found",
        "There is no such path or object, or it is not yours: both answer alike.",
        "Check the id, and whose token you use.",
        "Not found.",
    ),
    "account_not_found": Problem(
        404,
        "No such account",
        "`field` says which: the account to send from is not yours or does not exist, or the one "
        "to send to does not exist.",
        "Check the id or number. Nothing was done, and no idempotency key is used up.",
        "There is no such account.",
        {"field": "to_account_id"},
    ),
    "method_not_allowed": Problem(
        405,
        "This method is not allowed here",
        "The path exists and does not answer this method.",
        "The `Allow` header lists those that it answers.",
        'Method "PUT" not allowed.',
    ),
    "not_acceptable": Problem(
        406,
        "Only JSON is spoken here",
        "The `Accept` header excludes JSON.",
        "Send `Accept: application/json`, or none.",
        "Could not satisfy the request Accept header.",
    ),
    # 409
    "account_not_active": Problem(
        409,
        "An account is not active",
        "The account to send from, or the one to send to, is frozen or closed. The refusal is "
        "recorded: `transfer_id` can be read. No money moved.",
        f"Ask the bank. {_NEW_KEY}",
        "The account you send to is not active.",
        {"transfer_id": ID},
    ),
    "receipt_not_possible": Problem(
        409,
        "This receipt cannot be given",
        "The transfer is not completed, or its receipt was given with another amount.",
        "Read the transfer: its `receipt` says what stands.",
        "This receipt was already given with another amount.",
    ),
    "proof_not_possible": Problem(
        409,
        "This transfer cannot be proved",
        "It is not completed, it is older than the proofs of the audit log, or the bank’s own "
        "records of it disagree, so that nothing is signed.",
        "Read the transfer. If it is completed and not old, tell the bank the `request_id`.",
        "This transfer is older than the proofs of the audit log.",
    ),
    # 413, 415, 422
    "payload_too_large": Problem(
        413,
        "The body is too large",
        "The body has more bytes than the path takes.",
        "Send less at once. Nothing was done.",
        "The body may have 65536 bytes.",
    ),
    "unsupported_media_type": Problem(
        415,
        "Only UTF-8 JSON is read here",
        "The Content-Type is not `application/json`, its charset is not UTF-8, or the body is "
        "compressed.",
        "Send `Content-Type: application/json` and the body as it is.",
        'Unsupported media type "text/plain" in request.',
    ),
    "same_account": Problem(
        422,
        "From and to are the same account",
        "Money cannot be sent from an account to itself.",
        "Name another account. Nothing was done, and no idempotency key is used up.",
        "From and to are the same account.",
    ),
    "currency_mismatch": Problem(
        422,
        "The currencies differ",
        "The order and both accounts must have one currency: the bank does not convert.",
        "Leave `currency` out, or send to an account of that currency. Nothing was done, and no "
        "idempotency key is used up.",
        "The order and both accounts must have one currency.",
    ),
    "idempotency_key_reused": Problem(
        422,
        "This idempotency key stands for another request",
        "Under this key you ordered something else before. Nothing was done now.",
        "Make a new key for each new order, and keep it for repeating that very order.",
        "This idempotency key was used for another request. Make a new key.",
    ),
    "bulk_refused": Problem(
        422,
        "Not all of these transfers can be made",
        "You asked for all of them or none, and at least one is refused: `refusals` has each with "
        "its place in your array, counted from 0. No money moved, nothing is recorded and no "
        "idempotency key is used up.",
        "Correct or leave out what is refused, and send the rest again.",
        "Not all of the payments can be made, so none was.",
        {
            "refusals": [
                {
                    "index": 0,
                    "status": 404,
                    "problem": {
                        "type": "/problems/account_not_found",
                        "title": "No such account",
                        "status": 404,
                        "detail": "There is no such account.",
                        "code": "account_not_found",
                        "request_id": "7c1d4b1e9f0a4b7f",
                        "field": "to_account_id",
                    },
                }
            ]
        },
    ),
    # 429
    "daily_limit_exceeded": Problem(
        429,
        "Over the daily limit",
        "With this transfer the account would have sent more than it may on one day of the bank. "
        "The refusal is recorded: `transfer_id` can be read. No money moved. This is about money; "
        "too many calls are `throttled`.",
        f"Send at most `remaining`, or come back after `resets_at`. {_NEW_KEY}",
        "Over the daily limit of ₹100.00: ₹100.00 of it was left that day.",
        {"transfer_id": ID, "remaining": "100.00", "resets_at": "2026-11-26T18:30:00.000000Z"},
        "the bank’s midnight",
    ),
    "throttled": Problem(
        429,
        "Too many requests",
        "Too many attempts in the time that the `RateLimit-Policy` header names. This is about "
        "calls and not about money; no transfer was refused.",
        f"Wait as many seconds as `Retry-After` says. {_SAME_KEY}: it is not used up.",
        "Too many attempts. Try again in 900 seconds.",
        {},
        "the moment when attempts count anew",
    ),
    # 500, 503
    "internal_error": Problem(
        500,
        "Something went wrong",
        "The bank made a mistake that nobody foresaw. It is in the bank’s logs.",
        f"{_SAME_KEY}: it cannot pay twice. If it stays, tell the bank the `request_id`.",
        "It is in our logs under this request id.",
    ),
    "busy": Problem(
        503,
        "The bank is busy",
        "The database is away, or a lock was not to be had in time. Either nothing was done, or "
        "the idempotency key tells what was.",
        f"{_SAME_KEY} after as many seconds as `Retry-After` says.",
        "Nothing was done that the same idempotency key would do twice. Try again shortly.",
        {},
        "a moment when it is worth trying",
    ),
}
