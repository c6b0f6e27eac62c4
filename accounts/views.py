"""Signing in and out on a page, and who may open the pages of customers."""

from functools import wraps

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import PermissionDenied
from django.http import JsonResponse
from django.shortcuts import redirect
from django.utils.translation import get_language, get_supported_language_variant
from django.views.decorators.http import require_http_methods, require_POST
from django.views.i18n import set_language

from accounts import sessions
from accounts.models import Customer
from accounts.sign_in import SignInForm


def for_customers(view):
    """Let only customers into `view`: strangers sign in first, staff go to the back office."""

    @wraps(view)
    def guarded(request, *args, **kwargs):
        if request.user.is_staff:
            return redirect("admin:index")
        if Customer.of(request.user) is None:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return login_required(guarded)


class SignInView(LoginView):
    """`/login`. Afterwards `next` is opened if it is on this site, else the home page."""

    http_method_names = ["get", "head", "post", "options"]  # Django reads a PUT as a POST
    template_name = "login.html"
    authentication_form = SignInForm

    def form_valid(self, form):
        """Sign in, and note the language that the page was read in."""
        response = super().form_valid(form)
        _note_language(self.request, get_language())
        return response

    def get_success_url(self):
        """Return where to go: staff have a door of their own."""
        if self.request.user.is_staff:
            return "/admin"
        return super().get_success_url()

    def form_invalid(self, form):
        """Show why, with everything but the password still there."""
        throttled = form.has_error("__all__", "throttled")
        return self.render_to_response(
            self.get_context_data(form=form), status=429 if throttled else 200
        )


class SignOutView(LogoutView):
    """`/logout`, by POST only: a link on another site must not sign anybody out."""

    next_page = "pages:login"


@require_POST
def choose_language(request):
    """Speak another language from now on, on pages and in mails."""
    response = set_language(request)
    chosen = response.cookies.get(settings.LANGUAGE_COOKIE_NAME)
    if chosen:  # it is one of ours, or like one: "hi-IN"
        _note_language(request, get_supported_language_variant(chosen.value))
    return response


def _note_language(request, language: str) -> None:
    if request.user.is_authenticated:
        Customer.objects.filter(user=request.user).exclude(language=language).update(
            language=language
        )


@require_http_methods(["GET", "HEAD", "POST"])
def session(request):
    """Say how long the session lives yet. A POST prolongs it, as any sign of its user does."""
    if request.method == "POST":
        sessions.stay(request)
    return JsonResponse({"seconds_left": sessions.seconds_left(request)})
