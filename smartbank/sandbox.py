"""The demo bank's playground for programs: accounts that always give the same answer.

What an account does follows from what it is, by the bank's ordinary rules: nothing here is known to
the code that moves money. docs/sandbox.md has the table for those who program against it.
"""

from dataclasses import dataclass

from accounts import money, numbers, operations
from accounts.models import Account, Customer
from audit.operations import Origin
from transfers import cash

USERNAME = "sandbox"
NAME = "Sandbox"
NOBODYS = numbers.with_check_digits("9000000099")  # no account ever gets this number


@dataclass(frozen=True, slots=True)
class Magic:
    """One account: what it is is what it does."""

    body: str  # of its number
    name: str
    currency: str = "INR"
    deposit: str = "1000000.00"
    limit: str = "1000000.00"
    is_frozen: bool = False

    @property
    def number(self) -> str:
        """The account's number, the same in every demo bank."""
        return numbers.with_check_digits(self.body)


ACCOUNTS = [
    Magic("9000000001", "Plenty"),
    Magic("9000000002", "No limit left", limit="0.00"),
    Magic("9000000003", "Frozen", is_frozen=True),
    # The only two in their currency, and both without money: neither can ever get any.
    Magic("9000000004", "Empty", "KWD", "0.000", "1000.000"),
    Magic("9000000005", "Empty as well", "KWD", "0.000", "1000.000"),
]


def open_accounts(customer: Customer, *, reason: str, origin: Origin) -> None:
    """Open the accounts as far as they are not there yet."""
    for magic in ACCOUNTS:
        account = customer.accounts.filter(number=magic.number).first()
        account = account or operations.open_account(
            customer,
            name=magic.name,
            currency=magic.currency,
            daily_limit_minor=money.parse(magic.limit, magic.currency, zero_allowed=True),
            number=magic.number,
            reason=reason,
            origin=origin,
        )
        deposit_minor = money.parse(magic.deposit, magic.currency, zero_allowed=True)
        if deposit_minor and account.status == Account.Status.ACTIVE:
            key = f"demo-opening-{magic.number}"
            words = {"reference": "Opening deposit", "key": key, "reason": reason}
            cash.deposit(account, deposit_minor, origin=origin, **words)
        if magic.is_frozen and account.status == Account.Status.ACTIVE:
            operations.freeze(account, reason=reason, origin=origin)
