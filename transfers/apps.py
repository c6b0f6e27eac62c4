"""The Django app of money moving."""

from django.apps import AppConfig


class TransfersConfig(AppConfig):
    """Tells the accounts below what to write along with a change."""

    name = "transfers"

    def ready(self):
        from accounts import operations
        from transfers import outbox

        operations.also_written.append(outbox.of_change)
