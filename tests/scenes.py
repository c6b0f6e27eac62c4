"""What two callers may wish at the same moment: done by the bank, and by pencil and paper.

A scene is a set of fresh accounts. A wish can be carried out on it by the product (`do`) and on a
PlainBank, with plain integers and one after the other (`by_hand`); both can say what is left.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from accounts import numbers
from accounts import operations as staff
from accounts.models import Account, AccountDailyUsage, Customer
from audit.models import Action, AuditLog
from audit.operations import Origin, row
from conftest import set_limit
from transfers import operations, payments, receipts
from transfers.models import LedgerEntry, Transfer
from transfers.orders import Order, Outcome

OWNERS = {"reena": "reena", "reena too": "reena", "rahul": "rahul", "anita": "anita"}
SCENES_AT_ONCE = 30
OPENING = "opening"  # the request of what was there before


class PlainBank:
    """What a banker would note with pencil and paper."""

    def __init__(self, balance: dict[str, int], limit: dict[str, int]):
        self.balance = dict(balance)
        self.limit = dict(limit)
        self.used = dict.fromkeys(balance, 0)
        self.frozen = set()
        self.transfers = Counter()  # (from, to, amount, verdict)
        self.receipt = ("UNCONFIRMED", None)
        self.rows = Counter(entries=0, audited=0)
        self.keys = {}

    def left(self) -> dict:
        """What is there in the end, to be compared with Scene.left."""
        names = ["balance", "limit", "used", "frozen", "transfers", "receipt", "rows"]
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Send:
    """A payment, in minor units. With `looked_up` it begins where the API hands it over."""

    sender: str
    receiver: str
    amount: int
    key: str
    looked_up: bool = False

    def by_hand(self, bank: PlainBank) -> str:
        used_by = (OWNERS[self.sender], self.key)
        if used_by in bank.keys:
            first, verdict = bank.keys[used_by]
            return f"{verdict} again" if first == self else "idempotency_key_reused"
        verdict = self._decide(bank)
        bank.keys[used_by] = self, verdict
        bank.transfers[self.sender, self.receiver, self.amount, verdict] += 1
        bank.rows["audited"] += 1
        if verdict == "paid":
            bank.balance[self.sender] -= self.amount
            bank.balance[self.receiver] += self.amount
            bank.used[self.sender] += self.amount
            bank.rows.update(entries=2, audited=1)
        return verdict

    def _decide(self, bank: PlainBank) -> str:
        if {self.sender, self.receiver} & bank.frozen:
            return "account_not_active"
        if self.amount > bank.balance[self.sender]:
            return "insufficient_funds"
        if self.amount > bank.limit[self.sender] - bank.used[self.sender]:
            return "daily_limit_exceeded"
        return "paid"

    def do(self, scene: "Scene") -> str:
        outcome = self._pay(scene) if self.looked_up else operations.post([self.order(scene)])[0]
        verdict = outcome.refusal.code if outcome.refusal else "paid"
        return f"{verdict} again" if outcome.replayed else verdict

    def order(self, scene: "Scene") -> Order:
        sender, receiver = scene.accounts[self.sender], scene.accounts[self.receiver]
        return Order(
            kind=Transfer.Kind.PAYMENT,
            caller_id=sender.customer.user_id,
            customer_id=sender.customer_id,
            from_account_id=sender.pk,
            to_account_id=receiver.pk,
            amount_minor=self.amount,
            currency="INR",
            key=scene.key(self.key),
            origin=Origin(actor_id=sender.customer.user_id),
        )

    def _pay(self, scene: "Scene") -> Outcome:
        sender, receiver = scene.accounts[self.sender], scene.accounts[self.receiver]
        user = sender.customer.user
        payment = payments.Payment(
            from_account_id=sender.public_id,
            to_account_id=receiver.public_id,
            amount=f"{self.amount // 100}.{self.amount % 100:02}",
            key=scene.key(self.key),
        )
        # Not `payments.pay`: there two who pay at once may share a transaction.
        return operations.post([payments.order(user, payment, origin=Origin(actor_id=user.pk))])[0]


@dataclass(frozen=True)
class Freeze:
    """Staff stop all money into and out of an account."""

    whom: str

    def by_hand(self, bank: PlainBank) -> str:
        if self.whom in bank.frozen:
            return "not active"
        bank.frozen.add(self.whom)
        bank.rows["audited"] += 1
        return "frozen"

    def do(self, scene: "Scene") -> str:
        try:
            staff.freeze(scene.accounts[self.whom], reason="test", origin=Origin.command("test"))
        except staff.WrongStatus:
            return "not active"
        return "frozen"


@dataclass(frozen=True)
class Limit:
    """Staff change what may be sent from an account in a day."""

    whom: str
    limit: int

    def by_hand(self, bank: PlainBank) -> str:
        bank.limit[self.whom] = self.limit
        bank.rows["audited"] += 1
        return "changed"

    def do(self, scene: "Scene") -> str:
        account, origin = scene.accounts[self.whom], Origin.command("test")
        set_limit(account, self.limit, reason="test", origin=origin)
        return "changed"


@dataclass(frozen=True)
class Receipt:
    """Rahul says how much of the scene's earlier payment has arrived."""

    received: int
    sent: int

    def by_hand(self, bank: PlainBank) -> str:
        given = "CONFIRMED" if self.received == self.sent else "DISPUTED", self.received
        if bank.receipt[0] == "UNCONFIRMED":
            bank.receipt = given
            bank.rows["audited"] += 1
        return given[0] if bank.receipt == given else "receipt_not_possible"

    def do(self, scene: "Scene") -> str:
        transfer = scene.transfers().earliest("pk")
        try:
            given = receipts.give(transfer, self.received, origin=Origin.command("test"))
        except receipts.ReceiptNotPossible:
            return "receipt_not_possible"
        return given.receipt_status


@dataclass
class Scene:
    """Accounts that nobody has used before, and what they hold."""

    number: int
    accounts: dict[str, Account]

    @property
    def _names(self) -> dict[int, str]:
        return {account.pk: name for name, account in self.accounts.items()}

    def key(self, key: str) -> str:
        """The scene's own version of an idempotency key."""
        return f"{key} {self.number}"

    def transfers(self):
        """The payments between the accounts."""
        return Transfer.objects.filter(from_account__in=self._names, kind=Transfer.Kind.PAYMENT)

    def left(self) -> dict:
        """What the database holds in the end, to be compared with PlainBank.left."""
        keys = list(self._names)
        name = self._names.get
        accounts = {name(one.pk): one for one in Account.objects.filter(pk__in=keys)}
        usage = AccountDailyUsage.objects.filter(account__in=keys)
        used = dict.fromkeys(accounts, 0) | {name(one.account_id): one.used_minor for one in usage}
        transfers = list(self.transfers().order_by("pk"))
        audited = AuditLog.objects.filter(account_id__in=keys)
        return {
            "balance": {who: one.balance_minor for who, one in accounts.items()},
            "limit": {who: one.daily_limit_minor for who, one in accounts.items()},
            "used": used,
            "frozen": {who for who, one in accounts.items() if one.status == "FROZEN"},
            "transfers": Counter(
                (
                    *(name(one.from_account_id), name(one.to_account_id)),
                    *(one.amount_minor, one.failure_code or "paid"),
                )
                for one in transfers
            ),
            "receipt": next(
                ((one.receipt_status, one.received_minor) for one in transfers),
                ("UNCONFIRMED", None),
            ),
            "rows": {
                "entries": LedgerEntry.objects.filter(transfer__in=transfers).count(),
                "audited": audited.exclude(request_id=OPENING).count(),
            },
        }


# --- Opening scenes, many at once, because hundreds are used ----------------------------------


def scenes(
    customers: dict[str, Customer],
    balance: dict[str, int],
    limit: dict[str, int],
    earlier: Sequence[Send],
    origin: Origin,
) -> Iterator[Scene]:
    """Yield one fresh scene after the other, with these balances, limits and earlier payments."""
    cash = staff.cash_account("INR")
    for first in count(1, SCENES_AT_ONCE):
        opened = _open(range(first, first + SCENES_AT_ONCE), customers, limit, origin)
        orders = [
            _deposit(cash, scene.accounts[who], amount, scene.key(who), origin)
            for scene in opened
            for who, amount in balance.items()
            if amount
        ]
        orders += [send.order(scene) for scene in opened for send in earlier]
        assert not any(outcome.refusal for outcome in operations.post(orders))
        yield from opened


# In turn: of a hundred thousand that are chosen by chance, two are the same.
NUMBERS = count(10**9)


def _open(scene_numbers, customers, limit, origin) -> list[Scene]:
    """Insert the rows that operations.open_account would, for all scenes together."""
    accounts = [
        Account(
            number=numbers.with_check_digits(str(next(NUMBERS))),
            customer=customers[OWNERS[who]],
            name=who,
            currency="INR",
            daily_limit_minor=limit[who],
        )
        for _ in scene_numbers
        for who in OWNERS
    ]
    Account.objects.bulk_create(accounts)
    in_turn = [one.public_id for one in accounts]  # MySQL does not return the keys of many rows
    stored = Account.objects.select_related("customer__user").in_bulk(
        in_turn, field_name="public_id"
    )
    accounts = [stored[public_id] for public_id in in_turn]
    AuditLog.objects.bulk_create([_opened(account, origin) for account in accounts])
    Account.objects.bulk_update(accounts, Account.CHAIN_END)
    in_turn = iter(accounts)
    return [Scene(number, {who: next(in_turn) for who in OWNERS}) for number in scene_numbers]


def _opened(account: Account, origin: Origin) -> AuditLog:
    return row(
        Action.ACCOUNT_OPENED,
        origin,
        object_type="account",
        object_id=account.public_id,
        account=account,
        after={
            "customer": account.customer.public_id,
            "currency": account.currency,
            "daily_limit_minor": account.daily_limit_minor,
            "status": account.status,
        },
    )


def _deposit(cash: Account, account: Account, amount: int, key: str, origin: Origin) -> Order:
    return Order(
        kind=Transfer.Kind.CASH,
        caller_id=origin.actor_id,
        customer_id=None,
        from_account_id=cash.pk,
        to_account_id=account.pk,
        amount_minor=amount,
        currency="INR",
        key=key,
        origin=origin,
    )
