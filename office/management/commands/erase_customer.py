"""`manage.py erase_customer`: forget a person."""

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Customer
from audit.operations import Origin
from office import erasure


class Command(BaseCommand):
    """Erases one customer; for good, so it asks for the customer's id twice."""

    help = (
        "Overwrite name, sign-in, e-mail, payees, tokens' names and webhooks of a customer whose "
        "accounts are all closed. It cannot be taken back. Payments and the audit log stay: they "
        "hold ids and amounts, and still prove themselves. Run it as the database user that "
        "migrates: the one that serves may not delete webhooks."
    )

    def add_arguments(self, parser):
        """Take whom, why, and once more whom."""
        parser.add_argument("customer", metavar="CUSTOMER", help="the customer's id")
        parser.add_argument("--reason", required=True, help="for the audit log; name nobody in it")
        parser.add_argument(
            "--confirm", required=True, metavar="CUSTOMER", help="the customer's id again"
        )

    def handle(self, *args, customer, reason, confirm, **options):
        """Erase. Raises CommandError, and nothing changes, if that is not possible."""
        if confirm != customer:
            raise CommandError("--confirm is not the same customer.")
        found = Customer.objects.select_related("user").filter(public_id=customer).first()
        if not found:
            raise CommandError(f"There is no customer {customer}.")
        try:
            erasure.erase(found, reason=reason, origin=Origin.command("erase_customer"))
        except erasure.NotPossible as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(f"Customer {customer} is erased.")
