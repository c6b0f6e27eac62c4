"""The demo bank: who is in it, and its first business, done over HTTP as a client would."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.db import connection

from accounts import money, operations
from accounts.models import Account, Customer
from audit.operations import Origin
from smartbank import sandbox
from smartbank.checks import DEMO_PASSWORD
from transfers import cash

EMAIL_DOMAIN = "demo.smartbank.example"
CURRENCY = "INR"
REASON = "Opened for the demo"

# Opening deposit and daily limit. Meera's first transfer of 25.00 to Rahul is part of the demo, so
# after it she has 500.00 and he has 3,000.00.
CUSTOMERS = {
    "reena": ("Reena Shah", "5000.00", "10000.00"),
    "rahul": ("Rahul Verma", "2975.00", "10000.00"),
    "anita": ("Anita Rao", "7000.00", "15000.00"),
    "meera": ("Meera Nair", "525.00", "100.00"),
}
STAFF = {
    "manager": "decides requests, limits, freezing, cash, the audit log",
    "teller": "opens customers and accounts, cash, freezing",
    "auditor": "sees everything, changes nothing",
}
ADMIN = "admin"


def is_ours(tables: list[str]) -> bool:
    """Return whether the database with these tables is a demo's, made whole or cut off before:
    it has no table but ours, and the demo's users unless it has none."""
    if not set(tables) <= {"django_migrations", *connection.introspection.django_table_names()}:
        return False
    if "auth_user" not in tables:
        return True
    users = get_user_model().objects
    is_demo = users.filter(username=ADMIN, email=f"{ADMIN}@{EMAIL_DOMAIN}").exists()
    return is_demo or not users.exists()


def open_bank() -> None:
    """Open customers, accounts and staff, and pay the deposits in. What is there already stays,
    so a run that was cut off is completed by the next."""
    _staff(ADMIN, role="administrator")
    for role in STAFF:
        _staff(role, role)
    origin = Origin.command("demo", _staff("teller", "teller").pk)
    for username, (name, deposit, limit) in CUSTOMERS.items():
        account = _account(username, name, limit, origin)
        cash.deposit(
            account,
            money.parse(deposit, CURRENCY),
            reference="Opening deposit",
            key=f"demo-opening-{username}",
            origin=origin,
            reason=REASON,
        )
    playground = _customer(sandbox.USERNAME, sandbox.NAME, origin)
    sandbox.open_accounts(playground, reason=REASON, origin=origin)


def _staff(username: str, role: str):
    users = get_user_model().objects
    user = users.filter(username=username).first() or users.create(
        username=username,
        email=f"{username}@{EMAIL_DOMAIN}",
        first_name=username.title(),
        password=make_password(DEMO_PASSWORD),
        is_staff=True,
    )
    user.groups.add(Group.objects.get(name=role))
    return user


def _customer(username: str, name: str, origin: Origin) -> Customer:
    customer = Customer.objects.filter(user__username=username).first()
    return customer or operations.open_customer(
        username=username,
        password=DEMO_PASSWORD,
        name=name,
        email=f"{username}@{EMAIL_DOMAIN}",
        reason=REASON,
        origin=origin,
    )


def _account(username: str, name: str, limit: str, origin: Origin) -> Account:
    customer = _customer(username, name, origin)
    return customer.accounts.first() or operations.open_account(
        customer,
        name="Savings",
        currency=CURRENCY,
        daily_limit_minor=money.parse(limit, CURRENCY),
        reason=REASON,
        origin=origin,
    )


def in_words(amount: str) -> str:
    """Return an amount of this module as people write it."""
    return money.display(money.parse(amount, CURRENCY), CURRENCY)


# --- Over HTTP --------------------------------------------------------------------------------


class Client:
    """A REST client of the demo's server, signed in as one of its users."""

    def __init__(self, base: str, username: str):
        self.base = base
        self.token = None
        credentials = {"username": username, "password": DEMO_PASSWORD}
        self.token = self.call("POST", "/auth/token", credentials)[1]["token"]
        customer = self.call("GET", "/me")[1]["customer_id"]
        self.accounts_path = f"/customers/{customer}/accounts"
        self.account = self.call("GET", self.accounts_path)[1]["results"][0]

    def call(self, method: str, path: str, body=None, key: str = "") -> tuple[int, dict]:
        """Return status and JSON of one call. Raises URLError if nobody answers."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if key:
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def send(self, amount: str, to_number: str, key: str) -> tuple[int, dict]:
        """POST /transfers."""
        order = {
            "from_account_id": self.account["id"],
            "to_account_number": to_number,
            "amount": amount,
            "reference": "Lunch",
        }
        return self.call("POST", "/transfers", order, key)

    def sign_out(self) -> None:
        """Revoke the token."""
        self.call("DELETE", "/auth/token")


class WentWrong(Exception):
    """The server did not answer as it must; the message holds what it said."""


def do_business(base: str, say: Callable[[str], None]) -> None:
    """Do the bank's main job once for real: a transfer, both refusals, the receiver's receipt.

    Its idempotency keys are always the same, so that doing it again moves nothing: the first
    answers come back. Raises WentWrong.
    """
    meera, rahul = Client(base, "meera"), Client(base, "rahul")
    to_rahul = rahul.account["number"]

    transfer = _expect(201, *meera.send("25.00", to_rahul, "demo-transfer"))
    say(f"201  Meera sends ₹25.00 to Rahul: {transfer['status']}, transfer {transfer['id']}")
    refused = _expect(402, *meera.send("600.00", to_rahul, "demo-insufficient-funds"))
    say(f"402  She has not got ₹600.00: {refused['code']}. {refused['detail']}")
    refused = _expect(429, *meera.send("90.00", to_rahul, "demo-over-the-limit"))
    say(f"429  Nor may she send ₹90.00 more today: {refused['code']}. {refused['detail']}")
    received = {"received_amount": "25.00"}
    path = f"/transfers/{transfer['id']}/receipt"
    receipt = _expect(200, *rahul.call("POST", path, received))["receipt"]
    say(f"200  Rahul got ₹{receipt['credited_amount']} and says so: {receipt['status']}")
    meera.sign_out()
    rahul.sign_out()


def _expect(wanted: int, status: int, body: dict) -> dict:
    if status != wanted:
        raise WentWrong(f"{status} instead of {wanted}: {json.dumps(body)}")
    return body


def curl_lines(base: str, reena: Client, to_number: str, key: str) -> list[str]:
    """Return three commands that work as they stand, with Reena's live token."""
    authorized = f"curl -sS -H 'Authorization: Bearer {reena.token}'"
    order = {
        "from_account_id": reena.account["id"],
        "to_account_number": to_number,
        "amount": "10.00",
        "reference": "From the command line",
    }
    return [
        f"{authorized} {base}{reena.accounts_path}",
        f"{authorized} -H 'Content-Type: application/json' -H 'Idempotency-Key: {key}'"
        f" -d '{json.dumps(order)}' {base}/transfers",
        f"{authorized} {base}/accounts/{reena.account['id']}/limits",
    ]
