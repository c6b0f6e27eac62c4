"""What bank staff do about customers, accounts and tokens: each a form with one operation behind.

These are views of their own, and not the admin's change form: that one saves every column inside
a transaction which an operation could neither retry nor commit.
"""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.generic import FormView

from accounts import customers, mail, money, operations, tokens
from accounts.models import Account, ApiToken, Customer
from accounts.staff_forms import (
    ChangeCustomerForm,
    OpenAccountForm,
    OpenCustomerForm,
    ReasonForm,
)
from audit.models import Action
from audit.operations import Origin, record
from audit.verification import End, Verification

NEWEST = 50_000  # audit rows of an account that one request verifies: some seconds' work


class NotDone(Exception):
    """The operation was refused; the message says why, to the member of staff."""


class Operation(FormView):
    """One thing that staff do: GET shows its form, POST carries it out once and leads back.

    A subclass says who may (`permission`), on what (`find`), what is done (`carry_out`) and which
    page shows the result (`page`).
    """

    template_name = "admin/operation.html"
    permission: str
    title: str
    button: str
    explanation = ""
    level = messages.SUCCESS
    refusals: tuple[type[Exception], ...] = (
        NotDone,
        customers.NotChanged,
        operations.UsernameTaken,
        operations.WrongStatus,
    )

    def dispatch(self, request, *args, **kwargs):
        """Let in who may do this, and to this very subject. Raises PermissionDenied."""
        if not request.user.has_perm(self.permission):
            raise PermissionDenied
        self.subject = self.find(**kwargs)
        if not self.is_for(request.user):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form):
        """Carry it out and lead back, or show why it was refused."""
        try:
            done = self.carry_out(form.cleaned_data, Origin.of(self.request))
        except self.refusals as refused:
            form.add_error(None, str(refused))
            return self.form_invalid(form)
        messages.add_message(self.request, self.level, done)
        return HttpResponseRedirect(self.page())

    def get_context_data(self, **context):
        """Return what the page shows: the admin's frame, and facts to decide by."""
        return super().get_context_data(
            **admin.site.each_context(self.request),
            title=self.title,
            button=self.button,
            explanation=self.explanation,
            facts=self.facts(),
            subject=self.subject,
            back=self.page(),
            **context,
        )

    def find(self, **kwargs):
        """Return what the operation is about, if there is such a thing. Raises Http404."""
        return None

    def owner_id(self) -> int | None:
        """Return the user whose property this is about."""
        return None

    def is_for(self, user) -> bool:
        """Return whether this person may do it to this subject: nobody serves themself."""
        return self.owner_id() != user.pk

    def facts(self) -> list[tuple[str, str]]:
        """Return what staff should see before they decide."""
        return []

    def carry_out(self, data: dict, origin: Origin) -> str:
        """Do it, with one call, and return what to tell the member of staff. Raises a refusal."""
        raise NotImplementedError

    def page(self) -> str:
        """Return the address of the page that shows the result."""
        raise NotImplementedError


class AccountOperation(Operation):
    """An operation on one customer's account; the bank's own have none."""

    def find(self, account_id: int) -> Account:
        """Return the account with its owner."""
        accounts = Account.objects.filter(kind=Account.Kind.CUSTOMER).select_related("customer")
        return get_object_or_404(accounts, pk=account_id)

    def owner_id(self):
        """Return the user who owns the account."""
        return self.subject.customer.user_id

    def facts(self):
        """Return whose account it is and what it holds."""
        account = self.subject
        return [
            ("Account", str(account)),
            ("Owner", account.owner_name),
            ("Status", account.get_status_display()),
            ("Available", money.display(account.available_minor, account.currency)),
            ("Daily limit", money.display(account.daily_limit_minor, account.currency)),
        ]

    def page(self):
        """Return the account's page."""
        return reverse("admin:accounts_account_change", args=[self.subject.pk])


class Verify(AccountOperation):
    """Proves the account's chain of audit rows. It changes nothing, and leaves an audit row."""

    permission = "audit.view_auditlog"
    title = "Verify the audit log of this account"
    button = "Verify"
    form_class = Form
    explanation = (
        f"Proves that the newest {NEWEST:,} audit rows of this account are as they were written, "
        "that none is missing, and that they fit what was sealed."
    )

    def find(self, account_id):
        """Return the account, also one of the bank's own."""
        return get_object_or_404(Account.objects.select_related("customer"), pk=account_id)

    def owner_id(self):
        """Return nobody: who may read the audit log may verify it."""
        return None

    def carry_out(self, data, origin):
        """Verify it. Raises NotDone with what is wrong."""
        account = self.subject
        end = End(account.pk, account.number, account.audit_sequence, account.audit_head)
        verification = Verification()
        wrong = next(verification.differences_of(end, NEWEST), None)
        record(
            Action.AUDIT_FOUND_WRONG if wrong else Action.AUDIT_VERIFIED,
            origin,
            object_type="account",
            object_id=account.public_id,
            **dict(verification.rows),
            **({"wrong": wrong} if wrong else {}),
        )
        if wrong:
            raise NotDone(f"The audit log is wrong: {wrong}.")
        return f"The audit log of this account is right: {verification.rows['audit rows']} rows."


class Freeze(AccountOperation):
    """Stops all money into and out of the account."""

    permission = "accounts.freeze_account"
    title = "Freeze account"
    button = "Freeze"
    form_class = ReasonForm
    explanation = (
        "From then on no money moves into or out of the account. To let it move again takes two."
    )

    def carry_out(self, data, origin):
        """Freeze it."""
        operations.freeze(self.subject, reason=data["reason"], origin=origin)
        return "The account is frozen."


class OpenCustomer(Operation):
    """Makes a customer and the user to sign in with."""

    permission = "accounts.open_customer"
    title = "Open customer"
    button = "Open customer"
    form_class = OpenCustomerForm

    def carry_out(self, data, origin):
        """Open the customer."""
        self.subject = operations.open_customer(
            username=data["username"],
            password=data["password"],
            name=data["name"],
            email=data["email"],
            reason=data["reason"],
            origin=origin,
        )
        return f"{self.subject.name} is a customer now, without an account so far."

    def page(self):
        """Return the new customer's page; before there is one, the list."""
        if self.subject is None:
            return reverse("admin:accounts_customer_changelist")
        return reverse("admin:accounts_customer_change", args=[self.subject.pk])


class CustomerOperation(Operation):
    """An operation on one customer."""

    def find(self, customer_id: int) -> Customer:
        """Return the customer."""
        return get_object_or_404(Customer.objects.select_related("user"), pk=customer_id)

    def owner_id(self):
        """Return the user who signs in as that customer."""
        return self.subject.user_id

    def facts(self):
        """Return who the customer is."""
        return [
            ("Customer", self.subject.name),
            ("Signs in as", self.subject.user.username),
            ("E-mail", mail.masked(self.subject.user.email)),
            ("May sign in", "yes" if self.subject.user.is_active else "no"),
        ]

    def page(self):
        """Return the customer's page."""
        return reverse("admin:accounts_customer_change", args=[self.subject.pk])


class ChangeCustomer(CustomerOperation):
    """Changes name, e-mail or whether the customer may sign in."""

    permission = "accounts.change_customer"
    title = "Change customer"
    button = "Change"
    form_class = ChangeCustomerForm
    explanation = "The audit log is told which of these you changed, and no personal data."

    def get_initial(self):
        """Return what may be shown of what there is."""
        return {"name": self.subject.name, "is_active": self.subject.user.is_active}

    def carry_out(self, data, origin):
        """Change what is another than before."""
        changed = customers.change(self.subject, origin=origin, **data)
        labels = (self.form_class.base_fields[name].label or name for name in changed)
        return f"Changed: {', '.join(labels).lower()}."


class CloseCustomer(CustomerOperation):
    """Ends a customer who has no open account."""

    permission = "accounts.change_customer"
    title = "Close customer"
    button = "Close"
    form_class = ReasonForm
    explanation = "All accounts must be closed. The customer signs in no more; the history stays."

    def carry_out(self, data, origin):
        """Close the customer."""
        customers.close(self.subject, reason=data["reason"], origin=origin)
        return "The customer is closed."


class RevealCustomer(CustomerOperation):
    """Shows what is masked everywhere else: in the answer to its form and nowhere afterwards."""

    permission = "accounts.reveal_customer"
    title = "Reveal personal data"
    button = "Reveal"
    form_class = ReasonForm
    explanation = (
        "Shows the e-mail address and the whole account numbers, once. The audit log is told "
        "that you saw them, and why."
    )

    def form_valid(self, form):
        """Show the data on this page: it is never cached, and to see it again is to ask again."""
        revealed = customers.reveal(
            self.subject, reason=form.cleaned_data["reason"], origin=Origin.of(self.request)
        )
        return self.render_to_response(self.get_context_data(form=form, revealed=revealed))


class OpenAccount(CustomerOperation):
    """Opens an account for a customer."""

    permission = "accounts.open_account"
    title = "Open account"
    button = "Open account"
    form_class = OpenAccountForm
    explanation = "The bank makes the account’s number. Its balance is zero until money comes in."

    def carry_out(self, data, origin):
        """Open the account."""
        account = operations.open_account(
            self.subject,
            name=data["name"],
            currency=data["currency"],
            daily_limit_minor=data["daily_limit"],
            reason=data["reason"],
            origin=origin,
        )
        return f"Account {account.number} is open."


class RevokeToken(Operation):
    """Makes an API token worthless."""

    permission = "accounts.revoke_apitoken"
    title = "Revoke API token"
    button = "Revoke"
    form_class = ReasonForm
    explanation = "Programs that use this token are refused from then on."

    def find(self, token_id: int) -> ApiToken:
        """Return the token with its user."""
        return get_object_or_404(ApiToken.objects.select_related("user"), pk=token_id)

    def facts(self):
        """Return which token it is."""
        return [("Token", f"{self.subject.hint}…"), ("Of", self.subject.user.username)]

    def carry_out(self, data, origin):
        """Revoke the token. Raises NotDone if it was revoked before."""
        if not tokens.revoke(self.subject, reason=data["reason"], origin=origin):
            raise NotDone("This token was revoked before.")
        return "The token is revoked."

    def page(self):
        """Return the token's page."""
        return reverse("admin:accounts_apitoken_change", args=[self.subject.pk])
