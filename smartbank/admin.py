"""The back office: Django's admin under our name, with our sign-in."""

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.views import PasswordChangeView
from django.db import transaction
from django.http import HttpResponseRedirect
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods

from accounts import tokens
from accounts.security_views import ChangePasswordForm
from accounts.sign_in import SignInForm
from accounts.staff_tokens import MakeOwnToken
from audit.models import Action
from audit.operations import Origin, record
from office import dashboard, search, second_factor
from office.second_factor_views import RemoveSecondFactor

as_forms_do = require_http_methods(["GET", "HEAD", "POST"])


class StaffSignInForm(SignInForm, AdminAuthenticationForm):
    """Our limit on guessing, and Django's rule that only staff come in."""

    @staticmethod
    def admits(user) -> bool:
        """Admit staff; a customer's right password is wrong here, and audited as that."""
        return user.is_staff


class OwnPasswordForm(ChangePasswordForm):
    """The customers' form, which counts guesses, as the admin shows forms."""

    required_css_class = "required"


class OwnPassword(PasswordChangeView):
    """Sets another password, which ends the tokens, and audits it in the same transaction."""

    def get_form(self, form_class=None):
        """Return the form, filled in or empty."""
        return OwnPasswordForm(self.request, self.get_form_kwargs().get("data"))

    def form_valid(self, form):
        """Set it."""
        origin = Origin.of(self.request)
        with transaction.atomic():
            response = super().form_valid(form)
            record(
                Action.USER_CHANGED,
                origin,
                object_type="user",
                object_id=str(form.user.pk),
                changed=["password"],
            )
            tokens.revoke_all(form.user, origin=origin, reason="Password changed")
        return response


class BackOffice(admin.AdminSite):
    """Where bank staff work."""

    site_header = "SmartBank back office"
    site_title = "SmartBank"
    index_title = "Back office"
    site_url = None
    login_form = StaffSignInForm
    enable_nav_sidebar = True

    def index(self, request, extra_context=None):
        """Show what the bank did today and what waits, above the lists."""
        context = {"dashboard": dashboard.of(request.user), **(extra_context or {})}
        return super().index(request, context)

    def get_urls(self):
        """Return the pages, with the search over all of them."""
        return [
            path("second-factor/", second_factor.second_factor, name="second_factor"),
            path(
                "second-factor/<int:user_id>/remove/",
                self.admin_view(RemoveSecondFactor.as_view()),
                name="second_factor_remove",
            ),
            path("token/", self.admin_view(MakeOwnToken.as_view()), name="own_token"),
            path("search/", self.admin_view(search.search), name="search"),
            *super().get_urls(),
        ]

    def admin_view(self, view, cacheable=False):
        """Return the page behind the door for staff. Django would read a PUT or DELETE as a GET:
        here they are refused, whoever asks."""
        return as_forms_do(super().admin_view(view, cacheable))

    @method_decorator(as_forms_do)
    def login(self, request, extra_context=None):
        """Show the door, and open it to staff; who gave the password goes on to the second door."""
        has_password_given = request.half_known.is_authenticated
        if request.method != "POST" and has_password_given and request.user.is_anonymous:
            query = {"next": request.GET.get("next", "")}
            return HttpResponseRedirect(reverse("admin:second_factor", query=query))
        return super().login(request, extra_context)

    def password_change(self, request, extra_context=None):
        """Let staff change their own password."""
        view = OwnPassword.as_view(
            success_url=reverse("admin:password_change_done"),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return view(request)
