"""Whom a customer pays: saved, paid lately, or the customer's own other accounts."""

from collections.abc import Sequence

from accounts.models import Account, Customer
from transfers.models import Payee, Transfer

LATEST_PAYMENTS = 50
RECENT = 6


def saved(customer: Customer) -> list[Payee]:
    """Return the customer's saved payees by name."""
    found = Payee.objects.filter(customer=customer).select_related("account__customer")
    return sorted(found, key=lambda one: one.account.owner_name.casefold())


def recent(customer: Customer, mine: Sequence[Account]) -> list[Account]:
    """Return the accounts of others that the customer paid last, newest first, each once."""
    latest = (
        Transfer.objects.filter(
            from_account__in=mine, kind=Transfer.Kind.PAYMENT, status=Transfer.Status.COMPLETED
        )
        .select_related("to_account__customer")
        .order_by("-pk")[:LATEST_PAYMENTS]
    )
    paid = {one.to_account_id: one.to_account for one in latest}  # a dict keeps the first place
    others = [one for one in paid.values() if one.customer_id != customer.pk]
    return others[:RECENT]


def known(customer: Customer, **name: str) -> Account | None:
    """Return the account of that name if the customer knows whose it is: it is the customer's own,
    a saved payee's, or was paid before."""
    found = Account.objects.filter(kind=Account.Kind.CUSTOMER, **name).select_related("customer")
    account = found.first()
    if account and (
        account.customer_id == customer.pk
        or Payee.objects.filter(customer=customer, account=account).exists()
        or any(_has_paid(mine, account) for mine in customer.accounts.all())
    ):
        return account
    return None


def _has_paid(mine: Account, account: Account) -> bool:
    paid = Transfer.objects.filter(from_account=mine, to_account=account)
    return paid.filter(kind=Transfer.Kind.PAYMENT, status=Transfer.Status.COMPLETED).exists()


def remember(customer: Customer, account: Account) -> None:
    """Save the owner of the account as a payee; once is enough, and oneself is none."""
    if account.customer_id not in {None, customer.pk}:
        Payee.objects.get_or_create(customer=customer, account=account)


def forget(customer: Customer, public_id: str) -> bool:
    """Take one payee off the customer's list; return False if it is not on it."""
    payee = Payee.objects.filter(customer=customer, public_id=public_id).first()
    if payee:
        payee.delete()
    return payee is not None
