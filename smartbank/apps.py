"""The two Django apps of the wiring itself."""

from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate


class SmartBankConfig(AppConfig):
    """Commands, system checks and roles."""

    name = "smartbank"

    def ready(self):
        from accounts import sessions
        from smartbank import checks, roles

        checks.register()
        user_logged_in.connect(sessions.begin)
        # auth is the last app whose permissions a role needs (INSTALLED_APPS is the order)
        post_migrate.connect(roles.create, sender=apps.get_app_config("auth"))


class SmartBankAdminConfig(AdminConfig):
    """Django's admin with our site in place of the default one."""

    default_site = "smartbank.admin.BackOffice"
