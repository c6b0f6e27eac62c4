"""The load: processes full of clients that move money over HTTP and write down what they are told.

Each client is a thread with its own random numbers, made from the run's seed. It never gives an
intent up: after an unknown outcome it repeats the request under the same key until it has a
verdict. What it saw goes to a history file, a JSON object a line, with times in seconds of a clock
that all processes of the machine share. This module needs the standard library only.
"""

import hashlib
import http.client
import json
import random
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ANSWER_SECONDS = 30
VERDICT_SECONDS = (
    120  # after the end of the load, how long an intent may still look for its verdict
)
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
BURST = 4
UNKNOWN = {None, 500, 502, 503}  # 500 never counts as a verdict, and the checker forbids it
ANSWERED, UNKNOWNS, LOST = range(3)  # what is counted for the progress line
VARIES = ("request_id",)  # members of a body that may differ between two answers under one key

BAD_ORDERS = [
    {"amount": "0"},
    {"amount": "-1.00"},
    {"amount": "1e2"},
    {"amount": "1.005"},
    {"amount": True},
    {"amount": "१२"},
    {"surprise": 1},
    {"to_account_id": "not an id"},
    {"currency": "XXX"},
]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `status` None: nothing did, or the client never saw it."""

    status: int | None = None
    body: object = None
    replayed: bool = False

    @property
    def is_verdict(self) -> bool:
        """Whether this settles what became of a request."""
        return self.status not in UNKNOWN


def run(port, cast, workload, seed, number, history: Path, stop, counts) -> None:
    """Be one process of the load until `stop` is set and every intent has its verdict."""
    with history.open("w", buffering=1 << 16) as file:
        lock = threading.Lock()

        def write(record: dict) -> None:
            line = json.dumps(record, separators=(",", ":"))
            with lock:
                file.write(line + "\n")

        clients = [
            Client(f"{number}.{thread}", port, cast, workload, seed, write, stop, counts)
            for thread in range(workload["threads"])
        ]
        threads = [threading.Thread(target=client.work) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class Client:
    """One client: does one thing after the other, chosen by its own random numbers."""

    def __init__(self, name, port, cast, workload, seed, write: Callable, stop, counts):
        self.name = name
        self.address = ("127.0.0.1", port)
        self.members = cast["members"]
        self.circle = range(cast["circle"])
        self.people = range(cast["circle"], len(self.members))
        self.workload = workload
        self.chance = random.Random(f"{seed} {name}")
        self.write = write
        self.stop = stop
        self.counts = counts
        self.connection = self._connect()
        self.serial = 0
        self.paid: list[tuple] = []  # own transfers, to look at again

    def work(self) -> None:
        """Do things until told to stop."""
        things = {
            self.pay_in_the_circle: 25,
            self.read_the_circle: 20,
            self.pay_a_person: 25,
            self.pay_in_a_burst: 2,
            self.pay_twice: 3,
            self.pay_badly_then_well: 1,
            self.reuse_a_key: 2,
            self.read_a_version: 12,
            self.read_a_transfer: 8,
            self.read_limits: 4,
        }
        while not self.stop.is_set():
            (thing,) = self.chance.choices(list(things), things.values())
            thing()

    # --- Moving money ---

    def pay_in_the_circle(self) -> None:
        """One account of the circle pays another."""
        self._drive(self._order(self.circle, self.workload["circle_amount"]))

    def pay_a_person(self) -> None:
        """One person pays another; some have too little money for it, some too low a limit."""
        self._drive(self._order(self.people, self.workload["amount"]))

    def pay_in_a_burst(self) -> None:
        """Send several orders out of one account at the same moment."""
        orders = [self._order(self.people, self.workload["amount"]) for _ in range(BURST)]
        sender = orders[0]["from"]
        for order in orders[1:]:
            order["from"] = sender
            order["body"]["from_account_id"] = self.members[sender]["account_id"]
        orders = [order for order in orders if order["to"] != sender]
        self._at_once(orders)
        for order in orders:
            self._drive(order)

    def pay_twice(self) -> None:
        """Send one order over two connections at the same moment."""
        order = self._order(self.people, self.workload["amount"])
        self._at_once([order, order])
        self._drive(order)

    def _at_once(self, orders: list[dict]) -> None:
        """Send each order over a connection of its own, then hear all answers."""
        began = time.monotonic()
        connections = [self._connect() for _ in orders]
        pairs = list(zip(connections, orders, strict=True))
        asked = [self._ask(connection, "POST", "/transfers", order) for connection, order in pairs]
        for (connection, order), is_asked in zip(pairs, asked, strict=True):
            answer = self._hear(connection) if is_asked else Answer()
            self._note_answer(order, began, answer)
            connection.close()

    def pay_badly_then_well(self) -> None:
        """Send what must be refused with 400, then a good order under the same key."""
        order = self._order(self.people, self.workload["amount"])
        bad = {**order, "body": {**order["body"], **self.chance.choice(BAD_ORDERS)}, "is_bad": True}
        self._drive(bad)
        self._drive(order)

    def reuse_a_key(self) -> None:
        """Pay, then order something else under the same key: refused, and only the first moves."""
        order = self._order(self.people, self.workload["amount"])
        self._drive(order)
        amount = order["amount"] + 1
        body = {**order["body"], "amount": _text(amount)}
        self._drive({**order, "body": body, "amount": amount, "is_reuse": True})

    def _order(self, accounts: range, most: int) -> dict:
        """Make a new intent. Its key is made, and known, before anything is sent."""
        sender, receiver = self.chance.sample(accounts, 2)
        amount = self.chance.randint(1, most)
        self.serial += 1
        return {
            "key": f"{self.name}.{self.serial}",
            "from": sender,
            "to": receiver,
            "amount": amount,
            "body": {
                "from_account_id": self.members[sender]["account_id"],
                "to_account_id": self.members[receiver]["account_id"],
                "amount": _text(amount),
            },
        }

    def _drive(self, order: dict) -> None:
        """Send an order again and again until there is a verdict."""
        pause = FIRST_PAUSE
        give_up_at = None
        while True:
            loses = not self.stop.is_set() and self.chance.random() < self.workload["lost_answers"]
            began = time.monotonic()
            answer = self._exchange("POST", "/transfers", order, loses=loses)
            self._note_answer(order, began, answer)
            if answer.is_verdict:
                if answer.status == 201 and len(self.paid) < 200:
                    self.paid.append((answer.body["id"], order))
                return
            if self.stop.is_set():
                give_up_at = give_up_at or time.monotonic() + VERDICT_SECONDS
                if time.monotonic() > give_up_at:
                    return  # the checker misses the verdict
            time.sleep(self.chance.uniform(0, pause))
            pause = min(2 * pause, LONGEST_PAUSE)

    def _note_answer(self, order: dict, began: float, answer: Answer) -> None:
        body = answer.body if isinstance(answer.body, dict) else {}
        told = {name: value for name, value in body.items() if name not in VARIES}
        self._note(
            began,
            answer,
            kind="bad" if "is_bad" in order else "reuse" if "is_reuse" in order else "order",
            key=order["key"],
            amount=order["amount"],
            **{"from": order["from"], "to": order["to"]},
            id=body.get("id") or body.get("transfer_id"),
            body=_digest(told) if answer.status else None,
            replayed=answer.replayed,
        )

    # --- Looking ---

    def read_the_circle(self) -> None:
        """Read all balances of the circle with one request."""
        customer = self.members[0]["customer_id"]
        answer, began = self._get(f"/customers/{customer}/accounts?limit=200", 0)
        balances = None
        if answer.status == 200:
            by_id = {one["account_id"]: index for index, one in enumerate(self.members)}
            balances = {by_id[one["id"]]: _minor(one["balance"]) for one in answer.body["results"]}
        self._note(began, answer, kind="balances", balances=balances)

    def read_a_version(self) -> None:
        """Read an account's newest entry: how many there are, and the balance after it."""
        account = self.chance.randrange(len(self.members))
        path = f"/accounts/{self.members[account]['account_id']}/entries?limit=1"
        answer, began = self._get(path, account)
        newest = answer.body["results"][0] if answer.status == 200 else {}
        self._note(
            began,
            answer,
            kind="version",
            account=account,
            sequence=newest.get("sequence"),
            balance=_minor(newest["balance_after"]) if newest else None,
        )

    def read_a_transfer(self) -> None:
        """Look at an own transfer again, as its sender or as its receiver."""
        if not self.paid:
            return
        transfer, order = self.chance.choice(self.paid)
        reader = order[self.chance.choice(["from", "to"])]
        answer, began = self._get(f"/transfers/{transfer}", reader)
        body = answer.body if answer.status == 200 else {}
        self._note(
            began,
            answer,
            kind="transfer",
            id=transfer,
            told=[body.get("id"), body.get("status"), _minor(body.get("amount", "0"))],
            wanted=[transfer, "COMPLETED", order["amount"]],
        )

    def read_limits(self) -> None:
        """Read what is left of a limit."""
        account = self.chance.choice(self.people)
        path = f"/accounts/{self.members[account]['account_id']}/limits"
        answer, began = self._get(path, account)
        limit = None
        if answer.status == 200:
            limit = [_minor(answer.body[name]) for name in ("daily_limit", "used", "remaining")]
        self._note(began, answer, kind="limits", account=account, limit=limit)

    # --- HTTP ---

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self.address, timeout=ANSWER_SECONDS)

    def _get(self, path: str, reader: int) -> tuple[Answer, float]:
        began = time.monotonic()
        return self._exchange("GET", path, {"from": reader}), began

    def _exchange(self, method: str, path: str, order: dict, loses: bool = False) -> Answer:
        """Send a request and return what came back, unless the answer is to be lost."""
        if not self._ask(self.connection, method, path, order):
            return Answer()
        if loses:
            self._lose(self.connection)
            return Answer()
        return self._hear(self.connection)

    def _ask(self, connection, method: str, path: str, order: dict) -> bool:
        """Send a request; return whether it went out."""
        headers = {"Authorization": f"Bearer {self.members[order['from']]['token']}"}
        body = None
        if method == "POST":
            headers |= {"Content-Type": "application/json", "Idempotency-Key": order["key"]}
            body = json.dumps(order["body"])
        try:
            connection.request(method, path, body, headers)
        except (OSError, http.client.HTTPException):
            connection.close()
            return False
        return True

    def _hear(self, connection) -> Answer:
        """Read an answer; one that does not arrive whole has not arrived."""
        try:
            response = connection.getresponse()
            text = response.read()
            body = json.loads(text)  # all answers here are JSON, also the refusals
        except (OSError, http.client.HTTPException, ValueError):
            connection.close()
            return Answer()
        return Answer(response.status, body, response.headers.get("Idempotent-Replayed") == "true")

    def _lose(self, connection) -> None:
        """Wait until the answer is there, then hang up without having read it."""
        with_answer = False
        try:
            if select.select([connection.sock], [], [], ANSWER_SECONDS)[0]:
                with_answer = bool(connection.sock.recv(1, socket.MSG_PEEK))
        except OSError:
            pass
        connection.close()
        self.counts[LOST] += with_answer

    def _note(self, began: float, answer: Answer, **facts) -> None:
        self.counts[ANSWERED if answer.is_verdict else UNKNOWNS] += 1
        is_problem = answer.status is not None and answer.status >= 400
        record = {
            "t0": began,
            "t1": time.monotonic(),
            "by": self.name,
            "status": answer.status,
            "code": answer.body.get("code") if is_problem and answer.body else None,
        }
        self.write(record | facts)


def _text(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02}"


def _minor(text: str) -> int:
    whole, _, decimals = text.partition(".")
    return int(whole + decimals)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
