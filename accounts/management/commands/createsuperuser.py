"""`manage.py createsuperuser`: Django's command, for a bank that has no superusers."""

from django.contrib.auth.management.commands import createsuperuser
from django.contrib.auth.models import Group
from django.db import transaction


class Command(createsuperuser.Command):
    """Asks what Django's own asks, and makes an administrator."""

    help = (
        "Create an administrator, who makes the other staff: users and groups, and no money. "
        "Nobody is a superuser here: what staff may do follows from their groups alone."
    )

    def handle(self, *args, database, verbosity, **options):
        """Make the user, and put it into the role."""
        super().handle(*args, database=database, verbosity=0, **options)
        role = Group.objects.using(database).get(name="administrator")
        made = self.UserModel._default_manager.using(database).filter(is_superuser=True)
        with transaction.atomic(database):
            for user in made:
                user.groups.add(role)
            made.update(is_superuser=False)
        if verbosity:
            self.stdout.write("The administrator can sign in now.")
