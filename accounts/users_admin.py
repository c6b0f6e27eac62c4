"""Who works here, and who may sign in: users and groups, for administrators.

Users have no superusers among them here: that mark opens nothing (accounts.sign_in). Nobody is ever
deleted, only deactivated, as the audit log speaks of them.
"""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db import transaction

from accounts import tokens
from accounts.models import Customer
from audit.models import Action
from audit.operations import Origin, record


class StandingAdmin(admin.ModelAdmin):
    """Pages on which administrators decide who may do what, and every change is audited with it.

    Nobody decides that about themself: a subclass says in `is_own` what would be that.
    """

    actions = None
    object_type: str
    # Fields whose values go into the audit log. Names and passwords never do.
    standing = ()

    def is_own(self, user, obj) -> bool:
        """Return whether the user's own rights follow from this row."""
        raise NotImplementedError

    def has_change_permission(self, request, obj=None):
        may = super().has_change_permission(request, obj)
        return may and not (obj and self.is_own(request.user, obj))

    def has_delete_permission(self, request, obj=None):
        may = super().has_delete_permission(request, obj)
        return may and not (obj and self.is_own(request.user, obj))

    def history_view(self, request, object_id, extra_context=None):
        """Show the history. Raises PermissionDenied before looking whether there is such a row,
        so that its answer says nothing to those who may not know."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)

    def save_related(self, request, form, formsets, change):
        """Save what belongs to the row, and audit the change in the same transaction."""
        super().save_related(request, form, formsets, change)
        told = [name for name in form.changed_data if name in self.standing]
        self.audit(
            request,
            form.instance,
            changed=sorted(form.changed_data),
            before={name: _plain(form.initial[name]) for name in told if name in form.initial},
            after={name: _plain(form.cleaned_data[name]) for name in told},
        )

    def delete_model(self, request, obj):
        """Delete the row, and audit that in the same transaction."""
        self.audit(request, obj, deleted=True)
        super().delete_model(request, obj)

    def audit(self, request, obj, **details) -> None:
        """Write an audit row about a user or a group."""
        record(
            Action.USER_CHANGED,
            Origin.of(request),
            object_type=self.object_type,
            object_id=str(obj.pk),
            **details,
        )


def _plain(value: object) -> object:
    """Return a flag as it is and a choice of rows as their names, for JSON."""
    return value if isinstance(value, bool) else sorted(str(one) for one in value)


admin.site.unregister([User, Group])


@admin.register(User)
class SafeUserAdmin(StandingAdmin, UserAdmin):
    """Who signs in. Customers' names and addresses are on the customer's page, masked there."""

    object_type = "user"
    standing = ("is_active", "is_staff", "groups", "user_permissions")
    show_full_result_count = False
    list_display = ("username", "is_staff", "is_active")
    list_filter = ("is_staff", "is_active", "groups")
    search_fields = ("username",)
    readonly_fields = ("last_login", "date_joined")

    STANDING = ("Standing", {"fields": standing})
    PERSON = ("Colleague", {"fields": ("first_name", "last_name", "email")})
    DATES = ("Dates", {"fields": ("last_login", "date_joined")})

    def is_own(self, user, obj):
        """Return whether it is the user's own row."""
        return user.pk == obj.pk

    def has_delete_permission(self, request, obj=None):
        return False

    def get_fieldsets(self, request, obj=None):
        """Return the fields; what is stored of a password, and of a colleague's name and address,
        is for those who may change it."""
        if obj is None:
            return self.add_fieldsets
        if not self.has_change_permission(request, obj):
            return [(None, {"fields": ("username",)}), self.STANDING, self.DATES]
        person = [] if Customer.of(obj) else [self.PERSON]
        door = (None, {"fields": ("username", "password")})
        return [door, *person, self.STANDING, self.DATES]

    def user_change_password(self, request, id, form_url=""):
        """Set somebody's password, end the tokens made with the old one, and audit all that in the
        same transaction."""
        with transaction.atomic():
            response = super().user_change_password(request, id, form_url)
            # Django also redirects back to the same page, to say that it did nothing.
            if response.status_code == 302 and response.url != request.get_full_path():
                user = self.get_object(request, id)
                self.audit(request, user, changed=["password"])
                tokens.revoke_all(user, origin=Origin.of(request), reason="Password changed")
        return response


@admin.register(Group)
class SafeGroupAdmin(StandingAdmin, GroupAdmin):
    """What each role may do; the roles of the bank itself are made anew by every `migrate`."""

    object_type = "group"
    standing = ("permissions",)

    def is_own(self, user, obj):
        """Return whether the user is in that group."""
        return user.groups.filter(pk=obj.pk).exists()
