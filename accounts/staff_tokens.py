"""Tokens that staff make: for a customer's programs, and to read through the API themselves."""

from django.conf import settings
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from accounts import mail, sign_in, throttles, tokens
from accounts.models import Customer
from accounts.staff_views import Operation
from accounts.token_forms import ReadingTokenForm, StaffTokenForm
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
        try:
            throttles.take(
                self.request, throttles.of_tokens(user), throttles.of_tokens(self.request.user)
            )
        except throttles.TooMany as refused:
            return self.wait(form, refused)
        answer = self.make(form, user, **asked)
        self._tell(asked["name"])
        return answer

    def wait(self, form, refused: throttles.TooMany):
        """Say when there may be another token, or another guess."""
        form.add_error(None, sign_in.try_again_in(refused.seconds))
        return self.render_to_response(self.get_context_data(form=form), status=429)

    def make(self, form, user, **asked):
        """Make the token and show its secret."""
        secret, token = tokens.create(user, origin=Origin.of(self.request), **asked)
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


class MakeOwnToken(MakeToken):
    """Makes a token with which a member of staff reads through the API, and shows it this once.

    The door to this page asked for the second factor, which `POST /auth/token` cannot.
    """

    permission = "accounts.view_account"
    title = "Make API token for yourself"
    form_class = ReadingTokenForm
    explanation = (
        "A program that has the token reads through the API what you may read, and orders nothing. "
        "It is shown once, on the next page. Changing your password ends it."
    )

    def find(self):
        """Return whoever asks."""
        return self.request.user

    def is_for(self, user) -> bool:
        """Return True: it does nothing to any account."""
        return True

    def facts(self):
        """Return nothing: people know who they are."""
        return []

    def form_valid(self, form):
        """Show the secret if the password is right; guesses count as at the door."""
        asked = dict(form.cleaned_data)
        try:
            if not sign_in.confirm(self.request, asked.pop("password")):
                form.add_error("password", "This is not your password.")
                return self.form_invalid(form)
            throttles.take(self.request, throttles.of_tokens(self.subject))
        except throttles.TooMany as refused:
            return self.wait(form, refused)
        is_verified = self.request.user.is_verified()
        return self.make(form, self.subject, second_factor=is_verified, **asked)

    def page(self):
        """Return the first page."""
        return reverse("admin:index")
