"""The server under test: a real gunicorn whose workers can be killed, paused and replaced."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
STOP_SECONDS = 30
GRACEFUL_SECONDS = 10  # well inside it: gunicorn itself cuts off a connection that never ends
PR_SET_PDEATHSIG = 1


class NotServing(Exception):
    """The server did not start; its own words are in its log."""


class App:
    """SmartBank behind gunicorn on a port of 127.0.0.1 that stays the same over restarts.

    `environment` is all that the server sees; `wsgi` names the application. The workers are forked
    from a master that has loaded it, so that a killed one is replaced within milliseconds. Start it
    from the main thread: on Linux it dies with the thread that started it. Not `manage.py serve`:
    granian gives up when workers die one after the other, and that is what torture does to them.
    """

    def __init__(
        self,
        environment: dict[str, str],
        *,
        log: Path,
        workers: int = 3,
        threads: int = 6,
        wsgi: str = "smartbank.wsgi",
    ):
        self.environment = environment
        self.log = log
        self.workers = workers
        self.threads = threads
        self.wsgi = wsgi
        self.port = _free_port()
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> "App":
        self.start()
        return self

    def __exit__(self, *error) -> None:
        self.kill()

    def start(self) -> None:
        """Start the server and return once it answers. Raises NotServing."""
        command = [
            *(sys.executable, "-m", "gunicorn", self.wsgi),
            *("--bind", f"127.0.0.1:{self.port}", "--preload", "--no-control-socket"),
            *("--workers", str(self.workers), "--threads", str(self.threads)),
            *("--graceful-timeout", str(GRACEFUL_SECONDS)),
            *("--keep-alive", "20", "--log-level", "error"),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        give_up_at = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                self.kill()
                words = self.log.read_text(errors="replace")[-2000:]
                raise NotServing(f"The server under test did not start:\n{words}")
            time.sleep(0.02)

    def answers(self) -> bool:
        """Return whether /healthz answers 200 within a second."""
        with contextlib.suppress(OSError):
            url = f"http://127.0.0.1:{self.port}/healthz"
            with urllib.request.urlopen(url, timeout=1) as answer:
                return answer.status == 200
        return False

    def stop(self) -> int:
        """End the server as a deployment does, with SIGTERM; return its exit code."""
        self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL the master and every worker at once, as a machine that loses power."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def replace_workers(self) -> None:
        """Begin a rolling restart: new workers start, old ones finish what they are doing."""
        self._process.send_signal(signal.SIGHUP)

    def signal_all(self, number: int) -> None:
        """Send a signal to the master and every worker."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def worker_pids(self) -> list[int]:
        """Return the process ids of the workers there are now."""
        master = self._process.pid
        try:
            children = Path(f"/proc/{master}/task/{master}/children").read_text()
        except OSError:  # not Linux
            listing = ["ps", "-o", "pid=", "--ppid", str(master)]
            children = subprocess.run(listing, capture_output=True, text=True, check=False).stdout
        return [int(pid) for pid in children.split()]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _die_with_parent() -> None:
    """On Linux, ask to be killed when the thread that started us dies, however it dies."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
