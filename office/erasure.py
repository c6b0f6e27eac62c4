"""Forgetting a person: what tells who a customer was is overwritten, what happened stays.

Audit rows, entries and seals hold ids and amounts, so every chain, seal and book stays right.
"""

from functools import partial

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db.models import Q

from accounts import tokens, transactions
from accounts.models import Account, ApiToken, BrowserSession, Customer
from audit.models import Action
from audit.operations import Origin, record
from office.disputes import NotPossible
from transfers.models import Payee, WebhookDelivery, WebhookEndpoint

ERASED = "Erased"


def erase(customer: Customer, *, reason: str, origin: Origin) -> None:
    """Overwrite names, sign-in and everything else that is about the person, and audit that it was
    done. To erase again changes nothing. Raises NotPossible, and nothing changes, while an account
    is not closed, or for staff."""
    transactions.run(partial(_erase, customer, reason, origin))


def _erase(customer: Customer, reason: str, origin: Origin) -> None:
    accounts = Account.objects.locked(customer.accounts.values_list("pk", flat=True)).values()
    for account in accounts:
        if account.status != Account.Status.CLOSED:
            raise NotPossible(f"Account {account.number} is not closed.")
    user = customer.user
    if user.is_staff:
        raise NotPossible("The customer's user is staff, too.")
    username = f"erased-{customer.public_id}"
    if type(user).objects.filter(pk=user.pk, username=username).exists():
        return  # for instance because our COMMIT arrived and its reply did not

    tokens.revoke_all(user, origin=origin, reason=reason)
    ApiToken.objects.filter(user=user).update(name="", allowed_ips="")
    BrowserSession.objects.filter(user=user).delete()
    Payee.objects.filter(Q(customer=customer) | Q(account__customer=customer)).delete()
    WebhookDelivery.objects.filter(endpoint__customer=customer).delete()
    WebhookEndpoint.objects.filter(customer=customer).delete()
    Account.objects.filter(customer=customer).update(name=ERASED)
    Customer.objects.filter(pk=customer.pk).update(name=ERASED)
    type(user).objects.filter(pk=user.pk).update(
        username=username,
        password=UNUSABLE_PASSWORD_PREFIX,
        first_name="",
        last_name="",
        email="",
        last_login=None,
        is_active=False,
    )
    record(
        Action.CUSTOMER_ERASED,
        origin,
        object_type="customer",
        object_id=customer.public_id,
        user_id=user.pk,
        reason=reason,
    )
