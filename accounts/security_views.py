"""Account security: the password, where one is signed in, and which programs may act for one."""

import datetime as dt

from django import forms
from django.conf import settings
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from accounts import mail, recovery, sessions, sign_in, throttles, tokens
from accounts.models import ApiToken, BrowserSession
from accounts.views import for_customers
from audit.models import Action, AuditLog
from audit.operations import Origin, record

as_forms_do = require_http_methods(["GET", "HEAD", "POST"])


@for_customers
@require_safe
def security(request):
    """Show the last sign-in, the sessions and the tokens."""
    signed_in = AuditLog.objects.filter(actor_id=request.user.pk, action=Action.SIGNED_IN)
    context = {
        "earlier": signed_in.order_by("-pk")[1:2].first(),
        "sessions": [
            {
                "session": one,
                "seen_at": dt.datetime.fromtimestamp(one.seen_at, dt.UTC),
                "is_this": one.session_key == request.session.session_key,
            }
            for one in sessions.live(request.user)
        ],
        "tokens": ApiToken.objects.valid().filter(user=request.user).order_by("-pk"),
    }
    return render(request, "security.html", context)


@for_customers
@as_forms_do
def end_session(request, id):
    """Sign a browser out. A GET comes from signing in on the way, as everywhere here."""
    if request.method == "POST":
        found = sessions.live(request.user).filter(public_id=str(id)).first()
        if found is None:
            raise Http404
        _end([found], request)
    return redirect("pages:security")


@for_customers
@as_forms_do
def end_other_sessions(request):
    """Sign all browsers out but this one; programs have tokens of their own."""
    if request.method == "POST":
        _end(list(sessions.others(request.user, request.session.session_key)), request)
    return redirect("pages:security")


@for_customers
@as_forms_do
def revoke_token(request, id):
    """Make one of the own tokens worthless."""
    if request.method == "POST":
        token = ApiToken.objects.valid().filter(user=request.user, public_id=str(id)).first()
        if token is None:
            raise Http404
        tokens.revoke(token, origin=Origin.of(request), reason="Revoked by its owner")
    return redirect("pages:security")


def _end(ended: list[BrowserSession], request) -> None:
    with transaction.atomic():
        for one in ended:
            record(
                Action.SESSION_ENDED,
                Origin.of(request),
                object_type="session",
                object_id=one.public_id,
            )
            one.delete()


# --- The password -----------------------------------------------------------------------------


class ChangePasswordForm(PasswordChangeForm):
    """Django's form; guesses at the old password count as at the door."""

    def __init__(self, request, data=None):
        super().__init__(request.user, data)
        self.request = request

    def clean_old_password(self):
        """Return the old password. Raises ValidationError, also after too many wrong ones."""
        try:
            is_right = sign_in.confirm(self.request, self.cleaned_data["old_password"])
        except throttles.TooMany as refused:
            raise ValidationError(sign_in.try_again_in(refused.seconds)) from None
        if not is_right:
            raise ValidationError(_("This is not your password."))
        return self.cleaned_data["old_password"]


@for_customers
@as_forms_do
def change_password(request):
    """Set another password; all other sessions and all tokens end with the old one."""
    form = ChangePasswordForm(request, request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "password.html", {"form": form}, status=400 if form.errors else 200)
    _set_password(request, form)
    update_session_auth_hash(request, request.user)
    return redirect(f"{reverse('pages:security')}?{urlencode({'done': 'password'})}")


def _set_password(request, form: SetPasswordForm) -> None:
    user = form.user
    origin = Origin(user.pk, request.request_id, request.client_ip)
    with transaction.atomic():
        form.save()
        tokens.revoke_all(user, origin=origin, reason="Password changed")
        for one in sessions.others(user, request.session.session_key):
            one.delete()
        record(Action.PASSWORD_CHANGED, origin, object_type="user", object_id=str(user.pk))
    mail.send(
        user.email,
        _("{bank}: your password was changed").format(bank=settings.BANK_NAME),
        _(
            "Your password was changed, and all other browsers and programs are signed out.\n\n"
            "If this was not you, call us at once: {contact}."
        ).format(contact=settings.BANK_CONTACT),
    )


class ForgottenForm(forms.Form):
    """`/forgotten`: the e-mail address that the bank knows."""

    email = forms.EmailField(
        label=gettext_lazy("Your e-mail address"), widget=forms.EmailInput({"size": 30})
    )


@as_forms_do
def forgotten(request):
    """Mail a link to choose a new password; the answer is the same for every address."""
    form = ForgottenForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        status = 400 if form.errors else 200
        return render(request, "forgotten.html", {"form": form}, status=status)
    email = form.cleaned_data["email"]
    limits = throttles.of_recovery(request.client_ip), throttles.of_mailbox(email)
    try:
        throttles.take(request, *limits)
    except throttles.TooMany as refused:
        form.add_error(None, sign_in.try_again_in(refused.seconds))
        return render(request, "forgotten.html", {"form": form}, status=429)

    def link(customer_id: str, token: str) -> str:
        query = urlencode({"customer": customer_id, "token": token})
        return request.build_absolute_uri(f"{reverse('pages:new-password')}?{query}")

    recovery.start(email, link)
    return render(request, "forgotten.html", {"sent": True})


@as_forms_do
def new_password(request):
    """Let whoever has the link choose a new password. It is in the query, which no log keeps."""
    user = recovery.user_of(request.GET.get("customer", ""), request.GET.get("token", ""))
    if user is None:
        return render(request, "new_password.html", {}, status=404)
    form = SetPasswordForm(user, request.POST if request.method == "POST" else None)
    if not form.is_valid():
        status = 400 if form.errors else 200
        return render(request, "new_password.html", {"form": form}, status=status)
    _set_password(request, form)
    return redirect(f"{settings.LOGIN_URL}?{urlencode({'done': 'password'})}")
