"""E-mail to customers: sent beside the work and never a part of it.

One thread of each process sends what `send` was given, so nobody waits for a mail server and
nobody can tell from the time of an answer whether a mail was sent. What cannot be sent is a line
in the log; what waits when a process dies is lost.
"""

import logging
import queue
import threading
from smtplib import SMTPException

from django.core.mail import EmailMessage

logger = logging.getLogger("smartbank.mail")

MOST_WAITING = 1_000
_waiting: queue.Queue[EmailMessage] = queue.Queue(MOST_WAITING)
_starting = threading.Lock()
_sender: threading.Thread | None = None


def send(to: str, subject: str, body: str) -> None:
    """Send a message soon. Without an address, or with too many waiting, there is none."""
    if not to:
        return
    try:
        _waiting.put_nowait(EmailMessage(" ".join(subject.split()), body, to=[to]))
    except queue.Full:
        logger.error("a mail was dropped: %s are waiting", MOST_WAITING)
    _start()


def masked(address: str) -> str:
    """Return that there is an address and how it begins, for whoever need not know more."""
    return f"{address[0]}•••@•••" if address else "none"


def wait() -> None:
    """Return once everything that was given to `send` before has been tried."""
    _waiting.join()


def _start() -> None:
    global _sender
    with _starting:
        if _sender is None or not _sender.is_alive():  # a forked child has no threads yet
            _sender = threading.Thread(target=_send_all, name="mail", daemon=True)
            _sender.start()


def _send_all() -> None:
    while True:
        message = _waiting.get()
        try:
            message.send()
        except (OSError, SMTPException, ValueError) as error:
            logger.error("a mail was not sent", exc_info=error)
        finally:
            _waiting.task_done()
