"""`manage.py expire_requests`: close what waited too long for a second person."""

from django.core.management.base import BaseCommand

from audit.operations import Origin
from office import approvals


class Command(BaseCommand):
    """Closes stale requests, each in a transaction of its own; to be run now and then."""

    help = "Close the approval requests that waited longer than APPROVAL_HOURS for a decision."

    def handle(self, *args, **options):
        """Close them and say how many they were."""
        closed = approvals.expire_stale(origin=Origin.command("expire_requests"))
        self.stdout.write(f"{closed} stale requests closed.")
