"""A new password for somebody who has forgotten the old one, by a link in an e-mail."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.tokens import default_token_generator
from django.utils.translation import gettext as _

from accounts import mail
from accounts.models import Customer


def start(email: str, link) -> None:
    """Mail a link to every customer with this address; `link(customer_id, token)` makes it.

    To nobody who is staff: they ask an administrator. The link works once, for
    PASSWORD_RESET_TIMEOUT seconds, and no more once the customer has signed in or changed the
    password.
    """
    users = get_user_model().objects.filter(
        email__iexact=email, is_active=True, is_staff=False, customer__isnull=False
    )
    for user in users.select_related("customer"):
        if user.email.casefold() != email.casefold():  # the collation takes é for e
            continue
        token = default_token_generator.make_token(user)
        mail.send(
            user.email,
            _("{bank}: choose a new password").format(bank=settings.BANK_NAME),
            _(
                "Hello {name},\n\n"
                "with this link you can choose a new password within an hour:\n\n{link}\n\n"
                "If you did not ask for it, do nothing: the old password stays."
            ).format(name=user.customer.name, link=link(user.customer.public_id, token)),
        )


def user_of(customer_id: str, token: str):
    """Return the user whose link this is, or None if it is wrong, too old or used."""
    customer = (
        Customer.objects.filter(public_id=customer_id, user__is_active=True, user__is_staff=False)
        .select_related("user")
        .first()
    )
    if customer and default_token_generator.check_token(customer.user, token):
        return customer.user
    return None
