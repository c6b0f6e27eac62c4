"""A token that the bank's administrator makes for a customer's programs."""

from django.conf import settings
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from accounts import mail, sign_in, throttles, tokens
from accounts.models import Customer
from accounts.staff_views import Operation
from accounts.token_forms import StaffTokenForm
from audit.operations import Origin


class MakeToken(Operation):
    """Makes a token with which a program acts for a customer, and shows it this once.

    Whoever sees it can do what the customer may, so it is for those who could set the customer's
    password as well; and the customer hears of it, and can revoke it.
    """

    permission = "accounts.add_apitoken"
    title = "Make API token"
    button = "Make the token"
    form_class = StaffTokenForm
    explanation = (
        "A program that has the token acts for the customer. It is shown once, on the next page; "
        "hand it to the customer and to nobody else. The customer is told by e-mail."
    )

    def find(self, customer_id: int) -> Customer:
        """Return the customer, who may sign in."""
        customers = Customer.objects.filter(user__is_active=True).select_related("user")
        return get_object_or_404(customers, pk=customer_id)

    def owner_id(self):
        """Return the user for whom the token would act."""
        return self.subject.user_id

    def facts(self):
        """Return who the customer is."""
        return [("Customer", self.subject.name), ("Signs in as", self.subject.user.username)]

    def form_valid(self, form):
        """Show the secret here: a message would be kept until the next page."""
        asked, user = dict(form.cleaned_data), self.subject.user
        reason = asked.pop("reason")
        try:
            throttles.take(
                self.request, throttles.of_tokens(user), throttles.of_tokens(self.request.user)
            )
        except throttles.TooMany as refused:
            form.add_error(None, sign_in.try_again_in(refused.seconds))
            return self.render_to_response(self.get_context_data(form=form), status=429)
        secret, token = tokens.create(user, origin=Origin.of(self.request), reason=reason, **asked)
        self._tell(token.name)
        context = self.get_context_data(form=form, secret=secret, token=token)
        return render(self.request, "admin/token_made.html", context)

    def _tell(self, name: str) -> None:
        with translation.override(self.subject.language):
            mail.send(
                self.subject.user.email,
                _("{bank}: a token was made for you").format(bank=settings.BANK_NAME),
                _(
                    "The bank made the token “{name}”, with which a program can act for you. You "
                    "see it under Security, and can revoke it there.\n\n"
                    "If you did not ask for it, call us at once: {contact}."
                ).format(name=name, contact=settings.BANK_CONTACT),
            )

    def page(self):
        """Return the user's page: an administrator sees no customers."""
        return reverse("admin:auth_user_change", args=[self.subject.user_id])
