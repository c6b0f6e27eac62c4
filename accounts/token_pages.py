"""The page on which customers make tokens for their own programs."""

from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import sign_in, throttles, tokens
from accounts.token_forms import OwnTokenForm
from accounts.views import for_customers
from audit.operations import Origin


@for_customers
@require_http_methods(["GET", "HEAD", "POST"])
def new_token(request):
    """Make a token, and show it this once."""
    form = OwnTokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        try:
            if sign_in.confirm(request, asked.pop("password")):
                throttles.take(request, throttles.of_tokens(request.user))
                secret, token = tokens.create(request.user, origin=Origin.of(request), **asked)
                return render(request, "token_made.html", {"secret": secret, "token": token})
            form.add_error("password", _("This is not your password."))
        except throttles.TooMany as refused:
            form.add_error(None, sign_in.try_again_in(refused.seconds))
    return render(request, "token_new.html", {"form": form})
