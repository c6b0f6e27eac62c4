"""The second factor of staff: a code from a phone, or a recovery code, after the password.

A session that gave the password alone is a stranger's everywhere else (SecondFactorMiddleware).
"""

import io

import django_otp
import qrcode
import qrcode.image.svg
from django import forms
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpResponseRedirect
from django.shortcuts import resolve_url
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import tokens
from accounts.models import BrowserSession
from audit.models import Action
from audit.operations import Origin, record

RECOVERY_CODES = 10


class CodeForm(forms.Form):
    """Six digits from the phone, or a recovery code."""

    code = forms.CharField(
        max_length=16,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "text", "autofocus": True}
        ),
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def second_factor(request):
    """Ask for the code; or, where there is no phone yet, show how to set one up and confirm it."""
    user = request.half_known
    if not user.is_authenticated or not user.is_staff:
        return redirect_to_login(request.get_full_path(), reverse("admin:login"))
    if TOTPDevice.objects.filter(user=user, confirmed=True).exists():
        if user.is_verified() and request.method != "POST":
            left = StaticToken.objects.filter(device__user=user).count()
            return _page(request, "Second factor", codes_left=left)
        return _ask(request, user)
    return _set_up(request, user)


def _ask(request, user):
    form = CodeForm(request.POST or None)
    if form.is_valid():
        device = django_otp.match_token(user, form.cleaned_data["code"].replace(" ", ""))
        if device:
            _admit(request, device)
            return HttpResponseRedirect(_next(request))
        _audit(Action.SECOND_FACTOR_FAILED, request, user)
        form.add_error("code", "This code is not right, was used before, or came too soon.")
    return _page(request, "Enter your code", form=form, button="Go on")


def _set_up(request, user):
    device = TOTPDevice.objects.filter(user=user, confirmed=False).first()
    if device is None:
        if request.method != "POST":
            return _page(request, "Set up your second factor", button="Begin")
        TOTPDevice.objects.create(user=user, name="phone", confirmed=False)
        return HttpResponseRedirect(request.get_full_path())
    form = CodeForm(request.POST or None)
    if form.is_valid():
        if device.verify_token(form.cleaned_data["code"].replace(" ", "")):
            codes = _confirm(request, user, device)
            return _page(request, "Keep these codes", codes=codes, next=_next(request))
        form.add_error("code", "This code is not right: is the clock of the phone?")
    return _page(
        request,
        "Set up your second factor",
        form=form,
        button="Confirm",
        picture=_picture(device.config_url),
        key=_in_letters(device),
    )


def _confirm(request, user, device) -> list[str]:
    """Let the phone count from now on, and return the recovery codes, which are shown once."""
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    with transaction.atomic():
        device.confirmed = True
        device.save(update_fields=["confirmed"])
        spare = StaticDevice.objects.create(user=user, name="recovery")
        StaticToken.objects.bulk_create(StaticToken(device=spare, token=code) for code in codes)
        _audit(Action.SECOND_FACTOR_SET, request, user)
    _admit(request, device)
    return codes


def remove(user, *, reason: str, origin: Origin) -> bool:
    """Forget phone and recovery codes of somebody who lost them, and end all sessions and tokens of
    that user; return whether there were any codes or a phone."""
    with transaction.atomic():
        found = TOTPDevice.objects.filter(user=user).exists()
        for devices in (TOTPDevice, StaticDevice):
            devices.objects.filter(user=user).delete()
        if found:
            BrowserSession.objects.filter(user=user).delete()
            tokens.revoke_all(user, origin=origin, reason="Second factor removed")
            record(
                Action.SECOND_FACTOR_REMOVED,
                origin,
                object_type="user",
                object_id=str(user.pk),
                reason=reason,
            )
    return found


def _admit(request, device) -> None:
    """Let the session in, under a new key."""
    request.user = request.half_known
    request.session.cycle_key()
    django_otp.login(request, device)


def _audit(action: str, request, user) -> None:
    origin = Origin(user.pk, request.request_id, request.client_ip)
    record(action, origin, object_type="user", object_id=str(user.pk))


def _next(request) -> str:
    """Return where the visitor was going, if that is on this site, else the first page."""
    wanted = request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        wanted, {request.get_host()}, require_https=request.is_secure()
    )
    return wanted if safe else resolve_url("admin:index")


def _in_letters(device) -> str:
    """Return the key as people type it into a phone that has no camera."""
    secret = device.config_url.partition("secret=")[2].partition("&")[0]
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))


def _picture(url: str) -> str:
    """Return the QR code of an address as SVG."""
    image = qrcode.make(url, image_factory=qrcode.image.svg.SvgPathImage, border=2)
    drawn = io.BytesIO()
    image.save(drawn)
    return mark_safe(drawn.getvalue().decode().partition("?>")[2])  # made of digits by us


def _page(request, title: str, **context):
    context = {"title": title, "site_header": admin.site.site_header, **context}
    return TemplateResponse(request, "admin/office/second_factor.html", context)
