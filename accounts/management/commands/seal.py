"""`manage.py seal`: fix what has happened so far, outside the database."""

import time
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts import sealing
from audit import seals


class Command(BaseCommand):
    """Seals the chains of audit rows, once or for ever."""

    help = (
        "Seal the chains of audit rows: sign one hash over where each of them ends now, store it, "
        "and append it to a file. Keep that file where the administrators of the database cannot "
        "write: whatever they change afterwards does not fit it any more. The bank stays open."
    )

    def add_arguments(self, parser):
        """Take the file and the pause."""
        parser.add_argument(
            "--to", metavar="FILE", type=Path, help="the file; else what AUDIT_SEALS_FILE names"
        )
        parser.add_argument(
            "--every", metavar="SECONDS", type=int, help="go on, with such pauses, until stopped"
        )

    def handle(self, *args, to, every, **options):
        """Seal and export. Raises CommandError if the file is of another history."""
        path = to or (settings.AUDIT_SEALS_FILE and Path(settings.AUDIT_SEALS_FILE))
        if not path:
            raise CommandError("Name a file, by --to or AUDIT_SEALS_FILE.")
        if every is not None and every < 1:
            raise CommandError("--every takes seconds, 1 or more.")
        self._seal(path)
        while every:
            time.sleep(every)
            self._seal(path)

    def _seal(self, path: Path) -> None:
        try:
            seals.export(path)  # what an earlier run stored and could not export any more
            new = list(sealing.seal_all())
            seals.export(path)
        except (seals.Conflict, OSError) as error:
            raise CommandError(str(error)) from None
        for seal in new:
            self.stdout.write(f"Seal {seal.number} over {seal.count} accounts, {seal.root}")
        if not new:
            self.stdout.write("Nothing has happened since the last seal.")
