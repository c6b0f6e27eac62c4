"""`manage.py dispatch`: deliver webhooks, for as long as it runs."""

import logging
import signal
import threading

from django.core.management.base import BaseCommand
from django.db import connection

from accounts.transactions import Busy
from transfers import delivery

logger = logging.getLogger("smartbank")

IDLE_SECONDS = 1


class Command(BaseCommand):
    """Sends what waits in the outbox, one message after the other."""

    help = (
        "Deliver webhooks: signed, in the order of each account's events, repeated until they are "
        "answered with a 2xx. Run as many of these as there are slow receivers; each may be killed "
        "at any time, and nothing is lost. --once stops when nothing is due."
    )

    def add_arguments(self, parser):
        """Add --once."""
        parser.add_argument("--once", action="store_true", help="stop when nothing is due")

    def handle(self, *args, **options):
        """Deliver until told to stop; then finish the message in hand."""
        stop = threading.Event()
        if not options["once"]:
            for ending in (signal.SIGINT, signal.SIGTERM):
                signal.signal(ending, lambda number, frame: stop.set())
        sent = 0
        while not stop.is_set():
            if self._deliver():
                sent += 1
            elif options["once"]:
                break
            else:
                stop.wait(IDLE_SECONDS)
        self.stdout.write(f"{sent} attempts.")

    def _deliver(self) -> bool:
        try:
            return delivery.deliver_next()
        except Busy:
            logger.warning("webhooks wait: the database is away")
            connection.close()
            return False
