"""What bank staff may do, as Django groups. No permission here changes a balance by itself.

Nobody may do anything without being in a role: Django's superusers open no door of this bank.
"""

from django.contrib.auth.models import Group, Permission

_LOOK = [
    "accounts.view_customer",
    "accounts.view_account",
    "accounts.view_accountdailyusage",
    "transfers.view_transfer",
    "transfers.view_ledgerentry",
    "transfers.view_dispute",
    "office.view_approvalrequest",
]
_SERVE = [
    "accounts.open_customer",
    "accounts.open_account",
    "accounts.change_customer",
    "accounts.reveal_customer",
    "accounts.change_limit",
    "accounts.freeze_account",
    "transfers.handle_cash",
    "office.request_closing",
    "office.request_reversal",
    "transfers.resolve_dispute",
]
_SUPERVISE = [
    "transfers.view_webhookendpoint",
    "transfers.view_webhookdelivery",
    "transfers.disable_webhook",
    "office.decide_approvalrequest",
    "accounts.view_apitoken",
    "accounts.revoke_apitoken",
    "audit.view_auditlog",
    "audit.export_lists",
]
_AUDIT = [
    "transfers.view_webhookendpoint",
    "transfers.view_webhookdelivery",
    "accounts.view_apitoken",
    "accounts.reveal_customer",
    "audit.view_auditlog",
    "audit.export_lists",
    "auth.view_user",
    "auth.view_group",
]
_ADMINISTER = [
    "auth.view_user",
    "auth.add_user",
    "auth.change_user",
    "auth.view_group",
    "auth.add_group",
    "auth.change_group",
    "auth.delete_group",
    "accounts.view_apitoken",
    "accounts.add_apitoken",
    "accounts.revoke_apitoken",
]

ROLES = {
    "teller": [*_LOOK, *_SERVE],
    "manager": [*_LOOK, *_SERVE, *_SUPERVISE],
    "auditor": [*_LOOK, *_AUDIT],
    "administrator": _ADMINISTER,
}


def create(using: str = "default", **kwargs) -> None:
    """Give each role's group exactly its permissions; run after every migration."""
    for name, labels in ROLES.items():
        group, _ = Group.objects.using(using).get_or_create(name=name)
        group.permissions.set([_permission(label, using) for label in labels])


def _permission(label: str, using: str) -> Permission:
    app, codename = label.split(".")
    return Permission.objects.using(using).get(content_type__app_label=app, codename=codename)
