"""A client of the SmartBank API in one file, with nothing but Python's standard library.

Copy it into your program. What it is for is `send`: it repeats an order under one idempotency key
until the bank has answered, so that money is sent once, whatever gets lost on the way.

    bank = SmartBank("https://bank.example", token)
    [account, *_] = bank.accounts()
    transfer = bank.send(account["id"], "900000000247", "25.00", key="invoice-4711")
"""

import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Iterator


class Refused(Exception):
    """The bank has answered, and the answer is no. Decide by `code`; `problem` has all of it."""

    def __init__(self, problem: dict):
        super().__init__(f"{problem['code']}: {problem['detail']}")
        self.code, self.problem = problem["code"], problem


class NoAnswer(Exception):
    """The bank did not answer in time. Money may have moved: call again with the same key."""


class SmartBank:
    """The API, for one token."""

    def __init__(self, base: str, token: str = "", *, patience: int = 120, pause: int = 1):
        self.base, self.token = base.rstrip("/"), token
        self.patience, self.pause = patience, pause  # seconds: in all, and before the first repeat

    def sign_in(self, username: str, password: str, **wishes) -> None:
        """Get a token; `wishes` may be name, scopes, allowed_ips and days."""
        body = {"username": username, "password": password, **wishes}
        self.token = self.call("POST", "/auth/token", body)["token"]

    def accounts(self) -> list[dict]:
        """Return the accounts of the token's owner."""
        customer = self.call("GET", "/me")["customer_id"]
        return list(self.all(f"/customers/{customer}/accounts"))

    def send(self, from_account_id: str, to_number: str, amount: str, *, key: str, **more) -> dict:
        """Send money and return the transfer. Raises Refused, or NoAnswer.

        Make `key` from what the payment is for (an invoice's number, say) or store a random one
        before you call: only the same key makes it safe to call again.
        """
        order = {"from_account_id": from_account_id, "to_account_number": to_number}
        return self.call("POST", "/transfers", {**order, "amount": amount, **more}, key=key)

    def all(self, path: str) -> Iterator[dict]:
        """Yield every row of a list, page after page."""
        while path:
            page = self.call("GET", path)
            yield from page["results"]
            path = page["next"]

    def call(self, method: str, path: str, body: dict | None = None, *, key: str = ""):
        """Make one call and return the JSON of its answer, None if there is none.

        What may be repeated is repeated: reads, and what has a key.
        """
        may_repeat = method == "GET" or bool(key)
        give_up_at, pause = time.monotonic() + self.patience, self.pause
        while True:
            status, answer, retry_after = self._once(method, path, body, key)
            if status and status < 400:
                return answer
            # No answer, 5xx, or throttled: it may work later. Any other answer stays what it is,
            # also 429 daily_limit_exceeded: under this key it is refused for good.
            is_throttled = status == 429 and answer["code"] == "throttled"
            if status and status < 500 and not is_throttled:
                raise Refused(answer)
            wait = max(retry_after, pause * random.uniform(0.5, 1))
            if not (may_repeat or is_throttled) or time.monotonic() + wait > give_up_at:
                if status:
                    raise Refused(answer)
                raise NoAnswer(f"{method} {path}")
            time.sleep(wait)
            pause *= 2

    def _once(self, method, path, body, key) -> tuple[int, dict | None, int]:
        """Return status (0: no answer), JSON and Retry-After of one attempt."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if key:
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        url = path if path.startswith("http") else self.base + path
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.loads(response.read() or b"null"), 0
        except urllib.error.HTTPError as error:
            try:
                problem = json.loads(error.read())
            except (OSError, ValueError):  # cut off, or from a proxy that is not the bank
                return 0, None, 0
            return error.code, problem, int(error.headers.get("Retry-After", 0))
        except (OSError, ValueError):
            return 0, None, 0
