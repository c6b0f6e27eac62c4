"""The bank under test: its accounts, and who may use them."""

from dataclasses import asdict, dataclass

from django.db import connection
from django.db.models import Max

from accounts import operations, tokens
from audit.operations import Origin
from transfers import cash
from transfers.models import Transfer

CURRENCY = "INR"
NO_LIMIT = 10**14


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """How the bank is stocked and how hard it is used. Amounts are minor units.

    The circle is one customer whose accounts pay each other, so that one read of them all must
    always show the same sum. `people` pay each other; the `limited` among them have a daily limit
    within reach, the `poor` little money.
    """

    circle: int = 8
    circle_balance: int = 10_000
    circle_amount: int = 500
    people: int = 40
    people_balance: int = 100_000_000
    limited: int = 12
    limit: int = 200_000
    poor: int = 12
    poor_balance: int = 20_000
    amount: int = 9_000
    processes: int = 4
    threads: int = 6
    lost_answers: float = 0.08  # the share of answers that the clients never see


@dataclass(frozen=True, slots=True)
class Member:
    """An account of the bank under test, and what is needed to use it."""

    pk: int
    account_id: str
    customer_id: str
    user_pk: int
    token: str
    balance: int
    limit: int


@dataclass(frozen=True, slots=True)
class Cast:
    """All accounts: first the circle's, then the people's, the limited and the poor first."""

    members: list[Member]
    circle: int
    last_opening: int  # the key of the last transfer that opened the bank

    def as_dict(self) -> dict:
        """Return it as plain data for other processes."""
        return asdict(self)


def open_bank(workload: Workload) -> Cast:
    """Open all accounts with their money in them, and a token for each owner."""
    staff = Origin.command("torture")
    circle = _customer("circle", staff)
    members = [
        _account(circle, workload.circle_balance, NO_LIMIT, staff) for _ in range(workload.circle)
    ]
    for number in range(workload.people):
        is_limited = number < workload.limited
        is_poor = workload.limited <= number < workload.limited + workload.poor
        members.append(
            _account(
                _customer(f"person-{number}", staff),
                workload.poor_balance if is_poor else workload.people_balance,
                workload.limit if is_limited else NO_LIMIT,
                staff,
            )
        )
    _count_rows()
    last = Transfer.objects.aggregate(last=Max("pk"))["last"] or 0
    return Cast(members, workload.circle, last)


def _count_rows() -> None:
    """Let the server count its rows now, as one does after loading data: if it is killed before it
    does so by itself, it takes `accounts` for empty ever after and reads whole tables."""
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            tables = ", ".join(connection.introspection.table_names(cursor))
            cursor.execute(f"ANALYZE TABLE {tables}")
            cursor.fetchall()


def _customer(username: str, origin: Origin):
    # The password is never used: these customers come with a token.
    customer = operations.open_customer(
        username=username, password=username, name=username, origin=origin
    )
    token, _ = tokens.create(customer.user, origin=origin)
    return customer, token


def _account(owner, balance: int, limit: int, origin: Origin) -> Member:
    customer, token = owner
    account = operations.open_account(
        customer, name="Account", currency=CURRENCY, daily_limit_minor=limit, origin=origin
    )
    teller = Origin(actor_id=customer.user_id, request_id="torture", ip=None)
    cash.deposit(account, balance, reference="Opening", key=f"opening {account.pk}", origin=teller)
    return Member(
        account.pk,
        account.public_id,
        customer.public_id,
        customer.user_id,
        token,
        balance,
        limit,
    )
