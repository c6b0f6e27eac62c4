"""The back office: Django's admin under our name, with our sign-in."""

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm

from accounts.sign_in import SignInForm


class StaffSignInForm(SignInForm, AdminAuthenticationForm):
    """Our limit on guessing, and Django's rule that only staff come in."""


class BackOffice(admin.AdminSite):
    """Where bank staff work."""

    site_header = "SmartBank back office"
    site_title = "SmartBank"
    index_title = "Back office"
    site_url = None
    login_form = StaffSignInForm
    enable_nav_sidebar = True
