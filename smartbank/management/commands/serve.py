"""`manage.py serve`: the production server."""

import os
from contextlib import suppress
from functools import partial

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

ADDRESS = "127.0.0.1:8000"
THREADS = 16
STOP_SECONDS = 30
HEADER_SECONDS = 10
HEADER_BYTES = 64 * 1024


class Command(BaseCommand):
    """Serves the bank with granian: a Rust HTTP server round the WSGI application."""

    help = (
        "Serve the bank: pages, API and static files, with one process on each processor core and "
        f"{THREADS} threads each. Refuses to start with unsafe settings. SIGTERM answers what is "
        "running, then stops; SIGHUP replaces the processes one by one. Put a proxy that ends TLS "
        "in front of it, and name the proxy in TRUSTED_PROXIES."
    )
    requires_system_checks = []  # the application runs them, and the databases' too
    requires_migrations_checks = False

    def add_arguments(self, parser):
        """Add where to listen, and how much to run."""
        default = len(_cores()) or os.cpu_count()
        parser.add_argument("--bind", default=ADDRESS, help=f"host:port (default {ADDRESS})")
        parser.add_argument("--workers", type=int, default=default, help="default: the cores")
        parser.add_argument("--threads", type=int, default=THREADS, help=f"default {THREADS}")

    def handle(self, *, bind, workers, threads, verbosity, **options):
        """Serve until a signal ends it. Exits with a sentence where serving would be unsafe."""
        host, _, port = bind.rpartition(":")
        if not host or not port.isdecimal() or min(workers, threads) < 1:
            raise CommandError("Give --bind host:port, and at least one worker and thread.")
        import smartbank.wsgi  # noqa: F401  (refuses unsafe settings; the workers inherit it)

        if not settings.DEBUG and not settings.STATIC_ROOT.is_dir():
            raise CommandError("There are no static files: run `manage.py collectstatic` first.")
        connections.close_all()  # before the workers are forked: a connection is nobody's to share
        server = Server(
            "smartbank.wsgi:application",
            host.strip("[]"),
            int(port),
            interface=Interfaces.WSGI,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(HEADER_SECONDS * 1000, max_buffer_size=HEADER_BYTES),
            websockets=False,
            workers=workers,
            blocking_threads=threads,
            respawn_failed_workers=True,
            workers_kill_timeout=STOP_SECONDS,
            log_level=LogLevels.error,
        )
        if verbosity:
            self.stdout.write(f"Serving http://{bind} with {workers} x {threads} threads.")
            self.stdout.flush()
        cores = _cores()
        if len(cores) == workers:
            server.serve(spawn_target=partial(_on_a_core_of_its_own, cores))
        else:
            server.serve()


def _on_a_core_of_its_own(cores: list[int], worker: int, *rest) -> None:
    """Run a worker process, the first being 1, on its core alone.

    Only one thread of a process runs Python at a time. On several cores they wake each other there
    only to find that it is not their turn, and what they work on is in another core's cache.
    """
    with suppress(OSError):  # a core that was taken away since the start: better served by another
        os.sched_setaffinity(0, {cores[worker - 1]})
    Server._spawn_wsgi_worker(worker, *rest)


def _cores() -> list[int]:
    """Return the cores that this process may run on, or none where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
