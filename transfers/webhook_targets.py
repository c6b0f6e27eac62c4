"""Where webhooks may go: to public hosts over TLS, and nowhere inside the bank's own network.

The address that was checked is the very one that is connected to, so a name cannot point elsewhere
between the check and the call (DNS rebinding). Redirects are not followed.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

SECONDS = 10  # for a whole call: finding the host, sending, and the answer's status and headers
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class TargetRefused(Exception):
    """The bank does not call this address; the message says why."""


def check(url: str) -> None:
    """Raise TargetRefused for an address that could never be called."""
    target = _split(url)
    try:
        address = ipaddress.ip_address(target.hostname)
    except ValueError:
        return  # a name: what it stands for is looked at when it is called
    if not _is_private_host(target) and not is_public(address):
        raise TargetRefused("This address is not public.")


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """POST the body and return the status of the answer, whose own body is not read. Raises
    TargetRefused, or OSError or HTTPException if there is none within SECONDS."""
    target = _split(url)
    port = target.port or (443 if target.scheme == "https" else 80)
    connection = _Pinned(target.hostname, port, timeout=SECONDS)
    connection.tls = target.scheme == "https"
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    deadline = threading.Timer(SECONDS, connection.end)
    deadline.start()
    try:
        connection.address = _resolve(target, port)
        connection.request("POST", path, body, headers)
        return connection.getresponse().status
    finally:
        deadline.cancel()
        connection.close()
        if connection.is_over:
            raise TimeoutError  # whatever was read until then is no answer


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Return whether the address is in the public internet, also behind its IPv6 disguises."""
    if address.version == 6:
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if address.sixtofour or address.teredo or address in _NAT64:
            return False
    return address.is_global and not address.is_multicast


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was checked, under the host's name.

    Its timeout is for each read alone, and a receiver could go on for hours with a byte now and
    then, or with one `100 Continue` after the other; `end` puts an end to all of it.
    """

    is_over = False

    def connect(self):
        self.sock = socket.create_connection(self.address, self.timeout)
        if self.tls:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
        if self.is_over:  # too early for `end` to find the socket
            raise TimeoutError
        if self.tls:
            self.sock.do_handshake()

    def end(self) -> None:
        """Let nothing more be read or sent, in whatever thread that is tried."""
        self.is_over = True
        if sock := self.sock:
            with suppress(OSError):  # it may be closed already
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _split(url: str) -> SplitResult:
    try:
        target = urlsplit(url)
        port = target.port
        (target.hostname or "").encode("idna")  # as a look-up does: no empty label, none over 63
    except ValueError:
        raise TargetRefused("This is not an address.") from None
    if not url.isascii() or not url.isprintable() or " " in url or not target.hostname:
        raise TargetRefused("This is not an address.")
    if target.username is not None or target.fragment or port == 0:
        raise TargetRefused("An address has no user, password, fragment or port zero.")
    if target.scheme != "https" and not (target.scheme == "http" and _is_private_host(target)):
        raise TargetRefused("An address begins with https://.")
    return target


def _is_private_host(target: SplitResult) -> bool:
    return target.hostname in settings.WEBHOOK_PRIVATE_HOSTS


def _resolve(target: SplitResult, port: int) -> tuple[str, int]:
    """Return the address to connect to. Raises TargetRefused unless all that the name stands for
    are public, and OSError if it stands for nothing."""
    found = socket.getaddrinfo(target.hostname, port, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(one[4][0].partition("%")[0]) for one in found]
    if not _is_private_host(target) and not all(map(is_public, addresses)):
        raise TargetRefused("This host is not public.")
    return str(addresses[0]), port
