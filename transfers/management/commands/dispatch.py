"""`manage.py dispatch`: send webhooks and notices by mail, for as long as it runs."""

import datetime as dt
import logging
import signal
import sys
import threading

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection
from django.utils import timezone

from accounts.transactions import Busy
from transfers import delivery, notices

logger = logging.getLogger("smartbank")

IDLE_SECONDS = 1


class Command(BaseCommand):
    """Sends what waits in the outbox, one message after the other."""

    help = (
        "Deliver webhooks: signed, in the order of each account's events, repeated until they are "
        "answered with a 2xx; and mail customers that money moved. Run as many of these as there "
        "are slow receivers; each may be killed at any time, and nothing is lost. --once stops "
        "when nothing is due; --prune deletes delivered webhooks that are old, and stops."
    )

    def add_arguments(self, parser):
        """Add --once, --prune and --until-eof."""
        parser.add_argument("--once", action="store_true", help="stop when nothing is due")
        parser.add_argument(
            "--prune",
            action="store_true",
            help="delete what was delivered WEBHOOKS_KEPT_DAYS ago or earlier, and stop",
        )
        parser.add_argument(
            "--until-eof", action="store_true", help="stop when the standard input ends"
        )

    def handle(self, *args, once, prune, until_eof, verbosity, **options):
        """Deliver until told to stop; then finish the message in hand."""
        if prune:
            return self._prune()
        stop = threading.Event()
        if not once:
            for ending in (signal.SIGINT, signal.SIGTERM):
                signal.signal(ending, lambda number, frame: stop.set())
        if until_eof:
            threading.Thread(target=_set_at_eof, args=[stop], daemon=True).start()
        attempts = 0
        while not stop.is_set():
            sent = self._send(delivery.deliver_next) + self._send(notices.send_next)
            attempts += sent
            if not sent and once:
                break
            if not sent:
                stop.wait(IDLE_SECONDS)
        if verbosity:
            self.stdout.write(f"{attempts} attempts.")

    def _send(self, send_next) -> bool:
        try:
            return send_next()
        except Busy:
            logger.warning("webhooks and mails wait: the database is away")
            connection.close()
            return False

    def _prune(self) -> None:
        deleted = 0
        before = timezone.now() - dt.timedelta(days=settings.WEBHOOKS_KEPT_DAYS)
        for count in delivery.prune(before):
            deleted += count
            self.stdout.write(f"{deleted:,} deleted so far.", ending="\r")
            self.stdout.flush()
        self.stdout.write(f"{deleted:,} webhooks that were delivered before {before:%F} are gone.")


def _set_at_eof(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()
